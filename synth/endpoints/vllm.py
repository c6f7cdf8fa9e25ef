"""vLLM that we start, watch and stop: one server for each replica, behind one client.

A server that ends is started again on its port with its arguments, at most three times in ten minutes of serving;
meanwhile the client treats it like any server that is out of order. The servers listen on loopback behind a key made
for this process, handed over in the environment, where no process list shows it. Nothing of vLLM is imported here: it
may live in another environment.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synth.endpoints.base import UNRECORDED, Ledger, Outcome, Request
from synth.endpoints.http import HttpEndpoint, http_endpoint
from synth.endpoints.server import Server
from synth.endpoints.vllm_args import command, environments, interpreter, visible_gpus
from synth.endpoints.vllm_process import ReservedPort, ServerEnded, ServerProcess, describe
from synth.errors import EndpointRefused, UserError
from synth.spec_models import VllmModel

MOST_RESTARTS = 3
WINDOW = 600.0
"""Seconds of serving in which a server may be started again :data:`MOST_RESTARTS` times; loading does not count."""


log = logging.getLogger(__name__)


class VllmEndpoint:
    """vLLM's servers for one model; :meth:`start` loads them, which takes minutes."""

    def __init__(
        self,
        model: VllmModel,
        role: str = "generator",
        logs: Path | None = None,
        *,
        say: Callable[[str], None] = log.warning,
    ) -> None:
        """Make an endpoint.

        Args:
            model: what to run.
            role: names it in messages and log files.
            logs: folder for ``vllm-<role>-<n>.log``; None: a temporary one, which stays if the start fails.
            say: is told in one line when a server is started, and when it is started again.
        """
        self.model = model
        self.role = role
        self._logs = logs
        self._temporary: Path | None = None
        self._say = say
        self._key = secrets.token_hex(24)
        self._servers: list[ServerProcess] = []
        self._ports: list[ReservedPort] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._http: HttpEndpoint | None = None
        self._given_up: asyncio.Future[str] | None = None

    @property
    def slots(self) -> int:
        """Requests it should be given at the same time."""
        return self._http.slots if self._http is not None else self.model.max_in_flight * self.model.replicas

    @property
    def servers(self) -> list[Server]:
        """The servers behind it; none before :meth:`start`."""
        return self._http.servers if self._http is not None else []

    async def start(self) -> None:
        """Start all servers and wait until they are healthy.

        Raises:
            UserError: no vLLM, a mistake in ``args``, too few GPUs, or a server that ends or takes too long; then the
                log's last lines follow the first one.
        """
        self._given_up = asyncio.get_running_loop().create_future()
        try:
            python, cpu = await asyncio.to_thread(interpreter, self.model, self.role)
            gpus = visible_gpus({**os.environ, **self.model.env}, cpu)
            self._make_servers(python, gpus)
            await self._launch_all()
            self._http = self._client(bool(gpus))
            await self._http.start()
        except BaseException:
            await self.close(keep_logs=True)
            raise
        self._watchers = [asyncio.create_task(self._watch(server)) for server in self._servers]

    def _make_servers(self, python: str, gpus: list[str]) -> None:
        if self._logs is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="clinsynth-vllm-"))
        folder = self._temporary or self._logs
        assert folder is not None
        for number, env in enumerate(environments(self.model, self.role, self._key, gpus), start=1):
            port = ReservedPort()
            self._ports.append(port)
            argv = command(python, self.model, port.number, self.role)
            path = (folder / f"vllm-{self.role}-{number}.log").absolute()
            self._servers.append(ServerProcess(argv, env, port, path))

    def _client(self, gpu: bool) -> HttpEndpoint:
        model = self.model
        return http_endpoint(
            model,
            [f"{server.url}/v1" for server in self._servers],
            self.role,
            api_key=self._key,
            # A server that is being started again is no outage yet; whether it comes back is watched here.
            max_outage=model.max_outage + model.start_timeout,
            # A sampling seed of a request ends vLLM's CPU engine as soon as a prompt is processed in chunks.
            send_seed=gpu if model.send_seed is None else model.send_seed,
            say=self._say,
        )

    async def _launch_all(self) -> None:
        for server in self._servers:
            self._say(f"models.{self.role}: starting vLLM, which may take minutes; its log: {server.log}")
        starting = [asyncio.create_task(self._launch(server)) for server in self._servers]
        try:
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _launch(self, server: ServerProcess) -> None:
        try:
            server.launch()
            await server.healthy(self.model.start_timeout)
            return
        except ServerEnded as error:
            what = f"vLLM's server ended while starting ({error})"
        except TimeoutError:
            what = f"vLLM's server was not ready within {self.model.start_timeout:g} s (start_timeout)"
        except OSError as error:
            raise UserError(f"models.{self.role}: cannot write {server.log}: {error.strerror or error}") from None
        lines = [f"    {line}" for line in server.last_lines(self._key)]
        raise UserError("\n".join([f"models.{self.role}: {what}; its log: {server.log}", *lines]))

    async def _watch(self, server: ServerProcess) -> None:
        """Start a server again when it ends, until it ends too often."""
        served, healthy_at = 0.0, time.monotonic()
        restarts: list[float] = []
        while True:
            why = f"models.{self.role}: vLLM's server ended ({describe(await server.ended())})"
            served += time.monotonic() - healthy_at
            restarts = [at for at in restarts if served - at < WINDOW]
            while True:
                if len(restarts) >= MOST_RESTARTS:
                    self._give_up(f"{why} after {len(restarts)} restarts; its log: {server.log}")
                    return
                restarts.append(served)
                self._say(f"{why}; starting it again; its log: {server.log}")
                try:
                    await self._launch(server)
                    break
                except UserError as error:
                    why = str(error).splitlines()[0].partition("; its log:")[0]
                    await server.stop()
            healthy_at = time.monotonic()

    def _give_up(self, why: str) -> None:
        if self._given_up is not None and not self._given_up.done():
            self._given_up.set_result(why)

    async def complete(self, request: Request, ledger: Ledger = UNRECORDED) -> Outcome:
        """Answer one request.

        Raises:
            EndpointRefused: a server ended too often, or what the client raises.
        """
        if self._http is None or self._given_up is None:
            raise RuntimeError("start() comes before complete()")
        if self._given_up.done():
            raise EndpointRefused(self._given_up.result())
        asking = asyncio.create_task(self._http.complete(request, ledger))
        try:
            waited: set[asyncio.Future[Any]] = {asking, self._given_up}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            raise EndpointRefused(self._given_up.result())
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking})

    def stop(self, reason: BaseException) -> None:
        """Send nothing more."""
        if self._http is not None:
            self._http.stop(reason)

    async def close(self, *, keep_logs: bool = False) -> None:
        """Stop watching, close connections, end all servers and free their ports; may be called twice."""
        for task in self._watchers:
            task.cancel()
        for server in self._servers:
            server.hang_up()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        await asyncio.gather(*(server.stop() for server in self._servers))
        for port in self._ports:
            port.release()
        if self._temporary is not None and not keep_logs:
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._http, self._temporary = None, None
        self._watchers, self._servers, self._ports = [], [], []
