"""Postal addresses in a text.

An address has a house number and a kind of street (English, German, French, Spanish, Italian, Portuguese), is a US
place with its ZIP code, a UK postcode, a PO box, or what holds a number after "address:" or "lives at". A city or a
hospital alone is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.phi_words import vocabulary

_CAP = r"[A-ZÀ-ÖØ-Þ][\w'\u2019.-]{0,30}"
_WORD = r"[A-ZÀ-ÖØ-Þ][^\W\d_]*(?:['\u2019.-][^\W\d_]+)*"
_CITY = rf"{_WORD}(?:[ ]{_WORD}(?![ ]?\d)){{0,2}}"
_STATE = (
    r"(?:A[LKZR]|C[AOT]|D[EC]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|PR|RI|S[CD]|T[NX]|UT|V[TA]"
    r"|W[AVIY])"
)
_ZIP = r"\d{5}(?:-\d{4})?"
_POSTCODE = r"[A-PR-UWYZ][A-HK-Y]?\d[A-Z\d]?[ ]\d[ABD-HJLNP-UW-Z]{2}"
_STREET = (
    r"(?:Street|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Crescent|Cres|Close|Terrace|Parkway|Pkwy"
    r"|Highway|Hwy|Circle|Cir|Square|Sq|Row|Mews|Gardens|Grove|Trail|Trl|Way|Place|Pl|Loop|Walk|Hill|Rise|Marg"
    r"|Nagar|St)"
)
_HOUSE = (
    r"(?:(?:Flat|Apt|Unit|Apartment|Block)\.?[ ]\w{1,4},?[ ])?(?:(?:Plot|House|H\.?)[ ]?(?:No\.?)?[ ]?)?\d{1,5}"
    r"[A-Za-z]?,?[ ](?:(?:[NSEW]|North|South|East|West)\.?[ ])?"
)
_UNIT = r"(?:,?[ ](?:Apt|Apartment|Unit|Suite|Ste|Flat|Room|Floor|#)\.?[ ]?#?[\w-]+)?"
_OF = r"(?:(?:d[aeiou]|de[ilr]|d[ao]s|des|degli|del?la|delle|l[aeo]s?|[dl]['\u2019])[ ]?)*"

_PATTERNS = [
    re.compile(pattern)
    for pattern in (
        rf"(?<![\w.,/-]){_HOUSE}(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th))[ ]){{1,4}}{_STREET}\b\.?"
        rf"(?:[ ]No\.?[ ]?\d+)?{_UNIT}"
        rf"(?:,[ ]{_CITY})?(?:,?[ ]{_STATE}\b(?:[ ]{_ZIP})?)?(?:,?[ ]{_POSTCODE})?(?!\w)",
        rf"(?<!\w){_CAP}(?:[ ]{_CAP}){{0,2}},?[ ]{_STATE}[ ]{_ZIP}(?!\w)",
        rf"(?<!\w)(?:GIR 0AA|{_POSTCODE})(?!\w)",
        r"(?<!\w)P\.?\s?O\.?\s?Box\s+\d+(?!\w)",
        r"(?<![\w-])(?:[A-ZÄÖÜ][\w.-]{0,30}[ -])?\w{0,40}"
        r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|weg|gasse|allee|[Pp]latz|damm|ufer)"
        rf"[ ]\d{{1,4}}[a-z]?(?:,?[ ]\d{{5}}[ ]{_CAP})?(?!\w)",
        r"(?<![\w.])\d{1,4}(?:[ ]?(?:bis|ter))?,?[ ](?:rue|avenue|boulevard|allée|place|chemin|impasse|quai|cours"
        r"|route)[ ]"
        rf"{_OF}{_CAP}(?:[ -]{_CAP}){{0,3}}(?:,?[ ]\d{{5}}[ ]{_CAP})?(?!\w)",
        r"(?<!\w)(?:Calle|Avenida|Av\.|Avda\.|Plaza|Paseo|Carrera|Rua|Travessa|Praça|Via|Viale|Piazza|Corso|Largo)[ ]"
        rf"{_OF}{_CAP}(?:[ ]{_OF}{_CAP}){{0,3}},?[ ](?:n[º°.][ ]?)?\d{{1,5}}(?!\w)",
    )
]
_LABEL = re.compile(
    r"(?<!\w)(?:(?:(?:home|mailing|postal|street|residential|billing)\s+)?address(?:\s+is|\s*:)"
    r"|(?:lives?|living|lived|resid(?:es|ing|ed))\s+at|dirección\s*:|domicilio\s*:|adresse\s*:|anschrift\s*:"
    r"|indirizzo\s*:|endereço\s*:|地址\s*[:：]|住所\s*[:：])\s*(?P<rest>[^\n;]{4,100})",
    re.IGNORECASE,
)
_LABELS = frozenset(
    word
    for words in (
        "address live lives living lived resides residing resided dirección domicilio adresse anschrift indirizzo",
        "endereço home mailing postal street residential billing",
    )
    for word in words.split()
)
_GERMAN = 4  # its place among the patterns: the only one without a capital or a digit to begin with
_GERMAN_STREETS = ("straße", "strasse", "str.", "weg ", "gasse ", "allee ", "platz ", "damm ", "ufer ")
_END = re.compile(
    r"\.(?=\s|$)(?<!\bSt\.)(?<!\bNo\.)(?<!\bApt\.)(?<!str\.)|\s+(?:and|with|since|for|who|Tel|Phone|DOB|MRN)\b"
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Places ``(start, end)`` of postal addresses; may overlap."""
    if not re.search(r"\d", text):
        return
    lowered = text.lower()
    for place, pattern in enumerate(_PATTERNS):
        if place == _GERMAN and not any(street in lowered for street in _GERMAN_STREETS):
            continue
        for match in pattern.finditer(text):
            yield match.span()
    labelled = not vocabulary(text).isdisjoint(_LABELS) or "地址" in text or "住所" in text
    for match in _LABEL.finditer(text) if labelled else ():
        value = _END.split(match["rest"], maxsplit=1)[0].rstrip(" ,")
        if re.search(r"\d", value):
            yield match.start("rest"), match.start("rest") + len(value)
