"""Answers that put another state than the card's: an effect denied, no change, all well, no difficulty, nobody there.

Each rule needs both sides plainly: the question or the answer names the thing (sleep, weight, shoes, rest), the card
says the opposite of the same thing, and the answer has no word that holds for a time or a part only. Lay idioms for
"well" and "unchanged" are listed; an irony is taken at its word.
"""

from __future__ import annotations

import re

from filters.consultation_replies import NO
from filters.consultation_text import asks, denied, of_others
from filters.phrasing import either, phrases

_HOLDS = phrases("but|only|just|except|apart|now|today|then|until|since|sometimes|before|used to|when|if|yet|at first")
_NO_EFFECT = phrases(
    r"""
    makes? no (?:odds|difference|change)|(?:made|making) no (?:odds|difference|change)|does nothing|did nothing
    (?:doesn't|does not|didn't|don't|never) (?:help|matter|make (?:a|any) (?:difference|odds)|change (?:it|a thing))\w*
    no (?:help|use|good)(?: at all)?
    """
)
_EFFECT = phrases(
    r"help(?:s|ed)?|eas(?:es|ed)|reliev\w+|better|worse|worsen\w*|comes? (?:when|on)|brings? it on|sets? it off|hurts?"
    r"|aggravat\w+|soothes?"
)
_TOPICS = {
    "weight": (phrases("weight|lost any|gained|clothes|trousers"), phrases(r"(?:lost|gained|put on|dropped) .*")),
    "sleep": (
        phrases(r"sleep\w*|nights?"),
        phrases(r"sleep(?:s|ing)? (?:\w+ )?(?:badly|poorly|little)|insomnia|lie awake|can(?:not|'t) sleep"),
    ),
    "appetite": (
        phrases("appetite|eating|hungry|food"),
        phrases(r"(?:no|poor|lost (?:your|his|her)|little) appetite|eats? (?:very )?little|off (?:your|his|her) food"),
    ),
    "sight": (
        phrases("sight|eyesight|vision|see|seeing"),
        phrases(r"(?:sight|vision|eyesight) .{0,20}(?:blur\w*|worse|poor|lost|gone|dim\w*)|blurred (?:vision|sight)"),
    ),
    "mood": (
        phrases("mood|spirits|feeling in yourself"),
        phrases(r"(?:low|sad|down|hopeless|tearful|depressed|cry|cried)"),
    ),
}
"""What a question is about, and how a card says that it is not as it should be."""
_WELL = phrases(
    r"""
    same as ever|as (?:ever|always|good as ever)|unchanged|no change|(?:hasn't|haven't|not) (?:changed|budged|moved)
    not (?:by )?(?:an? )?(?:ounce|pound|bit|gram|jot)|steady as (?:a|ever)|rock steady
    like a (?:log|baby|top|horse|king)
    (?:perfect|fine|great|grand|brilliant|excellent|normal|spot on|champion|a1)|never better|no complaints
    """
)
_EASILY = either(
    r"^\W*(?:oh |well )?(?:no (?:bother|problem|trouble|worries|difficulty|drama)|easily|with ease|easy|fine"
    r"|not hard)\b"
)
_HARD = phrases(
    r"(?:is|are) (?:very |too )?(?:hard|difficult|impossible|a struggle)|can(?:not|'t)|struggles? (?:to|with)"
    r"|trouble \w+ing|unable to|hurts?"
)
_SPREADS = phrases(
    r"(?:goes|go|spreads?|radiates?|shoots?|travels?|moves?|runs?|pulls?) (?:\w+ )?"
    r"(?:in)?(?:to|down|through|up|towards)"
)
_ASKS_SPREAD = phrases(
    r"(?:go|going|spread\w*|radiat\w*|travel\w*|move|shoot\w*)"
    r" (?:anywhere|somewhere|elsewhere|to|into|down|up|through)"
    r"|stay in one (?:place|spot)"
)
_STAYS = either(r"\b(?:stays? (?:put|there|in|right)|doesn't (?:move|spread|go|travel)|only (?:here|there)|nowhere)\b")
_KIN = r"(mother|father|mum|mom|dad|brother|sister|wife|husband|boyfriend|girlfriend|partner|son|daughter|flatmates?)"
_KIN_WELL = either(
    rf"\b(?:my )?{_KIN}(?:'s|s| is| has| was)? (?:\w+ )?(?:never been (?:ill|sick|poorly)|never ill|perfectly (?:well"
    r"|healthy|fine)|as fit as|fit as|right as rain|in perfect health)"
)
_KIN_ILL = either(rf"^your {_KIN}s?(?: \w+)? (?:had|has|have|was|were|is|are|died|itch|coughs?|vomit\w*|suffer\w*)")
_ASKS_HOME = either(
    r"\b(?:who|anyone|anybody|somebody) (?:else )?(?:\w+ ){0,3}?(?:home|live|with you)|\blive (?:alone|with)"
)
_COMPANY = either(rf"\b(?:my|the|our) (?:\w+ )?(?:{_KIN}|kids|children|family|parents)\b")
_IDLE = frozenset(("your", "that", "with", "have", "does", "when", "this", "from", "what", "about", "them", "hurts"))
_Card = list[tuple[str, str]]


def other_state(text: str, asked: str, card: _Card) -> str | None:
    """The name of the card's fact that an answer contradicts; ``asked``: the question before it, "" for none."""
    if asks(text):
        return None
    return (
        _without_effect(text, card)
        or _as_ever(text, asked, card)
        or _with_ease(text, asked, card)
        or _stays_put(text, asked, card)
        or _in_company(text, asked, card)
    )


def _stems(text: str) -> set[str]:
    words = (word for word in re.findall(r"[a-z]{4,}", text.lower()) if word not in _IDLE)
    return {word.removesuffix("ing").removesuffix("s")[:5] for word in words}


def _without_effect(text: str, card: _Card) -> str | None:
    """The fact of what helps or harms, where the patient says that the same does nothing."""
    match = _NO_EFFECT.search(text)
    if match is None:
        return None
    named = re.split(r"[.,;]|\bbut\b", text[: match.start()])[-1]
    for name, fact in card:
        effect = _EFFECT.search(fact)
        if effect and not denied(fact, effect.start(), effect.end()) and _stems(named) & _stems(fact):
            return name
    return None


def _as_ever(text: str, asked: str, card: _Card) -> str | None:
    """The fact of a change or a trouble of what was asked about, where the answer is that all is well with it."""
    if not _WELL.search(text) or _HOLDS.search(text) or of_others(text, len(text) - 1):
        return None
    for topic, (about, troubled) in _TOPICS.items():
        if not about.search(asked + " " + text):
            continue
        for name, fact in card:
            trouble = troubled.search(fact)
            on_topic = topic in ("sleep", "appetite", "sight", "mood") or re.search(
                r"kilo|kg|pound|stone|weight", fact
            )
            if trouble and on_topic and not denied(fact, trouble.start(), trouble.end()) and not of_others(fact, 0):
                return name
    return None


def _with_ease(text: str, asked: str, card: _Card) -> str | None:
    """The fact of a difficulty with the very thing asked about, where the answer is that there is none."""
    if not _EASILY.match(text) or _HOLDS.search(text):
        return None
    for name, fact in card:
        if _HARD.search(fact) and _stems(asked) & _stems(fact) and not re.search(r"\b(?:not|no)\b", fact):
            return name
    return None


def _stays_put(text: str, asked: str, card: _Card) -> str | None:
    """The fact of a pain that spreads, where the answer is that it does not."""
    if not _ASKS_SPREAD.search(asked) or not (NO.match(text) or _STAYS.search(text)) or _HOLDS.search(text):
        return None
    for name, fact in card:
        spreads = _SPREADS.search(fact)
        if spreads and "pain" in fact.lower() and not denied(fact, spreads.start(), spreads.end()):
            return name
    return None


def _in_company(text: str, asked: str, card: _Card) -> str | None:
    """The fact of living alone, or of somebody's illness, that an answer about the people around contradicts."""
    well = _KIN_WELL.search(text)
    company = _ASKS_HOME.search(asked) and _COMPANY.search(text) and not denied(text, len(text) - 1, len(text))
    for name, fact in card:
        ill = _KIN_ILL.match(fact)
        if well and ill and well[1].rstrip("s").lower() == ill[1].rstrip("s").lower() and "not" not in fact:
            return name
        if company and re.search(r"\blives? (?:alone|by yourself|on your own)\b", fact) and not _HOLDS.search(text):
            return name
    return None
