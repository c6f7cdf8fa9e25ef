"""Questions that the doctor asks a second time, in the same or in other words.

A question is taken apart where one sentence asks several things. Each part has what it asks (when, where, how bad, how
often, whether …), of what (concepts, and topics such as allergies, medicines or work, by whatever words), and further
words that narrow it. It is asked again when a later part asks the same of the same and narrows nothing; whether
something is there is also settled by having asked since when, how often or how much. "Anything else?" and the like may
come again, and so may a question whose subject changed.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from filters.consultation_concepts import concepts
from filters.consultation_question_words import IDLE, KINDS, NAMED, PARTS, POINTS, SAME_WORD, STATES, TOPICS
from filters.consultation_record import Evidence, Talk, evidence
from filters.consultation_replies import NO
from filters.text import normalise, words

SAME = 0.75
"""From which share of common content on two questions are one."""

_FILLERS = frozenset(words("also and can each ever me now okay please so tell then too well you"))
_NEARLY = 0.85
_FEW = 3
_THERE = re.compile(r"\b(?:hurt|here|there|now|today|doing|help|other|any)\b")
"""What may be asked again of another place or time."""
_SETTLED_BY = frozenset(("onset", "often", "amount", "degree", "which"))
"""Kinds of questions whose answer says as well whether there is anything."""
_CLARIFIES = re.compile(r"^\W*(?:so|or|you mean|did you say|sorry|and you said|really|are you sure)\b", re.IGNORECASE)
_OPEN = re.compile(r"\b(?:other|else|describe|happened)\b", re.IGNORECASE)
"""Questions that may come again: what else there is, what a thing is like."""
_WHAT_ABOUT = re.compile(r"(?:\w+ )?(?:what|how) about")
_ONCE_MORE = re.compile(r"\b(?:once more|one more time|once again)\b")
_TWO_ENDS = (
    re.compile(r"\b(?:better|eas\w+|reliev\w+|help\w*)\b"),
    re.compile(r"\b(?:worse\w*|aggravat\w*|trigger\w*|bring\w* (?:it )?on)\b"),
    re.compile(r"\b(?:left)\b"),
    re.compile(r"\b(?:right (?:\w+)|the right)\b"),
    re.compile(r"\b(?:night|overnight|evening)\b"),
    re.compile(r"\b(?:morning|wak\w+)\b"),
    re.compile(r"\b(?:before|ever|in the past(?! (?:few|\w+ (?:day|week|month|year)))|previous\w*|earlier)\b"),
    re.compile(r"\b(?:still|now|today|at the moment|currently)\b"),
    re.compile(r"\b(?:mother|father|family|parents?|relatives?|sister|brother|anyone|anybody|who)\b"),
    re.compile(r"\b(?:stop\w*|last time|end)\b"),
    re.compile(r"\b(?:high|highest|worst)\b"),
    re.compile(r"\b(?:else|other|another|more|again|also)\b"),
)
"""Words of which a question that holds one is no repetition of one without it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    topics: frozenset[str]
    """Concepts and topics."""
    rest: frozenset[str]
    """Stems of further words of content."""
    plain: str
    ends: tuple[bool, ...]
    reply: str = ""
    """What the patient said to it."""
    about: frozenset[str] = frozenset()
    """What "it" is where a question names nothing: the first complaint of the opening."""

    @property
    def content(self) -> frozenset[str]:
        return self.topics | self.rest


def repeated_questions(talk: Talk) -> list[Evidence]:
    """question_repeated, with the sentence that asks again."""
    earlier: list[_Asked] = []
    found: list[Evidence] = []
    about = _complaint(talk)
    for turn in talk.turns:
        if turn.speaker != "doctor":
            continue
        now: list[_Asked] = []
        for sentence in turn.sentences:
            if not (
                sentence.asks
                or (turn.action == "ask" and re.match(r"(?i)\W*(?:please\s+)?(?:tell|describe)\b", sentence.text))
            ):
                continue
            whole = _meaning(sentence.text)
            parts = _parts(sentence.text, whole)
            if any(_same(whole, other) for other in earlier) or _again(sentence.text, parts, earlier):
                found.append(evidence("question_repeated", turn.place, sentence.raw))
            now += [whole, *parts]
        following = talk.turns[turn.place + 1 : turn.place + 2]
        reply = following[0].text if following and following[0].speaker == "patient" else ""
        if not reply.rstrip().endswith("?"):  # who asks back has not answered
            earlier += [replace(one, reply=reply, about=about) for one in now]
    return found


def _complaint(talk: Talk) -> frozenset[str]:
    """The symptom that the patient's first words begin with; none where they list many."""
    opening = talk.turns[0] if talk.turns and talk.turns[0].speaker == "patient" else None
    named = [f.name for s in opening.sentences for f in concepts(s.text) if f.kind == "symptom"] if opening else []
    return frozenset(named[:1]) if len(set(named)) <= _FEW else frozenset()


def _parts(text: str, whole: _Asked) -> list[_Asked]:
    """What each part of a sentence asks; a part that points ("how many is it") is about what the part before is."""
    pieces = [piece for piece in PARTS.split(text) if piece.strip(" ,.?!")]
    if len(pieces) < 2:
        return [whole]
    found: list[_Asked] = []
    for piece in pieces:
        part = _meaning(piece)
        if found and not part.content:
            part = _Asked(part.kind, found[-1].topics, found[-1].rest, part.plain, part.ends)
        found.append(part)
    return [part for part in found if part.content]


def _again(text: str, parts: list[_Asked], earlier: list[_Asked]) -> bool:
    """Whether each part of a question was asked before."""
    if not parts or _CLARIFIES.match(text) or _OPEN.search(text):
        return False
    strong = [any(_covered(part, other) for other in earlier) for part in parts]
    weak = [not part.topics and any(part.rest <= other.rest for other in earlier) for part in parts]
    return any(strong) and all(one or other for one, other in zip(strong, weak, strict=True))


def _of(now: _Asked, before: _Asked) -> bool:
    """Whether the topics are the same, or one of a list of which all was denied or that one was answered."""
    if now.topics == before.topics or _of_it(now, before):
        return True
    if not now.topics < before.topics or before.kind != "whether" or _WHAT_ABOUT.match(now.plain):
        return False
    told = _meaning(before.reply[:300]).topics
    return len(now.topics) == 1 and (now.topics <= told or (not told and bool(NO.match(before.reply))))


def _of_it(now: _Asked, before: _Asked) -> bool:
    """Whether a question names the complaint that an earlier one of the same kind called "it", or not at all."""
    pointed = not before.topics or bool(POINTS.search(before.plain))
    same = now.kind == before.kind and (now.kind == "onset" or "worse" in before.topics)
    return pointed and same and bool(before.about) and now.topics == before.topics | before.about


def _covered(now: _Asked, before: _Asked) -> bool:
    """Whether a part asks nothing that an earlier one did not: the same topics, no narrower."""
    if not now.topics or not _of(now, before) or now.ends != before.ends:
        return False
    same_state = {now.kind, before.kind} == {"whether", "how"} and now.topics <= STATES
    same_state = (same_state and now.topics == before.topics) or (
        now.topics <= NAMED and {now.kind, before.kind} <= {"whether", "which", "how"}
    )
    if now.kind != before.kind and not same_state and not (now.kind == "whether" and before.kind in _SETTLED_BY):
        return False
    if now.kind == "whether" and before.kind != "whether" and _exists(now.plain) != _exists("do you"):
        return False
    if len(now.rest) == 0:
        return len(before.rest) < 3
    return now.rest <= before.rest and len(before.rest - now.rest) < 2


@functools.lru_cache(maxsize=1024)
def _meaning(text: str) -> _Asked:
    """What is asked (onset, place …), of what, and the plain text."""
    lower = _ONCE_MORE.sub(" ", normalise(text))
    lower = re.sub(r"[a-z]+", lambda m: SAME_WORD.get(m[0], m[0]), lower)
    kind = next((name for name, pattern in KINDS.items() if pattern.search(lower)), "whether")
    topics: set[str] = set()
    covered: list[tuple[int, int]] = []
    for name, pattern in TOPICS.items():
        for match in pattern.finditer(lower):
            topics.add(name)
            covered.append(match.span())
    for concept in concepts(lower):
        if not any(start <= concept.start < end for start, end in covered):
            topics.add(concept.name)
        covered.append((concept.start, concept.end))
    if len(topics) > 1:
        topics.discard("pain" if any(name.endswith(" pain") for name in topics) else "")
    rest = set()
    for match in re.finditer(r"\w+", lower):
        inside = any(start <= match.start() < end for start, end in covered)
        if not inside and match[0] not in IDLE and (len(match[0]) > 1 or match[0].isdigit()):
            rest.add(match[0] if match[0].isdigit() else match[0][:5].rstrip("es"))
    plain = " ".join(re.findall(r"\w+", lower))
    ends = tuple(bool(pattern.search(lower)) for pattern in _TWO_ENDS)
    return _Asked(kind, frozenset(topics), frozenset(rest), plain, ends)


def _same(one: _Asked, other: _Asked) -> bool:
    if one.plain == other.plain:
        return (
            len(one.content) > 1
            or (bool(one.content) and len(one.plain.split()) > 2 and not POINTS.search(one.plain))
            or (len(one.plain.split()) > 4 and not _THERE.search(one.plain))
            or (not one.content and one.kind in ("onset", "place", "degree") and len(one.plain.split()) > 3)
        )
    if _nearly(one.plain, other.plain):
        return True
    if one.kind != other.kind or not one.content or not other.content or one.ends[-1] != other.ends[-1]:
        return False
    if len(one.content) == 1 and one.kind != "onset" and (POINTS.search(one.plain) or POINTS.search(other.plain)):
        return False  # what "it" is has changed since
    if one.kind == "whether" and len(one.content | other.content) == 1:
        return _exists(one.plain) == _exists(other.plain)
    return len(one.content & other.content) / len(one.content | other.content) >= SAME


def _nearly(one: str, other: str) -> bool:
    """Whether two longer questions have the same words but for fillers; one that points needs more words to tell."""
    first, second = (set(text.split()) - _FILLERS for text in (one, other))
    enough = 6 if POINTS.search(one) else 5
    return min(len(first), len(second)) >= enough and len(first & second) / len(first | second) >= _NEARLY


def _exists(text: str) -> bool:
    """Whether a question asks for presence ("do you have …") rather than for a quality ("what is the … like")."""
    return not text.startswith(
        ("what", "how", "which", "is the", "is your", "can you describe", "does the", "does it", "could you describe")
    )
