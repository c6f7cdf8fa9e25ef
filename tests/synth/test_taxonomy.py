"""Departments: what is shipped, the constrained choice, and what a bad file earns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from pydantic import ValidationError

from synth.errors import UserError
from synth.replies import json_schema
from synth.taxonomy import UNKNOWN, Department, load_taxonomy

# Both levels as the paper lists them (arXiv 2501.09213), by their shipped names.
PAPER = {
    "Internal Medicine": [
        "Respiratory and Critical Care",
        "Cardiology",
        "Endocrinology",
        "Gastroenterology",
        "Hematology",
        "Nephrology",
        "Rheumatology and Immunology",
        "Neurology",
    ],
    "Surgery": [
        "Gastrointestinal Surgery",
        "Hepatobiliary Surgery",
        "Urology",
        "Cardiovascular Surgery",
        "Thoracic Surgery",
        "Orthopedics",
        "Neurosurgery",
        "Burns and Plastic Surgery",
        "Thyroid Surgery",
        "Breast Surgery",
    ],
    "Obstetrics and Gynecology": ["Gynecology", "Obstetrics"],
    "Pediatrics": ["Pediatric Internal Medicine", "Pediatric Surgery"],
    "Otorhinolaryngology": ["Ear, Nose and Throat", "Ophthalmology", "Dentistry"],
    "Other": ["Dermatology and Venereology", "Rehabilitation", "Anesthesiology", "Traditional Chinese Medicine"],
}
ADDED = ["Psychiatry", "Oncology", "Infectious Disease", "Emergency Medicine", "Geriatrics"]


def test_the_papers_departments_are_all_there_and_what_they_lack_too() -> None:
    ours = load_taxonomy()
    named = [sub for subs in PAPER.values() for sub in subs]
    assert len(named) == 29
    assert sorted(ours.labels) == sorted([*named, *ADDED, UNKNOWN])
    for department, subs in PAPER.items():
        assert [ours.place(sub) for sub in subs] == [Department(department, sub) for sub in subs]
    assert {ours.place(sub).department for sub in ADDED} <= set(PAPER)


def test_a_label_that_is_none_is_unknown_at_both_levels() -> None:
    ours = load_taxonomy()
    for label in (UNKNOWN, "Internal Medicine", "cardiology", ""):
        assert ours.place(label) == Department(UNKNOWN, UNKNOWN)


def test_the_choice_is_constrained_to_the_labels() -> None:
    ours = load_taxonomy()
    schema = json_schema(ours.reply)
    assert schema["properties"]["department"]["enum"] == list(ours.labels)
    assert schema["required"] == ["department"]
    for label in ours.labels:
        jsonschema.validate({"department": label}, schema)
        assert ours.reply.model_validate({"department": label}).model_dump() == {"department": label}
    for wrong in ("Cardiology ", "cardiology", "Internal Medicine", "", None, 3):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"department": wrong}, schema)
        with pytest.raises(ValidationError):
            ours.reply.model_validate({"department": wrong})


def test_a_file_of_ones_own_replaces_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("Innere Medizin:\n  - Kardiologie\n  - no\nChirurgie: [Unfallchirurgie, '12']\n", "utf-8")
    mine = load_taxonomy(file)
    assert mine.labels == ("Kardiologie", "no", "Unfallchirurgie", "12", UNKNOWN)
    assert mine.place("12") == Department("Chirurgie", "12")
    assert json_schema(mine.reply)["properties"]["department"]["enum"] == list(mine.labels)


LIST = "expected a list of subdepartment names"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "expected a mapping with names as keys"),
        ("- Cardiology\n", 1, "expected a mapping with names as keys"),
        ("{}\n", 1, "expected a mapping with names as keys"),
        ("A: [x]\nB: y\n", 2, f"B: {LIST}"),
        ("A: [x]\n\nB:\n", 3, f"B: {LIST}"),
        ("A: []\n", 1, f"A: {LIST}"),
        ("A:\n  - x\n  - 12\n", 1, f"A: {LIST}"),
        ("A:\n  - x\n  - ' '\n", 1, f"A: {LIST}"),
        ("A:\n  x: y\n", 1, f"A: {LIST}"),
        ("A:\n  - x\n  - x\n", 3, "A: 'x' stands under A already; give each subdepartment its own name"),
        ("A: [x]\nB:\n  - y\n  - x\n", 4, "B: 'x' stands under A already; give each subdepartment its own name"),
        ("A: [x]\nB: [Unknown]\n", 2, "B: 'Unknown' is reserved; give each subdepartment its own name"),
        ("A: [x]\nA: [y]\n", 2, "A: duplicate key, first given in line 1: keep one"),
        ("A: [x]\nB: [y\n", 2, "not valid YAML: a bracket is opened here and never closed"),
        ("A: [x]\nB: !tag y\n", 2, "B: a YAML tag (!name) is not allowed here: remove it"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_taxonomy(file)
    assert str(caught.value) == f"{file}:{line}: {message}"


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_taxonomy(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"A: [x]\n\xff")
    with pytest.raises(UserError, match=r"binary\.yaml:2: not UTF-8"):
        load_taxonomy(tmp_path / "binary.yaml")


def test_the_command_ends_with_that_line_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("A: [x]\nB: y\n")
    (tmp_path / "seeds.jsonl").write_text('{"id": "s", "text": "t"}\n')
    model = {"engine": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    spec = {
        "name": "a",
        "seeds": {"source": "seeds.jsonl"},
        "models": {"generator": model},
        "produce": {"questions": {}, "answers": {}},
        "taxonomy": "mine.yaml",
    }
    (tmp_path / "s.yaml").write_text(json.dumps(spec))
    command = [
        sys.executable,
        "-m",
        "synth.generate",
        "--spec",
        str(tmp_path / "s.yaml"),
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'mine.yaml'}:2: B: {LIST}\n"
    assert not (tmp_path / "o").exists()
