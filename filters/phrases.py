"""Phrases that tell of a bad reply: refusals, talk about being a machine, stock phrases of language models.

A refusal opens a text (or what follows ``</think>``) by declining: an apology with "I cannot help", "I'm unable to
provide", "as an AI", and their like in German, Spanish, French, Italian, Portuguese, Chinese and Japanese. It says
what the model will not do, so that a patient's "I can't sleep" and a doctor's "I cannot recommend aspirin here" are
none. Nor is a doctor's caution, which names what is missing in the same sentence ("I can't give you that until we have
your bloods", "I can't help with that over the phone"), unless it speaks of advice, requests or professionals.

The list of stock phrases is short on purpose: openings and closings that serve no reader, and nothing that a doctor
would write. Words such as "delve" are counted only together; one of them proves nothing. English only.
"""

from __future__ import annotations

import re

OPENING = 300
"""How many characters of a text are read for a refusal."""

_AI = (
    r"an?\s+(?:ai|artificial\s+intelligence|large\s+language\s+model|language\s+model|virtual\s+assistant)"
    r"(?:\s+(?:language\s+)?model)?(?:\s+assistant)?"
)
_AM = r"i(?:['\u2019]?m|\s+am)"
_CANNOT = (
    rf"(?:i\s+(?:can['\u2019]?t|cannot|can\s+not|won['\u2019]?t|will\s+not|must\s+decline|have\s+to\s+decline)"
    rf"|{_AM}\s+(?:not\s+able"
    rf"|unable|not\s+allowed|not\s+permitted)\s+to|{_AM}\s+afraid\s+i\s+(?:can['\u2019]?t|cannot))"
)
_DECLINED = (
    r"(?:help(?!\s+but)|assist|provide|comply|fulfil|continue\s+with|engage|respond|(?:do|with)\s+(?:that|this)(?!\s+any)"
    r"|(?:offer|give)\s+(?:you\s+)?(?:medical|personal|a\s+diagnosis)|medical\s+advice"
    r"|discuss\s+(?:this|that|it|such|medical)\b"
    r"|(?:answer|generate|write|create)\s+(?:you|your|this|that|these|those|the|any|it|medical|such|content)\b"
    r"|language\s+model)"
)
_ENGLISH = (
    rf"(?:{_AM}\s+(?:very\s+|so\s+|really\s+)?sorry|i\s+apologi[sz]e|(?:my\s+)?apologies|sorry|unfortunately)\b"
    rf".{{0,60}}?\b{_CANNOT}\b.{{0,40}}\b{_DECLINED}"
    rf"|{_CANNOT}\b.{{0,60}}\b{_DECLINED}"
    rf"|(?:as|{_AM}(?:\s+(?:just|only))?)\s+{_AI}\s*[,.]"
    rf"|as\s+{_AI}\b.{{0,60}}\b{_DECLINED}"
)
_GERMAN = (
    r"(?:(?:es\s+)?tut\s+mir\s+(?:sehr\s+)?leid|entschuldigung|leider)\b.{0,60}?\b(?:kann|darf|werde)\b.{0,40}?"
    r"\b(?:nicht|keine\w*)\b.{0,60}?\b(?:helfen|beantworten|geben|bereitstellen|weiterhelfen|erfüllen)"
    r"|ich\s+(?:kann|darf)\s+(?:ihnen\s+|dir\s+)?(?:dabei|damit|hierbei|das|diese\w*|keine\s+(?:medizinisch\w+|ärztlich\w+))\b"
    r".{0,60}\b(?:nicht|keine|geben|helfen)|als\s+(?:ki\b|künstliche\s+intelligenz|sprachmodell)"
)
_SPANISH = (
    r"(?:lo\s+siento|lo\s+lamento|disculpa|perdón)\b.{0,60}?\bno\s+(?:puedo|podría)\s+(?:\w+\s+){0,2}?(?:ayudar"
    r"|asistir|proporcionar|responder|ofrecer|dar|cumplir"
    r"|continuar)|no\s+puedo\s+(?:ayudarte|ayudarle|proporcionar|ofrecer|responder\s+a|cumplir)"
    r"|como\s+(?:un\s+)?(?:modelo\s+de\s+lenguaje|ia\b|inteligencia"
    r"\s+artificial)"
)
_FRENCH = (
    r"(?:je\s+suis\s+(?:vraiment\s+)?désolée?|désolée?|je\s+regrette)\b.{0,60}?\bje\s+ne\s+(?:peux|puis"
    r"|suis)\s+pas\b.{0,60}\b(?:aider|fournir|répondre|donner|mesure"
    r"|assister)|je\s+ne\s+(?:peux|puis)\s+pas\s+(?:vous\s+|t['\u2019])?(?:aider|fournir|donner\s+de\s+conseils"
    r"|répondre)|en\s+tant\s+qu(?:['\u2019]|e\s+)"
    r"(?:ia\b|intelligence\s+artificielle|modèle\s+de\s+langage|assistant\s+virtuel)"
)
_ITALIAN = (
    r"(?:mi\s+dispiace|spiacente|scusa)\b.{0,60}?\bnon\s+(?:posso|sono\s+in\s+grado\s+di)\s+(?:\w+\s+)?(?:aiutar\w*"
    r"|fornir\w*|rispondere|dare|assister\w*)"
    r"|non\s+posso\s+(?:aiutarti|aiutarla|fornire|rispondere\s+a)|come\s+(?:modello\s+linguistico|ia\b"
    r"|intelligenza\s+artificiale)"
)
_PORTUGUESE = (
    r"(?:desculpe|sinto\s+muito|lamento)\b.{0,60}?\bnão\s+posso\s+(?:\w+\s+)?(?:ajudar|fornecer|responder|dar"
    r"|oferecer)"
    r"|não\s+posso\s+(?:ajudá-l[oa]|ajudar\s+com|fornecer|responder\s+a)|como\s+(?:um\s+)?(?:modelo\s+de\s+linguagem"
    r"|ia\b|inteligência\s+artificial)"
)
_CHINESE = (
    r"(?:很?抱歉|对不起|不好意思).{0,30}?(?:不能|无法|不便).{0,20}?(?:提供|回答|帮助|协助|满足)"
    r"|作为(?:一个|一名)?(?:人工智能|ai|语言模型|大模型)"
)
_JAPANESE = (
    r"(?:申し訳(?:ありません|ございません)|すみません).{0,60}?(?:できません|いたしかねます)"
    r"|(?:ai|人工知能|言語モデル)として"
)
_REFUSAL = re.compile(
    r"[\s*_#>\"'\u201c(]*(?:"
    + "|".join([_ENGLISH, _GERMAN, _SPANISH, _FRENCH, _ITALIAN, _PORTUGUESE, _CHINESE, _JAPANESE])
    + ")",
    re.IGNORECASE | re.DOTALL,
)
_CAUTIOUS = re.compile(
    r"\b(?:(?:un)?till?|before|unless|once|over\s+(?:the\s+)?(?:phone|telephone|video)|by\s+(?:phone|e-?mail|text|letter)"
    r"|on\s+(?:the|a)\s+(?:phone|telephone|video)|remotely|from\s+(?:a\s+photo|here)"
    r"|without\s+(?:first\s+)?(?:(?:see|examin|check|know|test|listen|look|feel|hav|do|talk|speak|order|repeat)\w*ing"
    r"|an?\b|the\b|your\b|some\b|bloods?\b|results?\b))",
    re.IGNORECASE,
)
"""What a doctor waits for, or cannot do from where they are."""
_NO_CAUTION = re.compile(
    rf"\b(?:{_AI}|(?:medical|health|professional|personal(?:i[sz]ed)?)\s+advice|(?:this|that|your|such|any)\s+(?:request"
    r"|content|prompt)s?|more\s+(?:information|context|details)|polic(?:y|ies)|guidelines|professionals?"
    r"|providers?|comply|fulfil|engage)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)|\n")
_MACHINE = re.compile(
    rf"\b(?:as\s+{_AI}|{_AM}\s+(?:just\s+|only\s+)?{_AI}|my\s+(?:training\s+data|knowledge\s+cut-?off)"
    r"|(?:i|we)\s+(?:was|were)\s+trained\s+(?:on|by)|as\s+of\s+my\s+last\s+(?:update|training))\b",
    re.IGNORECASE,
)
_STOCK = re.compile(
    r"^\s*(?:certainly|absolutely|sure(?:\s+thing)?|of\s+course|great\s+question"
    r"|what\s+a\s+great\s+question)\s*[!,]\s+(?:here|let|i['\u2019]d|i\s+would)"
    r"|^\s*(?:here(?:['\u2019]s|\s+is)\s+(?:a|an|the|your)\s+(?:possible\s+|revised\s+|detailed\s+)?(?:response"
    r"|answer|rewrite|version|dialogue)\b)"
    r"|\bi\s+hope\s+this\s+(?:helps|information\s+(?:helps|is\s+helpful))"
    r"|\b(?:feel\s+free\s+to|don['\u2019]t\s+hesitate\s+to)\s+(?:ask|reach\s+out)\s+(?:if|for|with|should)\b"
    r"|\[(?:insert|your|patient['\u2019]?s?)\s+[a-z ]{2,30}\]|\blorem\s+ipsum\b",
    re.IGNORECASE,
)
_MANNERED = re.compile(
    r"\b(?:delv(?:e|es|ing)|tapestry|testament\s+to|multifaceted|ever-evolving|in\s+the\s+realm\s+of"
    r"|it\s+is\s+important\s+to\s+note"
    r"|plays\s+a\s+(?:crucial|pivotal|vital)\s+role|navigat(?:e|ing)\s+the\s+complexit(?:y|ies)"
    r"|holistic\s+approach)\b",
    re.IGNORECASE,
)
MANNERED = 3
"""From how many mannered expressions on a text counts as stock."""


def refusal(text: str) -> str | None:
    """The words with which a text, or what follows its reasoning, declines to answer; None where it does not."""
    for part in (text, text.rpartition("</think>")[2]):
        opening = part[:OPENING]
        if (found := _REFUSAL.match(opening)) and not _is_caution(opening, found.end()):
            return _one_line(found[0])
    return None


def _is_caution(opening: str, end: int) -> bool:
    """Whether what looks like a refusal up to ``end`` is a doctor's caution."""
    stop = _SENTENCE_END.search(opening, max(0, end - 1))
    sentence = opening[: stop.start()] if stop else opening
    return bool(_CAUTIOUS.search(sentence)) and not _NO_CAUTION.search(opening)


def machine_talk(text: str) -> str | None:
    """Where a text speaks of itself as a machine, anywhere in it."""
    found = _MACHINE.search(text)
    return _one_line(found[0]) if found else None


def stock_phrase(text: str) -> str | None:
    """A stock phrase, a placeholder that was never filled, or :data:`MANNERED` mannered expressions."""
    if found := _STOCK.search(text):
        return _one_line(found[0])
    mannered = [match[0] for match in _MANNERED.finditer(text)]
    return _one_line("; ".join(mannered)) if len(mannered) >= MANNERED else None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:120]
