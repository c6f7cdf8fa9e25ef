"""Full dates, dates of birth and ages over 89 in a text.

A full date has a day and a month: "03/04/2010", "2010-03-04", "4 March 2010", "March 4th", "the fourth of March
nineteen sixty-two", "4 de marzo de 2010", "4. März 2010", "1962年3月4日". Numbers alone count with a year; a year of
two digits only with slashes, or after a label of birth. A year, or a month with its year, is a date only after such a
label. Dates of publications ("accessed 3 May 2020") are left alone, and those near which many are spoken of
("patients", "enrolled", "cohort"), unless they are dates of birth.

Ages over 89 are those of one person: "a 93-year-old", "aged 91", "ninety-one years old"; not "over 90 years", "90
years or older", or the range of a study's ages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.phi_words import near, spots

_ENGLISH = "January|February|March|April|May|June|July|August|September|October|November|December"
_SHORT = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec"
_OTHER = (
    "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre"
    "|janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
    "|januar|februar|märz|juni|juli|oktober|dezember"
    "|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
    "|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro"
)
_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_ORDINAL_WORD = (
    r"(?:(?:twenty|thirty)[ -]?)?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
    r"|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth"
    r"|thirtieth"
)
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_NUMBER_WORD = (
    rf"(?:twenty|thirty)(?:[ -](?:{_UNITS}))?|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    rf"|nineteen|{_UNITS}"
)
_YEAR_WORD = (
    rf"(?:nineteen|twenty)[ -](?:(?:hundred|oh|o)?[ -]?(?:and )?(?:(?:{_TENS})(?:[ -](?:{_UNITS}))?|{_NUMBER_WORD}))"
    rf"|two thousand(?:[ -](?:and )?(?:{_NUMBER_WORD}))?|(?:oh?|o) (?:{_UNITS})"
)
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_YEAR = r"(?:1[89]\d\d|20\d\d)"
_NUMERIC = re.compile(
    rf"(?<![\w/.-])(?:(?P<a>\d{{1,2}})(?P<s>\s?[/.-]\s?)(?P<b>\d{{1,2}})(?P=s)(?P<y>{_YEAR}|\d\d)"
    rf"|(?P<iy>{_YEAR})(?P<is>[/.-])(?P<im>0?[1-9]|1[0-2])(?P=is)(?P<id>{_DAY})(?:T[\d:.]+Z?)?)(?![\w/]|[.-]\d)"
    rf"|(?<=\()(?:3[01]|[12]\d|0?[1-9])\.(?:1[0-2]|0?[1-9])\.\d\d(?=\))|(?:{_YEAR})年\d{{1,2}}月\d{{1,2}}日"
)
_UNIT_AFTER = re.compile(
    r"\s?(?:mg|mcg|µg|g|kg|ml|l|iu|units?|%|mm|cm|ms|hz|days?|weeks?|months?|years?|hours?|h|min)\b", re.IGNORECASE
)
_ORDINAL = rf"(?:{_DAY}(?:st|nd|rd|th)|{_ORDINAL_WORD})"
_WORDED = re.compile(
    rf"(?<!\w)(?:(?:(?:the\s+)?(?:{_ORDINAL}|{_DAY})\s+(?:of\s+)?(?:{_ENGLISH})|(?:{_ENGLISH})\s+(?:the\s+)?"
    rf"(?:{_ORDINAL}|(?:{_NUMBER_WORD})(?!\w|[ -](?:thousand|hundred|{_TENS}))"
    rf"|{_DAY}(?![\d.%:]))),?(?:\s+(?:of\s+)?(?:in\s+)?(?:{_YEAR}|(?:{_YEAR_WORD})(?!\w)|['\u2019]\d\d|0\d))?"
    rf"|(?:{_SHORT})\.?\s+(?:{_DAY}|{_ORDINAL}),?\s+{_YEAR}|(?:{_DAY}|{_ORDINAL})[\s-](?:{_SHORT}"
    rf"|{_ENGLISH})\.?,?[\s-](?:{_YEAR}|\d\d(?=\b))"
    rf"|(?:{_SHORT})\.?\s+{_ORDINAL}"
    rf"|{_DAY}(?:\.|er|º|°)?\s+(?:de\s+)?(?:{_OTHER})\s+(?:de\s+|del\s+)?{_YEAR})(?!\w)",
    re.IGNORECASE,
)
_AMBIGUOUS = re.compile(r"(?:may|march)\b", re.IGNORECASE)
_BORN = re.compile(
    r"(?<!\w)(?:D\.?\s?O\.?\s?B\.?|date\s+of\s+birth|birth\s?date|birthday|born(?:\s+(?:on|in))?|b\."
    r"|nacid[oa](?:\s+el)?|fecha\s+de\s+nacimiento"
    r"|F\.?\s?N\.?|né(?:e)?\s+le|date\s+de\s+naissance|geboren(?:\s+am)?|geb\.|geburtsdatum|nato\s+il|nata\s+il"
    r"|data\s+di\s+nascita"
    r"|data\s+de\s+nascimento|出生日期|生年月日)\s*(?:is|was|:|=|-|,|\?)?\s*(?:\[?patient\s*[:\]]\s*)?(?:on\s+|in\s+|the\s+"
    r"|it['\u2019]s\s+)*",
    re.IGNORECASE,
)
_BIRTH_VALUE = re.compile(
    rf"\d{{1,2}}\s?[/.-]\s?\d{{1,2}}\s?[/.-]\s?\d{{2}}(?:\d\d)?|(?:{_ENGLISH}|{_SHORT})\.?,?\s+{_YEAR}"
    rf"|\d{{1,2}}/{_YEAR}"
    rf"|\d{{1,2}}\s+\d{{1,2}}\s+{_YEAR}|(?:{_ORDINAL_WORD})\s+(?:of\s+)?(?:{_ENGLISH})(?:\s+(?:{_YEAR}"
    rf"|{_YEAR_WORD}))?",
    re.IGNORECASE,
)
_PUBLISHED = re.compile(
    r"\b(?:accessed|retrieved|published|epub|posted|last\s+(?:updated|reviewed|revised|modified))"
    r"\W*(?:(?:on|from|online|since|by)\s+)*$",
    re.IGNORECASE,
)
_STUDY = re.compile(
    r"\b(?:(?<!other )patients|participants|subjects|cohorts?|enrol+(?:ed|ment)|recruit(?:ed|ment)|consecutive"
    r"|eligib\w+|databases?|survey\w*|retrospective\w*"
    r"|prospective\w*|(?:the|our|this)\s+study|study\s+period|births|beneficiaries|women\b(?!['\u2019])"
    r"|randomi[sz]ed|medline|pubmed)\b",
    re.IGNORECASE,
)

_AGE_WORDS = rf"ninety(?:[ -](?:{_UNITS}))?|(?:a|one)\s+hundred(?:\s+(?:and\s+)?(?:{_NUMBER_WORD}))?"
_OLD = r"(?:[\s-]*(?:years?|yrs?)[\s-]*(?:old\b|of\s+age\b)|\s*y\.?\s?/?\s?o\b\.?)"
_AGE = re.compile(
    rf"(?<![\w.,/\u2013-])(?:9\d|1[01]\d|12[0-5]|{_AGE_WORDS})(?={_OLD})"
    rf"|(?<=\baged )(?:9\d|1[01]\d|{_AGE_WORDS})(?![\d.%]|\s*(?:-|\u2013|to|and|or|weeks|months|days))(?!\w)"
    rf"|(?<=\bage: )(?:9\d|1[01]\d)(?![\d.%]|\s*(?:-|\u2013|to))|(?<=\bage )(?:9\d|1[01]\d)(?![\d.%]|\s*(?:-|\u2013"
    rf"|to|and|or))"
    rf"|(?<=\bage of )(?:9\d|1[01]\d)(?![\d.%]|\s*(?:-|\u2013|to|and|or))",
    re.IGNORECASE,
)
_AGES_OF_MANY = re.compile(
    r"(?:over|above|older\s+than|under|below|than|least|to|and|or|from|range|mean|median|>|<|≥|≤|=|up)\W*$",
    re.IGNORECASE,
)
_OVER_89 = re.compile(r"(?<!\d)(?:9\d|1[0-2]\d)(?!\d)|\b[NnAaOo](?:inety|INETY|(?:ne|NE)?\s+[Hh](?:undred|UNDRED))")
_OR_OLDER = re.compile(
    r"\W*+(?:(?:years?|yrs?)\W*+)?(?:(?:old|of\s+age)\W*+)?(?:or|and)\W++(?:older|over|above|more|up)", re.IGNORECASE
)

_MONTHS = frozenset(f"{_ENGLISH}|{_SHORT}|{_OTHER}".lower().split("|"))

Found = tuple[int, int]


def dates(text: str) -> Iterator[Found]:
    """Places ``(start, end)`` of full dates and of dates of birth; may overlap."""
    for match in _NUMERIC.finditer(text):
        if _is_date(match) and not _UNIT_AFTER.match(text, match.end()) and not _public(text, *match.span()):
            yield match.span()
    for match in near(_WORDED, text, spots(text, _MONTHS), 80, 120):
        vague = _AMBIGUOUS.search(match[0])
        if (
            vague
            and vague[0].islower()
            and not re.search(r"\d{4}|\d(?:st|nd|rd|th)|thousand|teen |(?:st|nd|rd|th)\b", match[0])
        ):
            continue
        if not _public(text, *match.span()):
            yield match.start(), match.start() + len(match[0].rstrip(" ,"))
    for label in _BORN.finditer(text):
        for value in (pattern.match(text, label.end()) for pattern in (_BIRTH_VALUE, _NUMERIC, _WORDED)):
            if value:
                yield value.span()


def ages(text: str) -> Iterator[Found]:
    """Places of ages over 89, the number alone."""
    for match in near(_AGE, text, (match.start() for match in _OVER_89.finditer(text)), 20, 80):
        if not _AGES_OF_MANY.search(text[max(0, match.start() - 30) : match.start()]) and not _OR_OLDER.match(
            text, match.end()
        ):
            yield match.span()


def _public(text: str, start: int, end: int) -> bool:
    """Whether a date is that of a publication, or of a study of many people in the same sentence or the next."""
    if _PUBLISHED.search(text[max(0, start - 60) : start]):
        return True
    return bool(_STUDY.search(text[max(0, start - 160) : end + 160]))


def _is_date(match: re.Match[str]) -> bool:
    """Whether the numbers can be a day, a month and a year in some order that is in use."""
    if match["a"] is None:
        return True
    a, b = int(match["a"]), int(match["b"])
    if len(match["y"]) == 2 and "/" not in match["s"]:
        return False
    return 1 <= min(a, b) <= 12 and max(a, b) <= 31
