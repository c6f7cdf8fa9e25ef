"""All rules over one consultation: is it consistent, grounded in what was told, safe, and in form?

``check_consultation`` is the one entry. Rules only: no model, no network, the same answer every time. What each flag
means and what it cannot see stands in the module that gives it: :mod:`filters.consultation_patient`,
:mod:`filters.consultation_diagnosis`, :mod:`filters.consultation_own_medicines`,
:mod:`filters.consultation_quantities`, :mod:`filters.consultation_answers`,
:mod:`filters.consultation_citations`, :mod:`filters.consultation_results`,
:mod:`filters.consultation_questions`, :mod:`filters.consultation_form`, :mod:`filters.consultation_refusals`,
:mod:`filters.consultation_roles`, :mod:`filters.consultation_safety`, :mod:`filters.consultation_alarms`,
:mod:`filters.consultation_drugs`, :mod:`filters.consultation_demographics`. They read one record of the talk
(:mod:`filters.consultation_record`) in terms of :mod:`filters.consultation_concepts`.
English; in other languages only form, names and numbers are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from filters.consultation_citations import citations
from filters.consultation_demographics import demographics
from filters.consultation_drugs import medicines
from filters.consultation_form import form
from filters.consultation_patient import patient_says
from filters.consultation_questions import repeated_questions
from filters.consultation_record import Evidence, read
from filters.consultation_safety import red_flags

FLAGS = (
    "diagnosis_named_by_patient",
    "answer_contradicts_case",
    "invented_finding",
    "result_without_examination",
    "question_repeated",
    "dose_implausible",
    "unknown_drug",
    "contraindicated",
    "red_flag_not_escalated",
    "age_sex_contradiction",
    "refusal",
    "role_slip",
    "turn_empty",
    "turn_truncated",
    "identifying_details",
)
"""Every flag that may come, in the order of the report."""


def check_consultation(turns: Iterable[Any], case: Mapping[str, Any] | None) -> list[Evidence]:
    """What is wrong with a consultation, sorted by turn: at most one finding a turn and flag.

    Args:
        turns: mappings with ``speaker`` (patient, doctor, result), ``text``, ``action`` and ``argument``; what lacks
            them counts as empty.
        case: the card as it is stored with a dialogue; empty when there is none, which leaves out what needs one.

    Returns:
        ``{"flag", "turn", "text", "fact"}``: the place in ``turns``, the sentence verbatim (300 characters at most),
        and the fact that it contradicts or lacks, or None.
    """
    card = case if isinstance(case, Mapping) else {}
    talk = read(turns)
    found = [
        *patient_says(talk, card),
        *citations(talk, card),
        *repeated_questions(talk),
        *medicines(talk, card),
        *red_flags(talk, card),
        *demographics(talk, card),
        *form(talk),
    ]
    first = {(item["turn"], item["flag"]): item for item in reversed(found)}
    return sorted(first.values(), key=lambda item: (item["turn"], FLAGS.index(item["flag"])))
