"""Whether a doctor's sentence gives a medicine now: prescribes, recommends, starts or continues it.

Only strong signs count: a verb of giving that governs the name within its clause ("I'll start you on …", "take …"), or
a dose, a frequency, a length or a purpose right behind it. A name that stands alone ("the ward knows about the
penicillin") is not given, nor one that is denied, avoided, blamed for a reaction, asked about, of the past, or left
to a condition. What the medicine does, and to whom it is forbidden, is :mod:`filters.medicines_unsafe`'s.
"""

from __future__ import annotations

import re

from filters.consultation_record import Turn
from filters.consultation_text import Sentence, denied, of_others
from filters.phrasing import either, phrases

_NUMBER = r"(?:\d[\d.,]*|half|one|two|three|four|five|six|seven|eight|nine|ten)"
_VERB = either(
    r"""
    \b(?:prescrib\w+|writ(?:e|ing) (?:you|him|her)|giv(?:e|en|es|ing)|start\w*|begin\w*|put(?:ting|s)?|tak(?:e|es|ing)
        recommend\w*|suggest\w*|treat\w*|add\w*|use|uses|using|try|trying|administer\w*|inject\w*|need\w*|switch\w*
        chang(?:e|ing)|continu\w+|go(?:ing)? on|keep (?:taking|using|on|up)|stay on|carry on|have|has|get|gets|getting
        pop|run|swallow|apply|rub|order\w*|arrang\w+|offer\w*|swap\w*|cover\w*|send\w*|inhale|chew
        course of|dose of|script for|prescription (?:for|of)|antibiotic called|medicine called|here(?:'s| is)|with
        for (?:the|your|his|her) (?:pain|infection|fever)|i'd like|best with|safe(?:ly)?|is fine|are fine|fill\w*
        can|should|will|we'll|i'll|let's|go for|opt for|chos\w+|choos\w+|pick\w*|prefer|want you (?:on|to)
        dissolv\w+|mix\w*|sniff\w*|spray\w*|pass\w*|it is|it's|set you up|bring in|reach for|help\w*|soothe\w*
    )\b
    """
)
_GAP = re.compile(r"(?:\W++(?!and\b|but\b|that\b|which\b|because\b)\w[\w'%/-]*+){0,6}\W*$")
"""What may stand between the verb and the name: no new clause."""
_BREAK = re.compile(r"[;:]|\.\s|,\s(?!an?\b|the\b|some\b|say\b|and\b|or\b|either\b)| [\u2013\u2014-]{1,2} |\u2014")
_LISTED = either(
    r"(?:\d|\bdaily\b|\bday\b|\bnight\b|\btablets?\b)[^;:.]{0,25}(?:,|\band\b|\bplus\b|\bthen\b)[^;:.,]*$"
)
"""A list of medicines, of which an earlier one has a dose."""
_DOSED = either(
    rf"""
    ^\W*(?:[\w%-]+ ){{0,4}}?(?:{_NUMBER}\s?(?:mg|g|grams?|mcg|micrograms?|ml|mL|units?|tablets?|capsules?|puffs?|drops?
        sachets?|milligrams?|%|times|days?|weeks?|nights?|mornings?)
        once|twice|daily|nightly|every (?:\w+ )?(?:day|morning|night|evening|hours?)|each (?:day|morning|night|evening)
        a day|at (?:night|bedtime)|in the morning|with (?:food|meals|breakfast)|by mouth|by injection|through a vein
        into (?:the|your) (?:vein|muscle|drip)|for (?:the|your|his|her|any) (?:pain|infection|fever|cough|inflammation)
        for (?:a week|{_NUMBER} (?:days|weeks|months))|until you|till|straight away|tonight|today|as needed|if needed
        when you need|should (?:help|clear|settle|do|take|ease)|will (?:help|clear|settle|do|take|ease)
    )\b
    """
)
_BLAMED = either(
    r"""
    ^\W*(?:(?:that|which|and it|it|has|had|is what|was what|once|already|definitely|badly|really) ?)*(?:
        gave|brought|caused|made|makes|gives|causes|brings|put (?:you|him|her)|upset|disagree\w*|nearly
        swelled|blew|closed|left you
    )\b
    ^\W*(?:allerg\w*|reaction|rash|card|bracelet|history|note|warning|anaphylaxis|hives|intolerance|problem|story)\b
    """
)
"""What tells of the harm that a medicine did."""
_NOT_GIVEN = either(
    r"""
    \b(?:
        avoid\w*|stop\w*|instead of|rather than
        not (?:give|use|take|prescribe|safe|suitable|recommended|an option)|can't (?:take|have|give|use)
        cannot (?:take|have|give|use)|don't (?:take|use)|never|allerg\w*|react\w*|contraindicat\w*
        (?:stay|steer|keep|far) (?:\w+ ){0,3}?(?:clear|away|off)|leave|normally|ordinarily|would (?:usually|otherwise)
        (?:anything|something) like|relatives? of|related to|cousins? of|unlike|known? about|aware of|told about
        because of your|discontinu\w*|hold (?:off|the)|intoleran\w*|without|unsafe
        (?:history|rash|hives) (?:\w+ )?(?:on|to|with|from)
        should not|shouldn't|mustn't|won't|wouldn't|no longer|alternative to|off limits|ruled out|free of
        usually|in place of|other than|except|no more|not (?:the|any|another)|away from|note (?:\w+ )?(?:about|of)
    )\b[^.;]*$
    """
)
_STILL_GIVEN = either(
    r"""
    \b(?:
        avoid\w*|instead of|rather than|allerg\w*|without|stop\w*+(?! (?:taking|using|giving))|react\w*|normally
        know about|aware of|note (?:\w+ )?(?:about|of)|usually|history|because of your
    )\b[^.;]*?\b(?:but|so|i'll|we'll|i will|let's|take|taking|prescrib\w*|start|you'll get|you get|give)\b[^.;]*$
    """
)
_NOT_AFTER = either(
    r"""
    ^[^.;]{0,40}\b(?:
        (?:is|are) (?:best|better) (?:avoided|left)|but (?:not (?:for|with|in)|you (?:need|can't|react))|alone
        is (?:not|off|out|what)|isn't|should be avoided|must be avoided|is contraindicated|are (?:not|out|off|what)
        aren't|can't|cannot|won't|would (?:not|be (?:risky|dangerous|unsafe|wrong))|wouldn't|shouldn't|must not|allergy
        because you(?:'re| are) allergic|away from (?:you|him|her)|off your list
    )\b
    """
)
_NEW_STATEMENT = either(
    r"""
    , (?:so )?(?:please|we|i|you|your|they|the \w+|he|she|it's best to)\s(?:\w+ )?(?:
        start|give|take|prescribe|add|get|need|use|begin|put
    )s?\s(?:(?!\b(?:no|not|without)\b)[^,;.])*$
    """
)
"""A statement of its own after a denial: "so that you get no clots, the ward starts …"."""
_LATER = phrases(
    r"(?:once|after|as soon as|when|until) (?:the|your|she|he|you've|you have) (?:\w+ ){0,3}?(?:born|birth"
    r"|deliver\w*|weaned)"
)
"""What may be given after a pregnancy."""
_CONDITION = either(
    r"^\W*(?:if|unless|when|should)\b[^,.;]*,|\bwhen (?:that|this|it)(?:'s| is|isn't| isn't)[^,.;]{0,20}"
)
_OFFERS = either(r"^\W*(?:why don't|how about|shall|(?:could|can|would) you (?:start|take|try))")
_PAST = either(
    r"""
    \b(?:you (?:mentioned|told|said|were|have (?:been|had)|had|took)|you've (?:been|had)
        you(?:'re| are) (?:already )?(?:on|taking|allergic)|your allergy|if you(?! (?:like|want|agree|wish|prefer))
    )\b[^.;,]*$
    """
)


def gives(turn: Turn, sentence: Sentence, start: int, end: int) -> bool:
    """Whether ``sentence`` of the doctor gives the medicine at ``start`` to ``end``, by the rules above."""
    text = sentence.text
    if (sentence.asks and not _OFFERS.match(text)) or of_others(text, start) or _LATER.search(text):
        return False
    text = _CONDITION.sub(lambda m: " " * len(m[0]), text)  # what is denied there is the course, not the medicine
    before, after = text[:start], text[end:]
    if _BLAMED.match(after) or _NOT_AFTER.match(after) or _PAST.search(before):
        return False
    if _NOT_GIVEN.search(before) and not _STILL_GIVEN.search(before):
        return False
    if denied(text, start, end) and not _NEW_STATEMENT.search(before):
        return False
    return _governed(before) or bool(_DOSED.match(after))


def _governed(before: str) -> bool:
    """Whether a verb of giving stands before the name, in one clause with it, or in a list of what is given."""
    clause = before[max((m.end() for m in _BREAK.finditer(before)), default=0) :]
    verbs = list(_VERB.finditer(clause))
    return bool(verbs and _GAP.match(clause[verbs[-1].end() :])) or bool(verbs and _LISTED.search(before))
