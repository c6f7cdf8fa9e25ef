"""Where a medicine's name stands in a sentence: before a dose, before a form, after a verb of taking or prescribing.

A place names one word. "X 50 mg", "50 mg of X" and "start you on X twice a day" need a word that is not everyday
language (``data/not_medicines.txt``); before a form ("X tablets") and after a bare verb ("prescribe X") it must also
look like a name: a capital within the sentence, or an ending that names of medicines have. What stands before a
laboratory unit ("glucose 180 mg/dL") is no medicine. Names of two words are seen by one of them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"
_X = r"(?P<x>[^\W\d_][^\W\d_]{3,})"
_SMALL = r"mg|milligrams?|mcg|\u00b5g|\u03bcg|ug|micrograms?|iu|tablets?|capsules?|pills?|puffs?"
_UNIT = rf"(?:{_SMALL}|g|grams?|mls?|milliliters?|millilitres?|units?)"
_NUMBER = r"(?:\d[\d.,]*|one|two|three|five|ten|twenty|forty|fifty|eighty)(?:\s?(?:-|to|or)\s?\d[\d.,]*)?"
_DOSE = rf"{_NUMBER}[\s-]?{_UNIT}\b(?!\s?(?:/\s?(?:dl|l|ml|g|min|mmol)|per\s(?:dec|lit|mil)))"
_SMALL_DOSE = rf"{_NUMBER}[\s-]?(?:{_SMALL})\b(?!\s?(?:/\s?(?:dl|l|ml|g|min|mmol)|per\s(?:dec|lit|mil)))"
_FORM = (
    r"(?:creams?|gel|lotion|drops|spray|patch(?:es)?|tablets?|capsules?|pills?|caplets?|inhalers?|ointment"
    r"|suppositor(?:y|ies)|syrup|lozenges|infusions?|injections?)\b"
)
_FILL = (
    r"(?:(?:some|a|an|the|your|my|his|her|their|oral|daily|low-dose|topical|intravenous|iv|more|course of|dose of)"
    r"\s+){0,3}"
)
_OFTEN = (
    r"(?:once|twice|three times|four times|every|each|daily|nightly|at night|at bedtime|in the morning|as needed"
    r"|when needed|per day|a day|by mouth|before meals|with food|with meals)\b"
)
_TIMES = r"(?:once|twice|(?:two|three|four|five|\d)\s(?:times|or)|every|each|daily|nightly|a\sday|per\sday)\b"
_TAKE = (
    r"\b(?:take|takes|taking|took|prescrib(?:e|ed|ing)"
    r"|(?:start|put|keep|continue)(?:ed|ing|s)?(?:\s(?:you|me|him|her|them))?\son)\s+"
)
_GIVE = (
    r"\b(?:prescrib(?:e|ed|ing)(?:\s(?:you|him|her|me|them))?|(?:start|put)(?:ed|ing)?\s(?:you|him|her|me|them)\son"
    r"|a\s(?:dose|course|prescription)\s(?:of|for)|medication\scalled|medicine\scalled|drug\scalled|tablets?\scalled"
    r"|pills?\scalled)\s+"
)
_ON = (
    r"\b(?:(?:(?:i|you|he|she)(?:['\u2019](?:m|re|s|ve|d)|\s(?:am|are|is|was|were))(?:\sbeen|\sstill|\salready)?"
    r"|been)\son"
    r"|switch(?:ed|ing)?(?:\s(?:you|me|him|her))?(?:\sover)?\sto)\s+"
)
_CLASS = (
    r"(?:blood\sthinner|painkiller|pain\skiller|antibiotic|anti-inflammatory|steroid|antidepressant"
    r"|antihistamine|beta\sblocker"
    r"|water\stablet|diuretic|medicine|medication|drug|antiviral|antifungal|sedative|sleeping\spill|vaccine)"
)
_BEFORE = re.compile(
    rf"{_X}(?:\s(?:at|tablets?|capsules?|to|syrup|suspension|drops|cream|gel|inhaler|spray|injections?|XL|SR"
    rf"|MR|paste))?,?\s+$",
    re.IGNORECASE,
)
_FOLLOWED = (
    (True, re.compile(rf"(?<=\s){_SMALL_DOSE}", re.IGNORECASE)),
    (True, re.compile(rf"(?<=\s)\d[\d.,]*\s?%\s{_FORM}", re.IGNORECASE)),
    (True, re.compile(rf"(?<=\s){_DOSE}\s+(?:{_TIMES})", re.IGNORECASE)),
    (False, re.compile(rf"(?<=\s)(?:{_DOSE}|{_FORM})", re.IGNORECASE)),
)
"""What stands behind a name that stands right before it, and whether that is strong evidence."""
_HOLDS = (
    r"(?:infusions?|injections?|drips?|shots?|jabs?|drops|sprays?|puffs?|spoonfuls?|teaspoons?|tablets?|capsules?"
    r"|sachets?|creams?|ointments?|suppositor(?:y|ies)|pills?|prescriptions?|doses?|mL)"
)
_TRY = (
    r"(?:try|use|(?<=please )have|(?<=can )have|(?<=should )have|(?<=to )have|recommend|suggest|chews?|go\son"
    r"|begin(?:\swith)?|add|(?:gave|give|gives)\s(?:you|me|him|her|them)|swallow|trying)"
)
_ONE_OF = r"(?:(?:one|a|an|the|some|two|your)\s)?"
_LED = (
    (True, re.compile(rf"\b{_SMALL_DOSE}\s+(?:of\s+)(?:oral\s+|intravenous\s+|iv\s+)?{_X}", re.IGNORECASE)),
    (True, re.compile(rf"{_TAKE}{_FILL}{_X}\s+{_OFTEN}", re.IGNORECASE)),
    (False, re.compile(rf"\b{_DOSE}\s+{_X}", re.IGNORECASE)),
    (False, re.compile(rf"{_ON}{_X}", re.IGNORECASE)),
    (False, re.compile(rf"{_GIVE}{_FILL}{_X}", re.IGNORECASE)),
    (False, re.compile(rf"{_TAKE}{_FILL}(?!\w+\s+out\b){_X}", re.IGNORECASE)),
    (True, re.compile(rf"\b(?:dose|course)\sof\s{_X}\s+{_OFTEN}", re.IGNORECASE)),
    (False, re.compile(rf"\b{_CLASS}\s+(?:called\s)?{_X}", re.IGNORECASE)),
    (
        False,
        re.compile(
            rf"\b(?:treated|lowered|controlled|eased|settled|numbed|cured|prevented|pressure|pain|infection"
            rf"|it)\swith\s{_X}",
            re.IGNORECASE,
        ),
    ),
    (
        False,
        re.compile(
            rf"\b(?:put|rub|apply|spread|dab|smear|inhale|inject|swallow)\s(?:some\s|the\s"
            rf"|a\slittle\s)?{_X}\s(?:on|onto|into|to|over|once|twice|every)\b",
            re.IGNORECASE,
        ),
    ),
    (
        False,
        re.compile(
            rf"\b(?:give|giving|gives|get|gets|add|adding)\s(?:(?:you|him|her|me)\s)?{_X}\s(?:for|through|into"
            rf"|under|by|as|at|once|twice|every)\b",
            re.IGNORECASE,
        ),
    ),
    (False, re.compile(rf"\bstart\s+(?:the|some)\s+{_X}", re.IGNORECASE)),
    (False, re.compile(rf"\b{_HOLDS}\s(?:of|with|called|containing)\s{_FILL}{_X}", re.IGNORECASE)),
    (False, re.compile(rf"\b{_TRY}\s(?:(?:you|him|her|me|them)\s)?{_ONE_OF}{_X}", re.IGNORECASE)),
    (False, re.compile(rf"(?:^|[.,;:]\s|\bthen\s)have\s{_ONE_OF}{_X}", re.IGNORECASE)),
    (
        False,
        re.compile(rf"\b(?:swap|change|exchange|replace)\s(?:\w+\s){{1,3}}?(?:for|to|by|with)\s{_X}", re.IGNORECASE),
    ),
)
"""What stands before a name, the name itself and whether that is strong evidence."""
_LONGEST = 50  # characters a name and what parts it from its dose have
_ENDINGS = (
    "alin elin exin ixin ressin pressin mune lex osol sol relin cef pirin atril etril onazide azide ovax "
    "afil alol amide anib apine arone artan astat atine avir ax axin azine azole barb bicin biotic caine canib"
    " cef cet cillin cin clovir cor cort cycline dar dex dipine done dopa dron drone dryl entin erol etine ex"
    " exa fen fil floxacin gan gliptin grel ide idol idone il ilast ilol imod ina ine inib irin isone ium ivir"
    " ix lax lix lol lone lor lyn mab mide min mycin nib nol ol olam olol olone onium oprim orm orphan ovir"
    " oxacin oxin parin phen pine plase pram prazole pril prine profen quine ra ral razepam rel relix ridone"
    " ril rin rine rix rol ron ronate sartan setron sil sone stat statin stine sulfan tadine taxel teplase"
    " terol thiazide tide tidine tinib toin tol toprim trel trex triptan tron tyline um uracil us vastatin vec"
    " vex vil vir vudine xa xaban xel xetine xin xone yl yx zam zepam zide zil zine zol zolam zole zone zor"
)
_PLAIN_ENDINGS = (
    "tion",
    "sion",
    "ness",
    "ing",
    "ity",
    "ous",
    "ful",
    "ful",
    "less",
    "ology",
    "itis",
    "osis",
    "emia",
    "aemia",
)


def places(text: str) -> list[tuple[int, int]]:
    """Spans of single words in a medicine's place, in order and each once; everyday words are left out."""
    found = set()
    for strong, pattern in _LED:
        for match in pattern.finditer(text):
            if _names(text, *match.span("x"), strong):
                found.add(match.span("x"))
    for strong, pattern in _FOLLOWED:
        for behind in pattern.finditer(text):
            before = _BEFORE.search(text, max(0, behind.start() - _LONGEST), behind.start())
            if before and _names(text, *before.span("x"), strong):
                found.add(before.span("x"))
    return sorted(found)


def _names(text: str, start: int, end: int, strong: bool) -> bool:
    inside = start > 0 and (text[start - 1].isalnum() or text[start - 1] in "'\u2019-")
    if inside or text[end : end + 1] in ("'", "\u2019"):
        return False
    word = text[start:end]
    folded = word.casefold()
    if folded in _ordinary() or folded.removesuffix("s") in _ordinary() or folded.endswith(_PLAIN_ENDINGS):
        return False
    if folded.endswith(("ly", "ed")):
        return False
    if word.isupper() and not text.isupper():
        return False
    return strong or (word[0].isupper() and _within(text, start)) or (len(word) > 5 and folded.endswith(_endings()))


def _within(text: str, start: int) -> bool:
    """Whether the word stands within its sentence, so that a capital means a name."""
    before = text[:start].rstrip(" \"'(\u201c\u2018")
    return bool(before) and (before[-1].isalnum() or before[-1] in ",;")


@cache
def _endings() -> tuple[str, ...]:
    return tuple(_ENDINGS.split())


@cache
def _ordinary() -> frozenset[str]:
    lines = (_DATA / "not_medicines.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())
