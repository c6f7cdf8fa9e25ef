"""``--push`` against a small local stand-in for the Hub's HTTP interface: private unless told otherwise."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.runs import ROOT
from tests.training.conftest import needs_trl

pytestmark = [pytest.mark.train, needs_trl]

CODE = """
import sys
from pathlib import Path
from synth.errors import UserError
from training.outputs import push
try:
    print(push(Path(sys.argv[1]), "owner/name", public="--public" in sys.argv))
except UserError as error:
    sys.exit(str(error))
"""


class Hub:
    """What the server holds: the repository's visibility (None: there is none) and the files of the last commit."""

    def __init__(self, private: bool | None = None, status: int = 200) -> None:
        self.private = private
        self.status = status
        self.files: dict[str, bytes] = {}
        self.url = ""

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON for one request."""
        if self.status != 200:
            return self.status, {"error": "no"}
        if path == "/api/repos/create":
            if self.private is not None:
                return 409, {"error": "exists", "url": f"{self.url}/owner/name"}
            asked = json.loads(body)
            self.private = asked.get("visibility") == "private" or asked.get("private") is True
            return 200, {"url": f"{self.url}/owner/name", "id": "owner/name"}
        if path.endswith("/preupload/main"):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return 200, {"files": files}
        if path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return 200, {"commitUrl": f"{self.url}/owner/name/commit/1", "commitOid": "1" * 40, "success": True}
        if path.startswith("/api/models/owner/name"):
            return 200, {"id": "owner/name", "private": self.private, "sha": "1" * 40, "siblings": []}
        return 200, {"errors": [], "warnings": []}  # the check of a card's YAML


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, value = hub.answer(self.path.partition("?")[0], body)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub.url
    finally:
        server.shutdown()
        server.server_close()


def pushed(hub: Hub, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    with serving(hub) as url:
        environment = {**os.environ, "HF_ENDPOINT": url, "HF_TOKEN": "hf_test", "HF_HUB_OFFLINE": "0"}
        return subprocess.run([sys.executable, "-c", CODE, str(folder), *more], cwd=ROOT, env=environment,
                              capture_output=True, text=True, timeout=120)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("---\ntags: [medical]\n---\n# x\n")
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(("more", "private"), [([], True), (["--public"], False)])
def test_a_new_repository_is_private_unless_asked(folder: Path, more: list[str], private: bool) -> None:
    hub = Hub()
    done = pushed(hub, folder, *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("/owner/name")
    assert hub.private is private
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_goes_into_a_repository_that_is_public_already(folder: Path) -> None:
    hub = Hub(private=False)
    done = pushed(hub, folder)
    assert done.returncode == 1
    assert done.stderr.strip() == "--push owner/name: that repository is public: add --public, or name another"
    assert hub.files == {}


def test_a_refusal_is_one_line(folder: Path) -> None:
    done = pushed(Hub(status=403), folder)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("--push owner/name: ")
