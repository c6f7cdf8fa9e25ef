"""Questions that the doctor asks a second time, in the same or nearly the same words.

Two questions are the same when they ask the same thing (when, where, how bad, whether …) about the same concepts and
nearly the same stems. "Anything else?" and the like may come again, and so may a question whose subject changed.
"""

from __future__ import annotations

import re

from filters.consultation_concepts import concepts
from filters.consultation_record import Evidence, Talk, evidence
from filters.phrasing import either, phrases
from filters.text import normalise, words

SAME = 0.75
"""From which share of common content on two questions are one."""

_KINDS = {
    "onset": phrases(
        r"""
        how long|when (?:did|was|were|do|does|has|have)|since when|for how (?:long|many)
        how many (?:days|weeks|months|hours|years)|duration
        """
    ),
    "place": either(r"\bwhere\b|\bwhich (?:part|side|area)|\bshow me\b"),
    "degree": either(r"\bhow (?:bad|severe|strong|intense)|\bscale\b|\brate\b|\bout of ten\b"),
    "often": either(r"\bhow (?:often|frequent\w*|many times)\b"),
    "amount": phrases("how (?:much|many)"),
    "who": phrases("who|family|parents?|relatives?|siblings?|mother|father"),
    "why": either(r"\bwhy\b|\bwhat (?:brings|brought|made|makes|triggers|causes)"),
}
_FILLERS = frozenset(words("also and can each ever me now okay please so tell then too well you"))
_NEARLY = 0.85
_PARTS = re.compile(
    r",?\s+(?:and|or)\s+(?=(?:how|what|when|where|which|who|since|is|are|do|does|did|has|have|had|was|were|can|any)\b)",
    re.IGNORECASE,
)
"""Where one sentence asks two questions."""
_SAME_WORD = {"eyesight": "vision", "sight": "vision", "seeing": "vision", "diarrhea": "diarrhoea", "smoker": "smoke"}
_POINTS = re.compile(r"\b(?:it|this|that|they|them|these|those|there|he|she)\b")
_THERE = re.compile(r"\b(?:hurt|here|there|now|today|doing|help|other|any)\b")
"""What may be asked again of another place or time."""
_IDLE = frozenset(
    words(
        """
        a about actually again ago all alright also am an and any anyone anything are as ask at bad be been
        before began begin begun being bring brings brought by can could currently day days describe did do
        doctor does doing else ever exactly experience experienced experiencing feel feeling felt first for
        from get getting going good great had happen happened has have having he her him his how i if in is
        it its just kind know last lately let like long many may me mention mentioned more much my need
        notice noticed noticing now of often ok okay on once one or other part please problem problems rate
        recently right said say scale severe she show side since so some something sorry sort start started
        strong such symptom symptoms tell thank thanks that the their them then there these they thing this
        those time times to today told type understand us want was we week weeks well were what when where
        whether which while who will with would you your yourself
        """
    )
)
"""Words that say nothing of what is asked about."""


def repeated_questions(talk: Talk) -> list[Evidence]:
    """question_repeated, with the sentence that asks again."""
    earlier: list[tuple[str, frozenset[str], str]] = []
    found: list[Evidence] = []
    for turn in talk.turns:
        if turn.speaker != "doctor":
            continue
        now = []
        for sentence in turn.sentences:
            if not (
                sentence.asks
                or (turn.action == "ask" and re.match(r"(?i)\W*(?:please\s+)?(?:tell|describe)\b", sentence.text))
            ):
                continue
            asked = _meaning(sentence.text)
            now.append(asked)
            parts = _PARTS.split(sentence.text)
            now += [part for part in map(_meaning, parts) if len(parts) > 1 and part[1]]
            if any(_same(asked, other) for other in earlier):
                found.append(evidence("question_repeated", turn.place, sentence.raw))
        earlier += now
    return found


def _meaning(text: str) -> tuple[str, frozenset[str], str]:
    """What is asked (onset, place …), the content words as stems and concepts, and the plain text."""
    lower = re.sub(r"[a-z]+", lambda m: _SAME_WORD.get(m[0], m[0]), normalise(text))
    kind = next((name for name, pattern in _KINDS.items() if pattern.search(lower)), "whether")
    content: set[str] = set()
    covered: list[tuple[int, int]] = []
    for concept in concepts(lower):
        content.add(concept.name)
        covered.append((concept.start, concept.end))
    for match in re.finditer(r"\w+", lower):
        inside = any(start <= match.start() < end for start, end in covered)
        if not inside and match[0] not in _IDLE:
            content.add(match[0] if match[0].isdigit() else match[0][:5].rstrip("es"))
    return kind, frozenset(content), " ".join(re.findall(r"\w+", lower))


def _same(one: tuple[str, frozenset[str], str], other: tuple[str, frozenset[str], str]) -> bool:
    if one[2] == other[2]:
        return (
            len(one[1]) > 1
            or (bool(one[1]) and len(one[2].split()) > 2 and not _POINTS.search(one[2]))
            or (len(one[2].split()) > 4 and not _THERE.search(one[2]))
            or (not one[1] and one[0] in ("onset", "place", "degree") and len(one[2].split()) > 3)
        )
    if _nearly(one[2], other[2]):
        return True
    if one[0] != other[0] or not one[1] or not other[1]:
        return False
    if len(one[1]) == 1 and one[0] != "onset" and (_POINTS.search(one[2]) or _POINTS.search(other[2])):
        return False  # what "it" is has changed since
    if one[0] == "whether" and len(one[1] | other[1]) == 1:
        return _exists(one[2]) == _exists(other[2])
    return len(one[1] & other[1]) / len(one[1] | other[1]) >= SAME


def _nearly(one: str, other: str) -> bool:
    """Whether two longer questions have the same words but for fillers; one that points needs more words to tell."""
    first, second = (set(text.split()) - _FILLERS for text in (one, other))
    enough = 6 if _POINTS.search(one) else 5
    return min(len(first), len(second)) >= enough and len(first & second) / len(first | second) >= _NEARLY


def _exists(text: str) -> bool:
    """Whether a question asks for presence ("do you have …") rather than for a quality ("what is the … like")."""
    return not text.startswith(
        ("what", "how", "which", "is the", "is your", "can you describe", "does the", "does it", "could you describe")
    )
