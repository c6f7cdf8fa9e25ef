"""Contact data and record numbers in a text.

Phone numbers are North American with separators, international with ``+``, those that begin with 0 and are grouped,
and any seven digits or more near a word such as "fax", "mobile", "call"; toll-free numbers belong to organisations and
are left alone. E-mail addresses count but for the boxes of organisations (``info@``); of URLs only those that lead to
one person's page or record.

Record numbers follow a label ("MRN", "policy no.", "passport"). Without a label only numbers that carry their own
proof count: US social security numbers of a valid range, NHS numbers (grouped 3-3-4, modulus-11 check digit) and UK
national insurance numbers. Numbers spoken as words are not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.phi_words import at_words, vocabulary

Found = tuple[int, int]

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w][\w.+%-]{0,63}@(?:[\w-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![\w-])"
    r"|\b[\w.]{2,40}\s+at\s+[\w-]{2,40}\s+dot\s+(?:com|org|net|edu|co|uk|de|fr|es|it|ca|au|in)\b",
    re.IGNORECASE,
)
_OFFICE = re.compile(
    r"(?:info|information|contact|admin|support|help|office|webmaster|press|media|enquir\w*|inquir\w*|service\w*|mail|hello"
    r"|noreply|no-reply)@",
    re.IGNORECASE,
)
_URL = re.compile(
    r"(?:https?://|www\.)?(?<![\w@.-])(?:[\w-]{1,63}\.){0,4}(?:facebook|instagram|linkedin|twitter|x|tiktok|vk|weibo)\.com/"
    r"(?!groups/|pages/|company/)[\w.%/@-]+"
    r"|(?:https?://|(?<!/)www\.)[^\s<>\"')\]]{0,200}?"
    r"(?:/~\w|/(?:users?|profiles?|people|patients?|members?)/|[?&](?:patient|mrn|user|member|name|id|pid)\w*=)[^\s<>\"')\],]*",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+?1[ .-]?)?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[.-])[2-9]\d\d[ .-]\d{4}(?!\d|-\d)"
    r"|(?<!\w)\(0?\d{2}\)\s?\d{4,5}[ -]\d{4}(?![\d-])"
    r"|(?<![\w.])(?:\+|\b00)[1-9](?:[ .()/-]{0,2}\d){7,14}(?!\d)"
    r"|(?<![\w.,/-])\(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}(?![\d,-]|\.\d)"
    r"|(?<![\w.,/-])0[1-9](?:[ .]\d\d){4}(?![\d,-]|\.\d)"
)
_PHONE_WORD = (
    r"(?:tele?phone|tel|phone[ds]?|mobile|cell(?:\s?phone)?|fax(?:ed)?|facsimile|pager|beeper|whatsapp|call(?:ed|ing)?"
    r"|ring|rang|(?:my|his|her|their|your)\s+number|dial|reach(?:ed)?|text|contact|teléfono|móvil|téléphone|telefon|handy|telefono|telefone|電話|电话)"
)
_DIGITS = (
    r"(?P<number>\+?\(?\d(?:[ ().-]{0,2}\d){6,15}(?:\s?(?:x|ext\.?)\s?\d+)?)"
    r"(?!\d|[.,/]\d|\s?(?:mg|ml|mcg|%|units?|patients))"
)
_PHONE_BEFORE = re.compile(rf"(?<!\w){_PHONE_WORD}(?!\w)[^\d\n+(]{{0,40}}{_DIGITS}", re.IGNORECASE)
_PHONE_AFTER = re.compile(
    rf"(?<![\w.,/-]){_DIGITS}[^\d\n]{{0,12}}\b(?:my|your|his|her|the|a)?\s*"
    r"(?:tele|mobile|cell|home|work|fax)\s?(?:phone|number)?\b",
    re.IGNORECASE,
)
_TOLL_FREE = re.compile(r"\D*1?\D?8(?:00|88|77|66|55|44|33)(?=\D|\d{7}$)")
_IPV4 = re.compile(r"(?i:\bIP(?:\s+address)?\s*+:?\s*+)(?P<number>(?:\d{1,3}\.){3}\d{1,3})\b")

_NO = r"(?:number|num|numéro|nummer|numero|número|no|nr|n°|nº|identifier|ident|id|code)"
_IS = r"\.?\s*+(?:\((?:MRN|SSN|NHS|ID)\)\s*+)?(?:(?:is|was|of|ending\s+in)\s*+)?(?:[:=#,-]\s*+)?(?:#\s*+)?"
# Letters in front, digits, and further groups: each has a digit, or is one or two capitals.
_VALUE = (
    r"(?P<number>(?-i:[A-Z]{1,5}[ -]?){0,2}[A-Z]?\d[\dA-Z]*"
    r"(?:[ ./-]?[A-Z]{0,3}\d[\dA-Z]*|[ ./-]?(?-i:[A-Z]{1,2})(?!\w))*)"
)
_OWN_LABEL = re.compile(  # says by itself that a number follows
    r"(?<!\w)(?:MRN|M\.R\.N\.|UHID|NHS|CHI|HICN?|SSN|S\.S\.N\.|social\s+security|NINO|NI(?=\s+n)|passport|NPI|aadhaar|CPF|DNI"
    r"|national\s+(?:insurance|id(?:entity)?|identification)|driver['\u2019]?s?\s+licen[cs]e|driving\s+licen[cs]e"
    r"|licen[cs]e\s+plate|NIE|NIF|CURP|NSS|AHV|PESEL|personnummer|versicherten(?:nummer|-?nr)|codice\s+fiscale"
    r"|numéro\s+de\s+sécurité\s+sociale|cartão\s+sus|número\s+de\s+historia(?:\s+clínica)?|病历号|カルテ番号)"
    rf"(?:\s*+(?:card|#|{_NO}))*{_IS}{_VALUE}",
    re.IGNORECASE,
)
_COMMON_LABEL = re.compile(  # needs "number" or "#" after it
    r"(?<!\w)(?:(?:medical|health|hospital|patient|clinical|case|personal)\s*+(?:record|chart|card|file|insurance)?|hosp|pt|MR"
    r"|chart|record|file|case|visit|encounter|account|acct|admission|insurance|policy|plan|group|member(?:ship)?|subscriber"
    r"|beneficiary|claim|medicare|medicaid|medi-cal|identity|licen[cs]e|registration|DEA|tax|device|serial|specimen"
    r"|accession|requisition|order|unit|certificate|identification)\.?\s*+(?:card\s*+)?"
    rf"(?:{_NO}(?!\w)|\#)(?:\s*+(?:{_NO}(?!\w)|\#))?{_IS}{_VALUE}",
    re.IGNORECASE,
)
_COMMON = (
    "medical", "health", "hosp", "patient", "clinical", "case", "personal", "pt", "mr", "chart", "record", "file",
    "visit", "encounter", "acc", "admission", "insurance", "policy", "plan", "group", "member", "subscriber",
    "beneficiary", "claim", "medi", "identi", "licen", "registration", "dea", "tax", "device", "serial", "specimen",
    "requisition", "order", "unit", "certificate",
)  # fmt: skip
_ID = re.compile(rf"(?<!\w)(?-i:ID|UR|URN)\s*+(?:{_NO}|\#)?\s*+[:#]\s*+{_VALUE}", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_SSN = re.compile(r"(?<![\w.-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-]|\.\d)")
_NHS = re.compile(r"(?<![\w.-])\d{3}[ -]\d{3}[ -]\d{4}(?![\w-]|\.\d)")
_NINO = re.compile(r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?!\w)")
_PUBLIC_NUMBER = re.compile(
    r"\b(?:genbank|GEO|SRA|ENA|uniprot|EMBL|OMIM|PMID|trial|registration|clinicaltrials\S*)\W+(?:\w+\W+){0,2}$",
    re.IGNORECASE,
)


_FOUR_DIGITS = re.compile(r"\d(?:[^\d\n]{0,16}?\d){3}")
_SEVEN_DIGITS = re.compile(r"\d(?:[^\w,]{0,3}\d){6}")


def phones(text: str) -> Iterator[Found]:
    """Places ``(start, end)`` of phone and fax numbers that may be a person's."""
    if not _SEVEN_DIGITS.search(text):
        return
    for match in _PHONE.finditer(text):
        if not _TOLL_FREE.match(match[0]):
            yield match.span()
    for near in (_PHONE_BEFORE, _PHONE_AFTER):
        for match in near.finditer(text):
            number = match["number"]
            dates = re.fullmatch(r"\d{1,4}[-./ ]\d{1,2}[-./ ]\d{1,4}", number)
            if sum(map(str.isdigit, number)) <= 16 and not dates and not _TOLL_FREE.match(number):
                yield match.span("number")


def emails(text: str) -> Iterator[Found]:
    """Places of e-mail addresses that may be a person's."""
    if "@" not in text and "dot" not in vocabulary(text):
        return
    yield from (match.span() for match in _EMAIL.finditer(text) if not _OFFICE.match(match[0]))


def urls(text: str) -> Iterator[Found]:
    """Places of URLs of one person's page or record."""
    lowered = text.lower()
    if ".com/" in lowered or "://" in lowered or "www." in lowered:
        yield from (match.span() for match in _URL.finditer(text))


def ids(text: str) -> Iterator[Found]:
    """Places of record numbers, without their labels, and of IP addresses."""
    if not _FOUR_DIGITS.search(text):
        return
    common = {word for word in vocabulary(text) if word.startswith(_COMMON)}
    for matches in (_OWN_LABEL.finditer(text), at_words(_COMMON_LABEL, text, common), _ID.finditer(text)):
        for match in matches:
            if _is_number(match["number"]) and not _PUBLIC_NUMBER.search(
                text[max(0, match.start() - 40) : match.start()]
            ):
                yield match.span("number")
    for match in _IPV4.finditer(text):
        yield match.span("number")
    for pattern in (_SSN, _NINO):
        for match in pattern.finditer(text):
            yield match.span()
    for match in _NHS.finditer(text):
        if is_nhs_number(match[0]):
            yield match.span()


def _is_number(value: str) -> bool:
    """Whether what follows a label has the digits of a record number and is not a year."""
    return sum(map(str.isdigit, value)) >= 4 and not _YEAR.fullmatch(value)


def is_nhs_number(text: str) -> bool:
    """Whether ten digits end in the check digit of an NHS number: weights 10 to 2, modulus 11.

    The rule is that of the NHS Data Model and Dictionary; a check digit of 10 is never given out.
    """
    digits = [int(char) for char in text if char in "0123456789"]
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    check = 11 - sum(weight * digit for weight, digit in zip(range(10, 1, -1), digits, strict=False)) % 11
    return check != 10 and check % 11 == digits[9]
