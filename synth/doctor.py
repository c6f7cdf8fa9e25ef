"""Looks at the endpoints of a spec before a run does: what can they do, how fast, and does the spec fit them?

    python -m synth.doctor --spec openai.yaml
    python -m synth.doctor --spec openai.yaml --json

A line for each URL (or engine that we start), below it what makes it unfit and what could be better. At most eighty
short requests go to each, and how many, with how many tokens and for how much money at most, is said before the first
on standard error. Local models and vLLM servers of ours are started, probed and stopped.

``--json`` prints ``{"spec", "fit", "endpoints": […]}``. An endpoint has ``fit``, all fields of
:class:`synth.doctor_finding.Finding` under their own names (null: not probed, or could not be told), ``usd`` (what the
probes cost by the spec's price; null without one), and in ``levels`` the measured ``in_flight``, ``tokens``,
``seconds``, ``tokens_per_s`` and ``failed`` (by kind of failure).

Exit codes: 0 every endpoint is fit for the spec, 2 bad spec or arguments, 4 an endpoint is not fit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from synth.errors import ClinsynthError

if TYPE_CHECKING:
    from synth.doctor_examine import Candidate
    from synth.doctor_finding import Finding
    from synth.spec import Spec

SHORTEST_SECRET = 6
"""Characters; shorter values of a key's variable (``EMPTY``) are placeholders and stay readable."""
HEAD = (
    "where", "reachable", "key", "model", "JSON schema", "seed", "logprobs", "reasoning", "tokenizer", "usage",
    "context", "latency", "tokens/s",
)  # fmt: skip


def make_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m synth.doctor", description="Probe each endpoint of a spec and print what it can do."
    )
    parser.add_argument("--spec", required=True, help="a YAML file, or the name of a built-in spec")
    parser.add_argument(
        "--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a key of the spec"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every endpoint is fit for the spec, 4 otherwise."""
    arguments = make_parser().parse_args(argv)
    try:
        from synth.doctor_examine import candidates
        from synth.guard import check_packages
        from synth.spec_load import load_spec

        check_packages()
        spec = load_spec(arguments.spec, arguments.overrides).spec
        found = candidates(spec)
        for candidate in found:
            _say(_hidden(plan(candidate), spec))
        if spec.models.reward is not None:
            _say(f"reward ({spec.models.reward.name}): not probed")
        findings = asyncio.run(_examine_all(found, spec))
    except ClinsynthError as err:
        print(err, file=sys.stderr)
        return err.exit_code
    except KeyboardInterrupt:
        return 130
    fit = not any(finding.problems for finding in findings)
    if arguments.json:
        text = json.dumps({"spec": spec.name, "fit": fit, "endpoints": _as_dicts(findings, spec)}, indent=2)
    else:
        text = tables(findings)
    print(_hidden(text, spec))
    return 0 if fit else 4


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _examine_all(found: Sequence[Candidate], spec: Spec) -> list[Finding]:
    """One after the other: endpoints may share a machine, and speed is measured."""
    from synth.doctor_examine import examine

    findings = []
    for candidate in found:
        if candidate.url is None and candidate.model.engine == "vllm":
            _say(f"{'+'.join(candidate.roles)}: starting vLLM, which may take minutes")
        findings.append(await examine(candidate, spec, spec.models.of(candidate.roles[0])))
    return findings


def plan(candidate: Candidate) -> str:
    """What probing a candidate may send and cost, as a line."""
    most = candidate.most()
    who = f"{'+'.join(candidate.roles)} ({candidate.place})"
    if candidate.model.engine == "openai-batch":
        return f"{who}: asks for the list of models only, which costs nothing; a batch may take hours"
    if candidate.model.engine == "local":
        money = ""
    else:
        money = ", the spec names no price" if most.usd is None else f", ${most.usd:.4f} at most"
    return f"{who}: sends at most {most.requests} short requests, {most.tokens:,} tokens{money}"


def _as_dicts(findings: Sequence[Finding], spec: Spec) -> list[dict[str, Any]]:
    from synth.budget import cost

    result = []
    for finding in findings:
        price = getattr(spec.models.of(finding.roles[0]), "price", None)
        levels = [{**asdict(level), "tokens_per_s": round(level.tokens_per_s, 2)} for level in finding.levels]
        usd = cost(price, finding.tokens_in, finding.tokens_out) if price else None
        result.append({**asdict(finding), "fit": not finding.problems, "levels": levels, "usd": usd})
    return result


def tables(findings: Sequence[Finding]) -> str:
    """One table for each model, a line for each of its URLs, what is wrong and what could be better below."""
    parts = []
    for (roles, model, engine), group in groupby(findings, lambda f: ("+".join(f.roles), f.model, f.engine)):
        members = list(group)
        rows = [HEAD, *map(_cells, members)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
        lines = [f"{roles}: {model} ({engine})"]
        lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        for finding in members:
            lines += [f"  unfit: {_place(finding)}: {text}" for text in finding.problems]
            lines += [f"  advice: {_place(finding)}: {text}" for text in finding.advice]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _place(finding: Finding) -> str:
    from urllib.parse import urlsplit

    return urlsplit(finding.url).netloc if finding.url else "started here"


def _cells(finding: Finding) -> tuple[str, ...]:
    speed = " / ".join(
        f"{level.in_flight}: {level.tokens_per_s:.0f}{'!' if level.failed else ''}" for level in finding.levels
    )
    return (
        _place(finding),
        *map(_word, (finding.reachable, finding.key, finding.model_there, finding.json_schema)),
        finding.seed or "-",
        _word(finding.logprobs),
        finding.reasoning or "-",
        finding.tokenizer or "-",
        _word(finding.usage),
        f"{finding.max_context:,}" if finding.max_context else "-",
        f"{finding.latency_s:.2f} s" if finding.latency_s is not None else "-",
        speed or "-",
    )


def _word(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"


def _hidden(text: str, spec: Spec) -> str:
    """The text without the value of any key: servers repeat keys in their messages, of whatever length."""
    names = {getattr(spec.models.of(role), "api_key_env", None) for role in type(spec.models).model_fields}
    for name in filter(None, names):
        key = os.environ.get(name, "").strip()
        if len(key) >= SHORTEST_SECRET:
            text = text.replace(key, "***").replace(json.dumps(key)[1:-1], "***")
    return text


if __name__ == "__main__":
    sys.exit(main())
