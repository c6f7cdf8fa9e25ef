"""The patient's allergies against the card: all denied, one claimed that is none, one said to be well borne.

An allergy counts by its medicine or class, else by its longer stems. A reaction is what an allergy does (rash, hives,
swelling, a collapse); an upset stomach is none. Questions about further allergies are not compared.
"""

from __future__ import annotations

import re

from filters.consultation_text import asks, denied, of_others
from filters.medicines import find_medicines
from filters.phrasing import either, phrases

_ALLERGIC = either(r"\ballerg|\breact(?:ed|ion)?s? (?:badly )?to\b|\bintoleran")
_ASKS_ALLERGY = phrases(
    r"""
    allerg\w*|reacted?|reactions?|disagree\w*|tolerat\w*|intoleran\w*|bring you out|bad with|troubled? you
    (?:can't|cannot|can not|couldn't|can you|you) (?:take|have) (?:all|any|every|antibiotics|medic\w+|penicillin)
    (?:medic\w+|drugs?|tablets?|antibiotics?) (?:that )?you (?:can't|cannot|mustn't|must not|couldn't) (?:take|have)
    """
)
_NO_ALLERGIES = phrases(
    r"""
    no(?:t)? (?:known |drug |any |\w+ )?allerg\w*
    (?:don't|do not|n't) (?:have|think i have) (?:any )?(?:\w+ )?allerg\w*
    (?:not|never|n't) (?:been )?allergic to (?:any\w*|a (?:single )?thing)
    (?:i )?(?:can|could) (?:take|have|stand|tolerate) (?:anything|everything|all (?:of them|medic\w+|drugs))
    nothing (?:has )?(?:ever )?(?:disagree\w*|bothers?|bothered|troubled?) (?:me|with me|him|her)
    (?:never|not) (?:\w+ )?(?:reacted|had a (?:bad )?reaction) to (?:any\w*|a medic\w+|a drug|a tablet)
    """
)
_CLAIMS_ALLERGY = either(
    r"""
    \b(?:i'm|i am|he's|she's) (?:\w+ )?allergic to (.+)
    \b(?:i have|i've got) an? (.{3,30}?)\s*allergy
    \ballergy to (.+)
    """
)
_REACTION = (
    r"(?:rash|hives|weals|welts|swell\w*|swollen|swole|puff\w* up|itch\w*|spots|blotch\w*|anaphyla\w*|wheez\w*"
    r"|collaps\w*|epipen|lips|tongue|throat clos\w*)"
)
_DOES = r"(?:bring|brings|brought|give|gives|gave|make|makes|made|cause|causes|caused|leave|leaves|left)"
_REACTED = either(
    rf"""
    \b{_DOES} (?:me|him|her|my|his) [^.;]{{0,40}}\b{_REACTION}\b
    \b(?:i|he|she) (?:come|comes|came|broke|break|swell|swells|swelled) (?:out|up) (?:in|with) [^.;]*\b(?:with
    from|after|on)\b
    \b(?:with|from|after|on|had) [^.;]{{3,40}} (?:i|he|she) (?:come|comes|came|broke|got
    had) [^.;]{{0,20}}\b{_REACTION}\b
    """
)
_BORNE = either(
    r"""
    \b(?:(?:is|was|it's|were) (?:perfectly |absolutely |quite )?(?:fine|ok|okay|all right|no (?:problem
    trouble|bother)))\b
    \b(?:without|with no|had no|no) (?:any |a )?(?:problem|trouble|bother|reaction|hitch|difficult\w*|issue)s?\b
    \b(?:agrees|agreed) with (?:me|him|her)\b|\b(?:fine|okay|all right|safe) with\b
    \btolerat\w+ (?:it )?(?:well|fine)\b
    \b(?:never|not) (?:\w+ )?(?:bothered|troubled|harmed|hurt|upset) (?:me|him|her)\b|\bincluded\b
    """
)
_NOT_SURE = phrases("not sure|think|might|maybe")
_PLAIN_NO = either(
    r"^\W*(?:no|none|nope|not that i|nothing|never|not (?:a|one|any|at all|to)|nil|all fine|yes,? (?:all|every))\b"
)
_YES_TO = either(r"^\W*(?:yes|yeah|yep)\W+(?:i am\W+|only\W+|just\W+)?(?:to )?(.+)")
_ELSE = phrases(r"other|else|except|apart|but|besides|only|just|otherwise")
_COMMON_STEMS = frozenset({"aller", "known", "react", "medic", "with", "that", "when"})
_Card = list[tuple[str, str]]


def other_allergy(text: str, asked: str, allergies: list[str], card: _Card) -> str | None:
    """What the card says, where a sentence contradicts it; ``asked``: the question before it, if it is an answer."""
    listed = [*allergies, *(m[1] for _, fact in card if (m := re.search(r"\ballergic to ([^.;]+)", fact)))]
    listed = [entry for entry in listed if not re.match(r"(?i)any|nothing", entry)]
    if listed and _denies(text, asked, listed):
        return f"allergic to {listed[0]}"
    if asks(text) or "anything" in text or _NOT_SURE.search(text) or of_others(text, 0):
        return None
    what = _claimed(text, asked)
    if what is None or alike(what, " ".join([*listed, *(fact for _, fact in card)])):
        return None
    if listed:
        return f"allergic to {listed[0]}"
    return "no known allergies" if any("no known allerg" in fact for _, fact in card) or not card else None


def _claimed(text: str, asked: str) -> str | None:
    """What somebody says to be allergic to."""
    claim = _CLAIMS_ALLERGY.search(text)
    if claim:
        if denied(text, claim.start(), claim.end()) or of_others(text, claim.start()):
            return None
        return next(group for group in claim.groups() if group)
    mentions = find_medicines(text)
    reacted = _REACTED.search(text)
    if reacted and not denied(text, reacted.start(), reacted.end()):
        near = [m for m in mentions if abs(m.end - reacted.start()) < 60 or reacted.start() <= m.start < reacted.end()]
        return near[-1].text if near else None
    plain_yes = _YES_TO.match(text)
    if plain_yes and re.search(r"\ballerg", asked, re.IGNORECASE) and find_medicines(plain_yes[1]):
        return find_medicines(plain_yes[1])[0].text
    return None


def _denies(text: str, asked: str, allergies: list[str]) -> bool:
    if _NO_ALLERGIES.search(text) and not _ELSE.search(text):
        return True
    about_it = bool(_ASKS_ALLERGY.search(asked)) and not re.search(r"\bother|\belse|\bbesides", asked)
    about_it = about_it and (not find_medicines(asked) or any(alike(a, asked) for a in allergies))
    mentioned = any(alike(a, text) for a in allergies)
    if _BORNE.search(text) and mentioned and not re.search(r"\b(?:not|n't|until|then|before)\b", text):
        return True
    if about_it and re.search(r"\ballerg|\breact", asked) and _PLAIN_NO.match(text) and not _ELSE.search(text):
        return not mentioned
    said = _ALLERGIC.search(text)
    return bool(
        said and denied(text, said.start(), said.end()) and any(alike(a, text[said.start() :]) for a in allergies)
    )


def alike(one: str, other: str) -> bool:
    """Whether two texts share a medicine, a class of medicines or a longer stem."""
    first, second = find_medicines(one), find_medicines(other)
    if {m.name for m in first} & {m.name for m in second}:
        return True
    if any(
        m.name in n.classes or n.name in m.classes or m.classes & n.classes & _GROUPS for m in first for n in second
    ):
        return True
    stems = [{w[:5] for w in re.findall(r"\w{4,}", t.lower())} - _COMMON_STEMS for t in (one, other)]
    return bool(stems[0] & stems[1])


_GROUPS = frozenset({"penicillins", "sulfonamide antibiotics", "cephalosporins", "contraceptives", "insulins"})
"""Classes of which one member is called by another's name."""
