"""Looks at the endpoints of a spec before a run does: reachable, model there, JSON by schema, seeds, reasoning.

    python -m synth.doctor --spec openai.yaml

One line an endpoint, and below it what to change in the spec. Each endpoint gets four short requests (they cost money
where requests do); a local model is loaded first.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from synth.errors import ClinsynthError

if TYPE_CHECKING:
    from synth.spec import LocalModel, RemoteModel

OK, NO, UNKNOWN = "yes", "no", "-"
SCHEMA = {
    "type": "object",
    "properties": {"pulse": {"enum": [60, 70, 80]}, "rhythm": {"type": "string", "maxLength": 30}},
    "required": ["pulse", "rhythm"],
    "additionalProperties": False,
}
QUESTION = "A healthy adult at rest: name a usual pulse rate and rhythm."
MAX_TOKENS = 200


@dataclass(slots=True)
class Finding:
    """What one endpoint can do."""

    roles: str
    model: str
    reachable: str = UNKNOWN
    has_model: str = UNKNOWN
    schema: str = UNKNOWN
    same_seed: str = UNKNOWN
    reasoning: str = UNKNOWN
    seconds: float | None = None
    """Latency of one short request."""
    advice: list[str] = field(default_factory=list)


def make_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m synth.doctor", description="Probe each endpoint of a spec and print what it can do."
    )
    parser.add_argument("--spec", required=True, help="a YAML file, or the name of a built-in spec")
    parser.add_argument(
        "--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a key of the spec"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every endpoint is fit for the spec, 4 otherwise."""
    arguments = make_parser().parse_args(argv)
    try:
        import asyncio

        from synth.engines import roles_in_use
        from synth.guard import check_packages
        from synth.spec_load import load_spec

        check_packages()
        spec = load_spec(arguments.spec, arguments.overrides).spec
        by_model: dict[str, tuple[list[str], Any]] = {}
        for role in roles_in_use(spec.produce):
            model = spec.models.of(role)
            by_model.setdefault(model.model_dump_json(), ([], model))[0].append(role)
        native = spec.produce.reasoning is not None and spec.produce.reasoning.trace == "native"
        findings = [
            asyncio.run(examine(model, roles, wants_reasoning=native and "reasoner" in roles))
            for roles, model in by_model.values()
        ]
    except ClinsynthError as err:
        print(err, file=sys.stderr)
        return err.exit_code
    print(table(findings))
    return 4 if any(NO in (f.reachable, f.has_model) for f in findings) else 0


async def examine(model: LocalModel | RemoteModel, roles: Sequence[str], *, wants_reasoning: bool) -> Finding:
    """Probe one endpoint; problems become advice, never exceptions."""
    from synth.engines import declared_model, make_endpoint

    finding = Finding("+".join(roles), declared_model(model))
    endpoint = make_endpoint(model, roles[0])
    try:
        await endpoint.start()
        finding.reachable = finding.has_model = OK
        await _schema(endpoint, finding)
        await _seeds(endpoint, finding)
        await _reasoning(endpoint, finding, wants_reasoning)
    except ClinsynthError as err:
        finding.reachable = OK if err.exit_code == 4 else NO
        finding.has_model = NO if err.exit_code == 4 else UNKNOWN
        finding.advice.append(str(err))
    finally:
        await endpoint.close()
    return finding


def _request(text: str, *, schema: dict[str, Any] | None = None, temperature: float = 0.0) -> Any:
    from synth.endpoints.base import Request

    messages = [{"role": "user", "content": text}]
    return Request(messages, temperature, 1.0, MAX_TOKENS, seed=7, schema=schema)


async def _schema(endpoint: Any, finding: Finding) -> None:
    import json

    began = time.monotonic()
    asked = f'{QUESTION} Reply with JSON: {{"pulse": 60, 70 or 80, "rhythm": "…"}}'
    outcome = await endpoint.complete(_request(asked, schema=SCHEMA))
    finding.seconds = time.monotonic() - began
    if outcome.reply is None:
        finding.schema = NO
        finding.advice.append(f"a request with a JSON schema fails ({outcome.failure.detail}); try structured: none")
        return
    try:
        reply = json.loads(outcome.reply.text)
        fits = isinstance(reply, dict) and reply.get("pulse") in (60, 70, 80) and isinstance(reply.get("rhythm"), str)
    except ValueError:
        fits = False
    finding.schema = OK if fits else NO
    if not fits:
        finding.advice.append("the reply ignores the JSON schema: expect re-asked and rejected replies")
    if outcome.reply.usage_estimated:
        finding.advice.append("the server counts no tokens; they are estimated, budgets with them")


async def _seeds(endpoint: Any, finding: Finding) -> None:
    replies = [(await endpoint.complete(_request(QUESTION, temperature=1.0))).reply for _ in range(2)]
    if all(replies):
        finding.same_seed = OK if replies[0].text == replies[1].text else NO


async def _reasoning(endpoint: Any, finding: Finding, wanted: bool) -> None:
    from synth.replies import split_reasoning

    reply = (await endpoint.complete(_request("How many bones has an adult? Think first."))).reply
    if reply is None:
        return
    if reply.reasoning:
        finding.reasoning = "field"
    else:
        finding.reasoning = "<think>" if split_reasoning(reply.text, None) or "<think>" in reply.text else NO
    if wanted and finding.reasoning == NO:
        finding.advice.append(
            "the reasoner shows no reasoning: name a reasoning model, or set produce.reasoning.trace: sections"
        )


def table(findings: Sequence[Finding]) -> str:
    """The findings as aligned text, advice below."""
    head = ("roles", "model", "reachable", "model there", "JSON schema", "same seed", "reasoning", "seconds")
    rows = [head] + [
        (
            f.roles, f.model, f.reachable, f.has_model, f.schema, f.same_seed, f.reasoning,
            f"{f.seconds:.1f}" if f.seconds is not None else UNKNOWN,
        )
        for f in findings
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"{f.roles}: {advice}" for f in findings for advice in f.advice]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
