"""Answers that a reply gives without announcing them: an option called right, the stem completed, an option alone.

Used where no line and no sentence announces an answer. In this order:

1. ``option``: "option X is correct", "X. text is the most likely cause", where only one option is called so;
2. ``stem``: "The most likely cause is <an option's whole text>.", where all such sentences name one option;
3. ``alone``: a reply, its last line or its first line, that is a letter or an option and nothing else.

A first line counts while the rest of the reply lists no other options and does not deny it. Lists of options are no
answers, nor is the beginning of a walk through them. Never looks at options that are only similar.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from evaluation.doubt import asks, denied, doubtful, none_is_right
from evaluation.verdict import CONTRADICTION, Claim, begins_with, same_text, verdict

_MOST = (
    r"(?:correct(?! (?:to|that|about|in|but|if|when|only|unless|provided)\b| for (?!(?:this|these|the|him|her)\b))"
    r"|(?:best|right)(?=\s{0,3}(?:[.!\n]|$))"
    r"|the\s{1,3}(?:single\s)?(?:correct|best|right|most likely|most appropriate)?\s{0,3}"
    r"(?:answer|option|choice|one)\b(?! (?:if|only|unless|provided)\b| (?:for|in|to|when) (?!(?:this|the|him|her)\b)))"
)
_SURELY = r"(?:therefore\s|thus\s|clearly\s|indeed\s){0,1}"
_IS_BEST = re.compile(
    r"(?:\b(?i:option|choice|answer|letter)\s{1,3}[(\[\"'“]?(?P<a>[A-Z])\b|[(\[](?P<b>[A-Z])[)\]]"
    r"|(?:^|[.!?:,]\s{1,3}|\b(?i:so|thus|therefore|hence)\s)[ \t>#-]{0,5}(?P<c>[A-Z])\b)[)\]\"'”]?"
    rf"(?:[.:]?[ \t]{{1,3}}(?:(?!\b(?:is|are|was)\b)[^\n.,;:?!]){{1,80}}?)?,?[ \t]{{1,3}}is\s{{1,3}}{_SURELY}{_MOST}",
    re.MULTILINE,
)
_IS_THE_MOST = re.compile(
    r"\s{1,3}is\s{1,3}(?:therefore\s|thus\s|clearly\s|indeed\s){0,1}(?:(?:the|one of the)\s{1,3})?"
    r"(?:single\s)?(?:correct|best|right|answer|most\s{1,3}(?:likely|appropriate|effective|suitable|probable))\b"
)
_THIS_IS = re.compile(
    r"^\W{0,6}(?P<letter>[A-Z])[.):][^\n]{1,300}\n\s{0,5}This is (?:therefore |thus |clearly )?"
    r"the (?:single )?(?:correct|best|right|most (?:likely|appropriate))\b",
    re.MULTILINE,
)
_BUT = re.compile(r"\b(?:but|however|although|though|except|unless|if|not)\b", re.IGNORECASE)
_TURN = re.compile(r"\W{0,4}(?:but|however|yet|although|though|nevertheless|still|in this case|here)\b", re.IGNORECASE)
_STEM = re.compile(r"\s(?:is|are|would be)(?:\s(?:likely|probably|therefore|thus|indeed|called))?:?\s{1,3}")
_SUPERLATIVE = re.compile(
    r"^\W{0,4}(?:\S+\s){0,12}?the\s(?:single\s)?(?:most|best|first|correct|main|primary)\b", re.I
)
OPTION_LINE = re.compile(r"^[\s>#-]{0,6}[(\[]?([A-Za-z])[)\].:]", re.MULTILINE)
_LABEL = re.compile(r"^\W{0,4}([A-Z])\s{0,2}[).:\]-]{1,3}\s{0,3}")
_BARE = re.compile(r"\W{0,6}(?:option\s|choice\s)?\W{0,3}[A-Za-z]\W{0,6}", re.IGNORECASE)
_DISMISSED = re.compile(r"\b(?:this|it|that)\s(?:\w+\s)?(?:is|was|would be)\s(?:not|wrong|incorrect|unlikely)\b", re.I)
_DOWN = re.compile(r"\b(?:not|wrong|incorrect|less|unlikely|false)\b|n['’]t\b", re.IGNORECASE)
_LAST = 50
_NEAR = 20_000
"""Matches and characters looked at: replies that repeat themselves end somewhere."""
_LONG = 400
"""Characters: no sentence is longer, and a walk through the options leaves the first of them before that."""


def praised(text: str, options: Mapping[str, str]) -> list[Claim]:
    """Return the options that are called the correct one, in order."""
    found = []
    for match in list(_IS_BEST.finditer(text))[-_LAST:]:
        letter = match["a"] or match["b"] or match["c"]
        start = match.start("c") if match["c"] else match.start()
        meant = not doubtful(text, start, match.end()) and not none_is_right(text[match.end() : match.end() + _NEAR])
        if letter in options and meant and not re.search(r"\b(?:not|n't)\b", match[0]):
            found.append(Claim(match.start(), letter))
    return found


def preferred(text: str, options: Mapping[str, str]) -> set[str]:
    """Return the options that are called the most likely, the best and the like; too weak to deny an answer."""
    most = (_the_most(text, found, options) for found in list(_IS_THE_MOST.finditer(text))[-_LAST:])
    these = list(_THIS_IS.finditer(text))[-_LAST:]
    this = (found["letter"] for found in these if found["letter"] in options and not asks(text, found.end()))
    return {letter for letter in (*most, *this) if letter is not None}


def _the_most(text: str, found: re.Match[str], options: Mapping[str, str]) -> str | None:
    """The option, named by its whole text, that the sentence calls the most likely and the like."""
    subject = re.split(r"(?<!\b[A-Z])[.!?;]\s|\n", text[max(0, found.start() - 300) : found.start()])[-1]
    labelled = _LABEL.match(subject)
    said = _whole(subject[labelled.end() :] if labelled else subject, options)
    rest = re.split(r"[.!?](?:\s|$)|\n", text[found.end() : found.end() + 400])[0]
    if said is None or _BUT.search(rest) or asks(text, found.end()):
        return None
    if labelled is None and not re.search(r"\b(?:answer|option|choice|one)\b", found[0] + rest[:8]):
        return None
    if _said_of_another(text, found, rest, said, options) or _goes_on(text, found.end(), said, options):
        return None
    return said if labelled is None or labelled[1] == said else CONTRADICTION


def _said_of_another(text: str, found: re.Match[str], rest: str, said: str, options: Mapping[str, str]) -> bool:
    """Whether "is the most likely cause" has a sentence "The most likely cause is …" with something else in it."""
    role = re.sub(r"^\s{1,3}is\s{1,3}(?:\w+\s){0,1}?(?:the|one of the)\s{1,3}", "", found[0]) + rest
    for again in re.finditer(rf"\bthe\s{re.escape(role.strip())}\sis\s", text[:_NEAR], re.IGNORECASE):
        if said not in begins_with(text[again.end() :], options).letters:
            return True
    return False


def _goes_on(text: str, at: int, said: str, options: Mapping[str, str]) -> bool:
    """Whether the reply takes up another option after ``at`` without turning it down."""
    lines = re.findall(r"^[ \t>#-]{0,6}([A-Z])[).:](.*)", text[at : at + _NEAR], re.MULTILINE)
    return any(letter in options and letter != said and not _DOWN.search(line) for letter, line in lines)


def stem(text: str, options: Mapping[str, str]) -> str | None:
    """Return the option whose whole text completes "The most … is", or :data:`CONTRADICTION` where several do.

    A sentence without "most", "best" and the like counts where it is a paragraph of its own and the last one.
    """
    last = text.rstrip().rpartition("\n")[2].strip()
    found = set()
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s|\n", text[:_NEAR]) if part.strip()]
    for sentence, following in itertools.pairwise([*sentences, ""]):
        closing = sentence == last and re.match(r"\W{0,4}the\s", sentence, re.IGNORECASE)
        if len(sentence) > _LONG or not (closing or _SUPERLATIVE.search(sentence)) or sentence.endswith("?"):
            continue
        if _TURN.match(following):
            continue
        for verb in _STEM.finditer(sentence):
            said = _completes(sentence, verb, options)
            if said and not doubtful(sentence, verb.start(), verb.end()):
                found.add(said)
    if not found:
        return None
    return found.pop() if len(found) == 1 else CONTRADICTION


def _completes(sentence: str, verb: re.Match[str], options: Mapping[str, str]) -> str | None:
    rest = re.sub(r"^(?:an?|the)\s(?=\S)", "", sentence[verb.end() :])
    for tail in (sentence[verb.end() :], rest):
        letter = re.fullmatch(r"\(([A-Z])\)\W{0,4}", tail)
        if letter and letter[1] in options:
            return letter[1]
        named = begins_with(tail, options)
        after = re.sub(r"^\s?\([^)]{1,20}\)", "", tail[named.end :])
        if len(named.letters) == 1 and not after.strip(" .!)]}\"'"):
            return next(iter(named.letters))
    return None


def alone(text: str, options: Mapping[str, str]) -> str | None:
    """Return the option that a reply, its last line or its first line consists of."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    listed = {letter.upper() for letter in OPTION_LINE.findall(text)} & options.keys()
    last = lines[-1].lstrip("#>- ")
    said = _just(re.sub(r"^\d{1,2}[.)]\s", "", last) if len(lines) == 1 else last, options)
    if said is not None and not listed - {said}:
        if len(lines) == 1:
            return said
        # A last line "A. text" may begin a list that was cut off; "C. text" with no A and B before it cannot.
        closing = bool(_BARE.fullmatch(last)) or (said != "A" and bool(_LABEL.match(last)) and lines[-2][-1] in ".!")
        if closing and not lines[-2].endswith(":"):
            return said
    return _opening(lines, text, listed, options)


def _opening(lines: list[str], text: str, listed: set[str], options: Mapping[str, str]) -> str | None:
    first = lines[0].lstrip("#>- ")
    said = _just(first, options)
    if said is None or len(lines) == 1:
        return None
    rest = text.strip()[len(lines[0]) :].strip()
    if _DISMISSED.search(rest) or none_is_right(rest) or denied(text.strip(), len(lines[0])) or asks(rest, 0):
        return None
    plain = begins_with(first, options).end > 0
    if plain and [_just(line, options) for line in lines[1:]] == list(options):
        return said  # the options again, below the one that was taken
    if listed - {said}:
        return None
    whole = rest[-1:] in ".!?)\"'”" and not rest.endswith("..")
    return said if plain or said != "A" or whole or len(rest) >= _LONG else None


def _just(line: str, options: Mapping[str, str]) -> str | None:
    """The option that the line is, with nothing else on it but perhaps its letter."""
    said = verdict(line, options)
    labelled = _LABEL.match(line)
    if labelled and labelled[1] in options and same_text(line[labelled.end() :], options[labelled[1]]):
        return labelled[1]
    if said is None or said == CONTRADICTION or line.startswith("|"):
        return None
    return said if _BARE.fullmatch(line) or _is_option(line, options) else None


def _is_option(line: str, options: Mapping[str, str]) -> bool:
    """Whether the line is an option's text to its end, with or without its letter."""
    text = line if begins_with(line, options).end else _LABEL.sub("", line)
    return _whole(text, options) is not None or (
        begins_with(text, options).end > 0 and not text[begins_with(text, options).end :].strip(" .!)]}\"'")
    )


def _whole(text: str, options: Mapping[str, str]) -> str | None:
    """The one option whose text this is, from its beginning to its end."""
    text = re.sub(r"^\W{0,4}(?:(?:so|thus|therefore|hence|the|an?)\b[\s,]{1,3}){0,2}", "", text, flags=re.IGNORECASE)
    named = begins_with(text, options)
    if len(named.letters) != 1 or text[named.end :].strip(" .,!)]}\"'"):
        return None
    return next(iter(named.letters))
