from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evaluation.contamination import write_contamination
from evaluation.forest import forest
from evaluation.questions import write_questions
from evaluation.report import build, main, write_report
from evaluation.shape import Comparison, Range, Report
from evaluation.tasks import Question, Task
from synth.errors import UserError
from tests.evaluation.hand_made import LETTERS, answer, order_of, pattern, write_run

EVIL = '<script>alert("x")</script> & \u202e\x07'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs on two tasks, one of them with help, and random help."""
    marks = {
        "base": "+-------+-------",
        "sft": "++++++++++++----",
        "sft+ttt": "+++++++++++++---",
        "sft+random": "++++++++++------",
    }
    for run, of_run in marks.items():
        control = run.partition("+")[2] or "none"
        more = {"control": control, "neighbours": ["n1"] if control != "none" else [], "text": EVIL}
        write_run(tmp_path, run, "medqa", pattern("medqa", of_run, **more))
        write_run(tmp_path, run, "general", pattern("general", "+" * 16, **more))
    return tmp_path


def keep_questions(folder: Path, names: list[str]) -> None:
    texts = {"A": "first", "B": f"right {EVIL}", "C": "third", "D": "fourth"}
    items = []
    for name in names:
        order = order_of(0, name)
        options = {letter: texts[source] for letter, source in zip(LETTERS, order, strict=True)}
        items.append(Question(name, name, f"Why {name}? {EVIL}", "", options, LETTERS[order.index("B")], order, ""))
    write_questions(folder, Task("medqa", items, "mit", "here", 0))


class Tags(HTMLParser):
    """Tags that are opened and closed, and everything that would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.loads += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]
        self.places |= {value[1:] for name, value in attrs if name == "href" and value and value.startswith("#")}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_and_figures_are_written_and_agree(folder: Path) -> None:
    keep_questions(folder, [f"q{number:03d}" for number in range(16)])
    page = write_report(folder).read_text(encoding="utf-8")
    report = Report.model_validate_json((folder / "report.json").read_text(encoding="utf-8"))
    assert report == build(folder)
    assert report.base == "base"
    assert [run.name for run in report.runs] == ["base", "sft", "sft+random", "sft+ttt"]
    assert {(one.task, one.run): one.accuracy.value for one in report.scores}["medqa", "sft"] == 12 / 16
    for one in report.comparisons:
        assert one.sentence.replace("'", "&#39;").replace("<", "&lt;") in page
    assert "75.0 %" in page


def test_what_is_compared_with_what(folder: Path) -> None:
    pairs = {(one.run, one.against, one.purpose) for one in build(folder).comparisons}
    assert pairs == {
        ("sft", "base", "base"),
        ("sft+ttt", "base", "base"),
        ("sft+random", "base", "base"),
        ("sft+ttt", "sft", "without"),
        ("sft+random", "sft", "without"),
        ("sft+ttt", "sft+random", "random"),
    }
    page = write_report(folder).read_text(encoding="utf-8")
    for heading in (
        "Against base",
        "What was forgotten",
        "With help and without",
        "Relevant neighbours against random ones",
    ):
        assert f">{heading}</h2>" in page


def test_runs_that_differ_in_more_than_the_model_are_noted(folder: Path) -> None:
    told = {
        "base": {"model": "base", "dtype": "bfloat16", "temperature": 0.0},
        "sft": {"model": "sft", "dtype": "float32", "temperature": 0.0, "chat_form": "x"},
        "sft+ttt": {"model": "sft", "dtype": "float32", "temperature": 0.0, "control": "ttt", "steps": 3, "pool": "a"},
        "sft+random": {"model": "sft", "dtype": "float32", "temperature": 0.0, "control": "random", "steps": 4},
    }
    for run, about in told.items():
        (folder / "runs" / f"{run}.json").write_text(json.dumps(about))
    assert sorted(build(folder).notes) == sorted(
        [
            "sft and base differ in more than the model or the control: dtype (float32, bfloat16).",
            "sft+random and base differ in more than the model or the control: dtype (float32, bfloat16).",
            "sft+ttt and base differ in more than the model or the control: dtype (float32, bfloat16).",
            "sft+ttt and sft+random differ in more than the model or the control: steps (3, 4).",
        ]
    )


def test_page_is_sound_loads_nothing_and_runs_nothing(folder: Path) -> None:
    keep_questions(folder, ["q001"])
    page = write_report(folder).read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert tags.loads == []
    assert len(tags.ids) == len(set(tags.ids))
    assert tags.places <= set(tags.ids)
    assert "\u202e" not in page
    assert "\x07" not in page
    assert "&lt;script&gt;alert" in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1] or "default-src 'none'" in policy[1]
    assert "script-src" not in policy[1]


def test_style_is_the_one_that_the_policy_allows(folder: Path) -> None:
    import base64
    import hashlib

    page = write_report(folder).read_text(encoding="utf-8")
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in page.replace("&#43;", "+")


def test_flips_show_the_question_in_the_letters_of_the_source(tmp_path: Path) -> None:
    seed = next(number for number in range(1, 50) if order_of(number, "q001").index("B") not in (1, 2))
    for run, right in (("base", False), ("sft", True)):
        write_run(tmp_path, run, "medqa", [answer("medqa", "q001", right, seed=seed)])
    keep_questions(tmp_path, ["q001"])
    (comparison,) = build(tmp_path).comparisons
    (flip,) = comparison.flips
    assert (flip.before, flip.after, flip.gold) == ("C", "B", "B")
    assert flip.question is not None
    assert flip.question.startswith("Why q001?")
    assert flip.options["B"].startswith("right")


def test_without_texts_items_go_by_their_ids(folder: Path) -> None:
    page = write_report(folder).read_text(encoding="utf-8")
    assert "The text of the question was not kept." in page


def test_contamination_stands_beside_the_scores(folder: Path) -> None:
    names = [f"q{number:03d}" for number in range(16)]
    found = {"q001": "share 1.00: w", "elsewhere": "share 1.00: w"}
    write_contamination(folder, "medqa", "training data x", found, [*names, "elsewhere"])
    write_contamination(folder, "medqa", "pool y", {"q002": "share 1.00: w"}, names)
    report = build(folder)
    (medqa,) = (task for task in report.tasks if task.name == "medqa")
    assert medqa.found == {"pool y": 1, "training data x": 1}
    assert medqa.searched == {"pool y": 16, "training data x": 16}
    clean = {(one.task, one.run): one.clean for one in report.scores}
    assert clean["general", "sft"] is None
    of_sft = clean["medqa", "sft"]
    assert of_sft is not None
    assert (of_sft.items, of_sft.left_out) == (14, 2)
    assert "training data x" in write_report(folder).read_text(encoding="utf-8")


def test_what_was_not_searched_for_is_not_clean(folder: Path) -> None:
    write_contamination(folder, "medqa", "training data x", {}, [f"q{number:03d}" for number in range(10)])
    report = build(folder)
    assert report.notes == ["medqa: 6 items were not searched for everywhere and do not count as clean."]
    left = {one.clean.items for one in report.scores if one.task == "medqa" and one.clean}
    assert left == {10}


def test_same_answers_give_the_same_bytes(folder: Path) -> None:
    first = [write_report(folder).read_bytes(), (folder / "report.json").read_bytes()]
    assert [write_report(folder).read_bytes(), (folder / "report.json").read_bytes()] == first
    assert sorted(path.name for path in folder.iterdir()) == ["answers", "report.html", "report.json", "runs"]


def test_base_can_be_named_noted_or_missing(tmp_path: Path) -> None:
    for run, marks in (("one", "+-"), ("two", "--")):
        write_run(tmp_path, run, "medqa", pattern("medqa", marks))
    report = build(tmp_path)
    assert (report.base, report.comparisons) == (None, [])
    assert report.notes == ["No run is the base: name one with --base."]
    assert build(tmp_path, "two").comparisons[0].against == "two"
    (tmp_path / "runs" / "one.json").write_text(json.dumps({"base": "two"}))
    assert build(tmp_path).base == "two"
    with pytest.raises(UserError, match=r"has no run 'tow'; did you mean 'two'\?"):
        build(tmp_path, "tow")


def test_other_methods_are_noted_and_not_compared(tmp_path: Path) -> None:
    write_run(tmp_path, "base", "medqa", pattern("medqa", "+-", method="loglik"))
    write_run(tmp_path, "sft", "medqa", pattern("medqa", "+-"))
    report = build(tmp_path)
    assert report.comparisons == []
    assert report.notes == ["medqa: sft and base were scored by different methods and are not compared."]
    assert "There is nothing to compare." in write_report(tmp_path).read_text(encoding="utf-8")


def test_command_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    write_run(tmp_path, "base", "medqa", pattern("medqa", "+-"))
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert main(["--print-schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Report"
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom evaluation.report import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'pandas', 'scipy', 'torch', 'transformers', 'pyarrow'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("half", [0.0, 0.004, 0.3, 1.0])
def test_forest_stays_inside_its_frame(half: float) -> None:
    known = Range(value=0.0, low=-half, high=half, how="bootstrap")
    one = Comparison.model_construct(run=EVIL, against="base", task="a" * 60, difference=known, verdict="unclear")
    drawn = str(forest([one, one]))
    assert "<script" not in drawn
    assert drawn.count("<circle") == 2
    for place in re.findall(r'x[12]?="([-0-9.]+)"', drawn):
        assert 0 <= float(place) <= 730
    assert forest([]) == ""
