"""The page: what models wrote stays text, nothing loads, equal folders give equal bytes, all is in the JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from synth.report import write_report
from synth.reporting.build import build
from synth.reporting.page import FOLDER, render
from tests.synth.factories import make_rejected, make_row, make_spec
from tests.synth.reporting.conftest import Export

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "</style><img src=x onerror=alert(3)>",
    '" onmouseover="alert(4)',
    "' onfocus='alert(5)' autofocus='",
    "<a href='javascript:alert(6)'>press</a>",
    "{{ 7 * 7 }}{% include 'report.css' %}",
    "]]><svg onload=alert(8)>",
    "<!-- --!><iframe srcdoc='<script>alert(9)</script>'>",
    "lone \ud800 and \udfff surrogates",
    "turned \u202e round \u2066 about \x07 \x1b[31m",
    "</details></article></main><h1>Owned</h1>",
]
OURS = """html head meta title style body div nav ol li a main header h1 h2 h3 h4 p pre strong section dl dt dd table
    caption thead tbody tfoot tr th td svg g rect text figure figcaption details summary span blockquote mark ins del
    article fieldset label input ul code button footer script br"""
TAGS = set(OURS.split())


class Page(HTMLParser):
    """Tags with their attributes, and the text of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.inside[-1] if self.inside else "", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def hostile_rows(text: str) -> dict[str, list[dict[str, Any]]]:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": f"<think>{text}</think>{text}"}]
    notes: dict[str, Any] = {"flags": [text], "evidence": [{"flag": text, "turn": 0, "text": text, "fact": text}]}
    places = {"department": text, "subdepartment": text, "source": text, "source_license": text}
    both: dict[str, Any] = {"generator": text, "judge": text, "prompt_hash": text, **notes, **places}
    turn = {"speaker": text, "text": text, "thought": text, "action": text, "argument": text}
    turns = [turn | {"differential": [{"diagnosis": text, "probability": 0.5}]}]
    case, persona = json.dumps({text: [text]}), json.dumps({text: text})
    return {
        "sft": [make_row("sft", text, messages=messages, instruction=text, response=text, **both)],
        "reasoning": [make_row("reasoning", text, messages=messages, verification=text, **both)],
        "dialogue": [make_row("dialogue", text, turns=turns, case=case, persona=persona, diagnosis=text, **both)],
        "preference": [make_row("preference", text, chosen=messages[1:], origin=text, **both)],
    }


def check_inert(html: str) -> Page:
    """No tag, attribute or address but those of our own templates."""
    page = Page(html)
    assert {tag for tag, _ in page.tags} <= TAGS
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcdoc", "action", "formaction", "style", "autofocus"), (tag, name)
            if name == "href":
                assert tag == "a"
                assert re.fullmatch(r"#[a-z]+", value or ""), value
    assert "".join(page.texts["script"]) == (FOLDER / "marks.js").read_text("utf-8")
    assert "".join(page.texts["style"]) == (FOLDER / "report.css").read_text("utf-8")
    assert len(page.all("h1")) == 1
    html.encode("utf-8")
    return page


@pytest.mark.parametrize("text", HOSTILE)
def test_what_models_write_stays_text(export: Export, tmp_path: Path, text: str) -> None:
    rejected = [make_rejected("sft", text, reason=text, step=text, detail=text)]
    run = export(
        hostile_rows(text), rejected, planned=dict.fromkeys(("sft", "reasoning", "dialogue", "preference"), 2)
    )
    (run / "marks.jsonl").write_text(json.dumps({"id": text, "mark": "keep", "comment": text}) + "\n")
    page = check_inert(write_report(run).read_text("utf-8"))
    shown = "".join("".join(found) for found in page.texts.values())
    if text.isprintable():
        assert shown.count(text) > 10
    assert "49" not in re.findall(r"\b49\b", shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", shown)


def test_the_policy_names_our_style_and_script_and_nothing_else(finished: Path) -> None:
    page = check_inert((finished / "report.html").read_text("utf-8"))
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for rule, tag in (("style-src", "style"), ("script-src", "script")):
        digest = base64.b64encode(hashlib.sha256("".join(page.texts[tag]).encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert set(rules) == {"default-src", "style-src", "script-src", "img-src", "base-uri", "form-action"}
    assert rules["img-src"] == "data:"


def test_equal_folders_give_equal_bytes(copy: Path) -> None:
    before = {name: (copy / name).read_bytes() for name in ("report.html", "report.json")}
    write_report(copy)
    assert {name: (copy / name).read_bytes() for name in before} == before


def test_the_page_is_made_from_the_json_alone(finished: Path) -> None:
    from synth.reporting.shape import Report

    report = Report.model_validate_json((finished / "report.json").read_text("utf-8"))
    assert render(report) == (finished / "report.html").read_text("utf-8")
    assert report == build(finished)


def test_anchors_lead_somewhere_and_ids_are_unique(finished: Path) -> None:
    page = Page((finished / "report.html").read_text("utf-8"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(link["href"])[1:] for link in page.all("a")]
    assert links
    assert set(links) <= set(ids)
    named = [str(attributes["aria-labelledby"]) for _, attributes in page.tags if "aria-labelledby" in attributes]
    assert set(named) <= set(ids)


def test_it_says_first_that_it_is_synthetic(finished: Path) -> None:
    html = (finished / "report.html").read_text("utf-8")
    assert html.index("Synthetic, not medical advice.") < html.index('id="verdict"')


def test_without_the_script_nothing_is_hidden_but_the_marking(finished: Path) -> None:
    page = Page((finished / "report.html").read_text("utf-8"))
    hidden = [(tag, attributes) for tag, attributes in page.tags if "hidden" in attributes]
    assert {tag for tag, _ in hidden} == {"fieldset", "div"}
    assert [attributes["id"] for tag, attributes in hidden if tag == "div"] == ["save"]


def test_flagged_words_are_marked_inside_the_bubble(export: Export) -> None:
    row = make_row("dialogue", "a", persona="{}")
    text = "You told me of a fever. Since when has it been so?"
    turns: list[dict[str, Any]] = [
        {
            "speaker": "doctor",
            "text": text,
            "thought": "sepsis?",
            "action": "ask",
            "argument": None,
            "differential": [],
        }
    ]
    notes = [{"flag": "invented_finding", "turn": 0, "text": "You told me of a fever.", "fact": None}]
    html = render(
        build(export({"dialogue": [{**row, "turns": turns, "flags": ["invented_finding"], "evidence": notes}]}))
    )
    assert '<mark title="invented finding">You told me of a fever.</mark> Since when has it been so?' in html


def test_a_run_that_kept_nothing(export: Export) -> None:
    rejected = [make_rejected("sft", f"s{n}") for n in range(3)]
    report = build(export({}, rejected, planned={"sft": 3}))
    assert report.verdict[0].text == "No row was kept."
    assert report.verdict[1].text.startswith("0% of 3 planned rows.")
    assert not report.groups
    check_inert(render(report))


def test_excerpts_keep_the_page_small(export: Export) -> None:
    long = "word & <tag> " * 20_000
    messages = [{"role": "user", "content": long}, {"role": "assistant", "content": f"<think>{long}</think>{long}"}]
    rows = [make_row("reasoning", f"s{n}", messages=messages, reasoning=long) for n in range(90)]
    run = export({"reasoning": rows}, spec=make_spec(filters={"dedup": None, "phi": None}))
    assert write_report(run).stat().st_size < 5_000_000
