"""Medical-sounding prose from a seeded generator: it reads like a note and means nothing.

Besides texts it holds the two draws that they are made with, for what else is drawn from the same generator. Draws use
``Random.random`` alone, the one method whose sequence Python promises to keep from version to version.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any


def _list(text: str) -> list[str]:
    return text.split("|")


_LONG = 180  # characters; more than the longest sentence has
_WHO = _list(
    "The patient|An elderly woman|A young man|Her daughter|The referring physician|A school teacher|This child|"
    "His brother|The ward team|A pregnant patient|A retired miner|A long-distance runner|The family"
)
_DOES = _list(
    "reports|describes|denies|has developed|was treated for|presents with|recovered from|is worried about|noticed|"
    "remembers|complains of|was admitted with|has a history of|returned with|asks about"
)
_HOW = _list(
    "acute|chronic|intermittent|severe|mild|progressive|painless|recurrent|bilateral|nocturnal|sudden|exertional|"
    "unexplained|worsening|transient|postoperative|drug-induced|familial"
)
_WHAT = _list(
    "chest pain|dyspnoea|palpitations|ankle oedema|syncope|headache|blurred vision|abdominal pain|jaundice|haematuria|"
    "fatigue|weight loss|joint stiffness|rash|fever|wheeze|dry cough|back pain|vertigo|tremor|hypertension|asthma|"
    "atrial fibrillation|heart failure|pneumonia|anaemia|Ménière disease|Sjögren syndrome|hypothyroidism|cellulitis|"
    "gout|pericarditis|migraine|pancreatitis|sciatica|nephrolithiasis"
)
_WHEN = _list(
    "for two weeks|since childhood|after a long flight|at rest|on exertion|in the early morning|after meals|at night|"
    "over several months|during pregnancy|following a viral illness|when lying flat|without any trigger|twice a day|"
    "despite treatment|after starting a new medicine|since last Monday"
)
_NEXT = _list(
    "the electrocardiogram was normal|troponin remained below the limit|blood pressure was 152/94 mmHg|"
    "a chest radiograph is advised|the dose of metoprolol was halved|no red flags were found|ferritin came back low|"
    "haemoglobin fell to 9.8 g/dL|an urgent referral is needed|simple analgesia was enough|creatinine rose slightly|"
    "follow-up in ten days is planned|the examination showed a systolic murmur|an ultrasound excluded stones|"
    "anticoagulation should be discussed|inhaled salbutamol brought relief"
)


def pick(rng: Random, options: Sequence[Any]) -> Any:
    """Return one of the options, each as likely as the others."""
    return options[int(rng.random() * len(options))]


def between(rng: Random, low: int, high: int) -> int:
    """Return an integer from ``low`` to ``high``, both included."""
    return min(high, low + int(rng.random() * min(high - low + 1, 2**53)))


def phrase(rng: Random) -> str:
    """Return two or three words such as ``recurrent chest pain``."""
    return f"{pick(rng, _HOW)} {pick(rng, _WHAT)}"


def sentence(rng: Random) -> str:
    """Return a sentence of about twelve words that sounds medical and means nothing."""
    opening = f"{pick(rng, _WHO)} {pick(rng, _DOES)} {phrase(rng)} {pick(rng, _WHEN)}"
    return f"{opening}, and {pick(rng, _NEXT)}." if rng.random() < 0.6 else f"{opening}."


def text_within(rng: Random, shortest: int, longest: int) -> str:
    """Return words of ``shortest`` to ``longest`` characters, without a blank at either end.

    The text stays two characters below ``longest`` where it may, and is cut within a word only if it must be.
    """
    make = sentence if longest >= _LONG else phrase
    room = max(longest - 2, shortest)  # a text that fills its bound looks like one that was cut there
    text = make(rng)
    for _ in range(between(rng, 0, 2) if make is sentence else 0):
        longer = f"{text} {make(rng)}"
        text = longer if len(longer) <= room else text
    while len(text) < shortest:
        text = f"{text} {make(rng)}"
    if len(text) > room:
        whole = text[: room + 1].rpartition(" ")[0]
        text = whole if len(whole) >= shortest else text[:room]
    return f"{text[:-1]}s" if text.endswith(" ") else text
