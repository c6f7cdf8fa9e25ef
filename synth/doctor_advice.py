"""From what an endpoint showed to what is wrong with the spec, and what could be better. Sends nothing.

A *problem* makes the endpoint unfit: a run would stop, or lose what the spec asks for. *Advice* is all else. Figures
of a few short requests are noisy; advice on speed keeps to differences of more than 10 %.
"""

from __future__ import annotations

import math

from synth.doctor_finding import Finding, Level
from synth.probes import LEVELS
from synth.setup import steps_in_use
from synth.spec import Spec
from synth.spec_models import BatchModel, LocalModel, RemoteModel
from synth.steps import STEPS

NEAR = 0.9
"""A level this close to the best one is as good."""
PROMPT = 500
"""Tokens that a template adds to a passage, about."""


def advise(finding: Finding, spec: Spec, model: LocalModel | RemoteModel) -> None:
    """Add problems and advice to a finding whose probes are done."""
    if finding.url is not None and (finding.key is False or not finding.reachable or finding.model_there is False):
        return
    if isinstance(model, BatchModel):
        finding.advice.append("only key and model were checked: a batch may take hours")
        return
    if not finding.levels:
        return
    _structured(finding, model)
    _seed(finding, model)
    _reasoning(finding, spec)
    _sizes(finding, spec, model)
    _usage(finding, spec, model)
    _in_flight(finding, model)
    _timeout(finding, spec, model)


def _structured(finding: Finding, model: LocalModel | RemoteModel) -> None:
    asked = model.structured if isinstance(model, RemoteModel) else "json_schema"
    best = "json_schema" if finding.json_schema else "json_object" if finding.json_object else "none"
    works = {"json_schema": finding.json_schema, "json_object": finding.json_object, "none": True}[asked]
    if works is False:
        mend = f"set structured: {best}" if isinstance(model, RemoteModel) else "use a model that can be constrained"
        finding.problems.append(
            f"structured: {asked} does not work: {finding.schema_problem or 'the reply is no JSON'}; {mend}"
        )
    elif works is None:
        finding.advice.append(f"whether structured: {asked} works could not be told: no whole reply came")
    elif asked != best and finding.json_schema:
        finding.advice.append("the server honours JSON schemas: with structured: json_schema fewer replies are lost")


def _seed(finding: Finding, model: LocalModel | RemoteModel) -> None:
    if finding.seed == "refused":
        finding.problems.append("the server refuses a sampling seed: set send_seed: false")
    elif finding.seed == "no":
        finding.advice.append(
            "the same seed gives another text: a fresh run will differ from this one (a resumed one does not)"
            + ("; send_seed: false loses nothing" if isinstance(model, RemoteModel) else "")
        )
    elif finding.seed == "constant":
        finding.advice.append(
            "every seed gives the same text at temperature 1: several samples of one question will be alike; "
            "is the sampling fixed on the server, or are its replies cached?"
        )


def _reasoning(finding: Finding, spec: Spec) -> None:
    wanted = spec.produce.reasoning if "reasoner" in finding.roles else None
    shown = finding.reasoning not in (None, "none", "hidden")
    if wanted is not None and wanted.trace == "native" and finding.reasoning in ("none", "hidden"):
        what = "keeps its reasoning to itself" if finding.reasoning == "hidden" else "shows no reasoning"
        finding.problems.append(
            f"the reasoner {what}: name a model that shows it (vLLM: args: {{reasoning_parser: …}}), "
            f"or set produce.reasoning.trace: sections"
        )
    elif wanted is not None and wanted.trace == "sections" and shown:
        finding.advice.append("the reasoner shows its own reasoning: produce.reasoning.trace: native would keep it")
    if finding.roles != ["reasoner"] and finding.reasoning not in (None, "none"):
        shortest, step = min(_replies(finding, spec))
        finding.advice.append(
            f"the model reasons before it answers, and the step {step} has {shortest} tokens for both: turn it off "
            f"with extra_body (Qwen3: {{chat_template_kwargs: {{enable_thinking: false}}}}), or raise max_tokens "
            f"under sampling"
        )


def _replies(finding: Finding, spec: Spec) -> list[tuple[int, str]]:
    """(max_tokens, step) of what these roles are asked for."""
    found = []
    for name in steps_in_use(spec):
        step = STEPS[name]
        if step.role in finding.roles:
            said = spec.sampling[name].max_tokens if name in spec.sampling else None
            found.append((said or step.max_tokens, name))
    return found


def _sizes(finding: Finding, spec: Spec, model: LocalModel | RemoteModel) -> None:
    context = model.context if isinstance(model, LocalModel) else finding.max_context
    steps = [(longest, name) for longest, name in _replies(finding, spec) if "passage" in STEPS[name].variables]
    if context is None or not steps:
        return
    longest, name = max(steps)
    if spec.seeds.max_tokens + PROMPT + longest > context:
        finding.advice.append(
            f"a passage of {spec.seeds.max_tokens:,} tokens and a reply of {longest:,} (step {name}) do not fit into "
            f"the context of {context:,}: lower seeds.max_tokens, or max_tokens under sampling"
        )


def _usage(finding: Finding, spec: Spec, model: LocalModel | RemoteModel) -> None:
    if finding.usage is False:
        capped = spec.budget.tokens is not None or spec.budget.usd is not None
        finding.advice.append(
            "the server counts no tokens: they are estimated" + (", and the budget is kept by estimates" * capped)
        )
    if isinstance(model, RemoteModel) and model.price is None and model.api_key_env is not None:
        finding.advice.append("the spec names no price: what a run costs is not counted, and budget.usd needs it")


def _in_flight(finding: Finding, model: LocalModel | RemoteModel) -> None:
    key, allowed = ("slots", model.slots) if isinstance(model, LocalModel) else ("max_in_flight", model.max_in_flight)
    whole = [level for level in finding.levels if not level.failed]
    broken = next((level for level in finding.levels if level.failed), None)
    if not whole:
        return
    best = max(level.tokens_per_s for level in whole)
    good = next(level for level in whole if level.tokens_per_s >= NEAR * best)
    if broken is not None:
        # One failure among many may be a passing one; the run tries again. What is advised is what was seen to work.
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(broken.failed.items()))
        finding.advice.append(
            f"with {broken.in_flight} in flight {sum(broken.failed.values())} of them failed ({kinds}): "
            f"{key}: {good.in_flight} passed whole"
        )
    elif good.in_flight < whole[-1].in_flight:
        falls = whole[-1].tokens_per_s < NEAR * best
        finding.advice.append(
            f"{'throughput falls' if falls else 'nothing is gained'} beyond {good.in_flight} in flight "
            f"({_figures(whole)} tokens/s): {key}: {good.in_flight} would do"
        )
    elif good.in_flight == allowed < LEVELS[-1]:
        finding.advice.append(f"throughput still grows at {key}: {allowed} ({_figures(whole)} tokens/s)")


def _figures(levels: list[Level]) -> str:
    return ", ".join(f"{level.in_flight}: {level.tokens_per_s:.0f}" for level in levels)


def _timeout(finding: Finding, spec: Spec, model: LocalModel | RemoteModel) -> None:
    """Compare the time-out with the longest reply at the pace of one request among as many as the spec allows."""
    whole = [level for level in finding.levels if not level.failed and level.tokens]
    if not isinstance(model, RemoteModel) or not whole or finding.latency_s is None:
        return
    longest, name = max(_replies(finding, spec))
    last = whole[-1]
    needed = finding.latency_s + longest * last.in_flight / last.tokens_per_s
    if needed > model.timeout:
        finding.advice.append(
            f"with {last.in_flight} in flight a reply of {longest:,} tokens (step {name}) takes about {needed:.0f} s, "
            f"longer than timeout: {model.timeout:g}; set timeout: {math.ceil(2 * needed / 60) * 60}"
        )
