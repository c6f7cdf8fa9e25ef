"""Benchmark records of every format, as their publishers write them, and files of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MEDQA = {
    "question": "A man has chest pain. What now?",
    "answer": "ECG",
    "options": {"A": "ECG", "B": "Rest"},
    "answer_idx": "A",
}
MEDMCQA = {"question": "Pellagra?", "cop": 4, "id": "m1", "subject_name": "Biochemistry"} | {
    f"op{letter}": f"B{number}" for number, letter in enumerate("abcd", 1)
}
PUBMEDQA = {"QUESTION": "Does it help?", "CONTEXTS": ["It was tried.", "It was seen."], "final_decision": "maybe"}
PUBMEDQA_HUB = {
    "pubid": 20000001,
    "question": "Does it help?",
    "context": {"contexts": ["It was tried.", "It was seen."], "labels": ["A", "B"]},
    "final_decision": "maybe",
}
MMLU = {"question": "Largest organ?", "subject": "anatomy", "choices": ["Skin", "Liver", "Heart", 5], "answer": 0}
MMLU_PRO = {
    "question_id": 6002,
    "question": "Which?",
    "options": ["a1", "b2", "c3", "d4", "e5"],
    "answer": "E",
    "answer_index": 4,
    "category": "health",
}
MEDXPERTQA = {
    "id": "Text-0",
    "question": "Which nerve?\nAnswer Choices: (A) Ulnar (B) Median",
    "options": [{"letter": "B", "content": "Median"}, {"letter": "A", "content": "Ulnar"}],
    "label": ["B"],
    "body_system": "Nervous",
}
CONVERSATION = {
    "id": "mmlu_17",
    "conversations": [{"from": "human", "value": "True?\nI. this\nII. that\nA. I only\nB. II only"}],
    "eval": {"answer": "B", "type": "virology"},
}
MEDIQ = {
    "id": 2,
    "question": "What is best?",
    "context": ["A 62-year-old man hears badly.", "He is dizzy."],
    "options": {"A": "Rest", "B": "Surgery"},
    "answer_idx": "B",
    "facts": ["1. Patient is a man.", "- Patient is dizzy."],
    "patient": {"gender": "Male", "age": "62 years old"},
}
AGENTCLINIC = {
    "OSCE_Examination": {
        "Objective_for_Doctor": "Assess the tremor.",
        "Patient_Actor": {
            "Demographics": "50-year-old male",
            "History": "Trembling hands for a year.",
            "Symptoms": {"Primary_Symptom": "Tremor", "Secondary_Symptoms": ["Stiffness", "Slow gait"]},
        },
        "Physical_Examination_Findings": {"Vital_Signs": {"Heart_Rate": "72 bpm"}, "Rigidity": True},
        "Test_Results": {"Imaging": {"Head_CT": {"Findings": "Normal"}}},
        "Correct_Diagnosis": "Parkinson disease",
    }
}


def jsonl(folder: Path, *rows: Any, name: str = "some_test.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder / name


def array(folder: Path, *rows: Any) -> Path:
    (folder / "some_test.json").write_text(json.dumps(rows, indent=1), "utf-8")
    return folder / "some_test.json"


def parquet(folder: Path, *rows: Any, name: str = "some_test.parquet") -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / name)
    return folder / name
