"""From one record of a case benchmark to a case: MEDIQ (atomic facts and a question), AgentClinic (OSCE)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from filters.readers.exams import Record, letter_table
from filters.readers.fields import as_text, optional, table, text, texts
from filters.readers.items import Case, Item, Origin, make_case, make_item


def mediq(record: Record, origin: Origin) -> Item | Case:
    """``id, context [sentences], question, options {letter: text}, answer_idx, facts, patient {age, gender}``.

    The doctor starts from the first sentence of the context. The numbers and dashes before the facts are left out.
    A record without context and facts is a question about no patient: an item.
    """
    sentences, facts = texts(record, "context"), texts(record, "facts")
    question = " ".join([*sentences, text(record, "question")])
    answer = text(record, "answer_idx")
    patient = table(record, "patient") if record.get("patient") else {}
    item = make_item("mediq", origin, record.get("id"), question, letter_table(record), answer)
    if not sentences and not facts:
        return item
    return make_case(
        "mediq",
        origin,
        record.get("id"),
        opening=sentences[0] if sentences else facts[0],
        demographics=", ".join(filter(None, (optional(patient, key) for key in ("age", "gender")))),
        facts=[re.sub(r"^(?:\d+\.|-)\s*", "", fact) for fact in facts],
        examination={},
        tests={},
        diagnosis="",
        item=item,
    )


def agentclinic(record: Record, origin: Origin) -> Case:
    """``OSCE_Examination {Objective_for_Doctor, Patient_Actor, Physical_Examination_Findings, Test_Results, …}``.

    Nested findings are flattened, their names joined: ``Vital signs: Temperature``.
    """
    osce = table(record, "OSCE_Examination")
    patient = table(osce, "Patient_Actor")
    told = {key: value for key, value in patient.items() if key != "Demographics"}
    return make_case(
        "agentclinic",
        origin,
        None,
        opening=text(osce, "Objective_for_Doctor"),
        demographics=text(patient, "Demographics"),
        facts=[f"{name}: {value}" for name, value in _leaves(told)],
        examination=dict(_leaves(table(osce, "Physical_Examination_Findings"))),
        tests=dict(_leaves(table(osce, "Test_Results"))),
        diagnosis=text(osce, "Correct_Diagnosis"),
    )


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of whatever is not an object; lists are joined, null and empty lists left out."""
    for key, value in tree.items():
        name = above + key.replace("_", " ")
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}: ")
        elif isinstance(value, bool):
            yield name, "yes" if value else "no"
        elif isinstance(value, list):
            if value:
                yield name, "; ".join(as_text(member, key) for member in value)
        elif value is not None:
            yield name, as_text(value, key)
