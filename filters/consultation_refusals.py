"""Refusals in a consultation: an assistant that declines, disclaims or cites its rules in place of an answer.

Whoever speaks in the first person of being unable, unallowed or unwilling refuses when what is declined is an
assistant's matter: answering, this topic, this conversation, medical advice. A patient's "I can't talk about it" and a
doctor's "I can't say before the blood is back" are none; what both could say is left alone. Openings of replies in
other languages are :func:`filters.phrases.refusal`'s.
"""

from __future__ import annotations

from filters.consultation_record import Turn
from filters.consultation_text import plain
from filters.phrases import machine_talk, refusal
from filters.phrasing import phrases

_CANNOT = (
    r"i(?:'m| am)? (?:really |simply |just |afraid i )?(?:can't|cannot|can not|could not|won't|will not|do not wish to"
    r"|won't be able to|will not be able to|unable to|not able to|not going to)"
)
_UNALLOWED = (
    r"i(?:'m| am) (?:really )?not (?:allowed|permitted|authori[sz]ed|qualified|licensed|in a position|programmed"
    r"|designed|equipped|supposed) to"
)
_UNWILLING = (
    r"(?:i (?:don't|do not) feel comfortable|i(?:'m| am) (?:not|un)\s?comfortable|i(?:'d| would) (?:rather"
    r"|prefer) not(?: to)?"
    r"|i prefer not to|i (?:must|have to|need to|will have to) (?:\w+ly )?(?:decline|refuse"
    r"|refrain)(?: from)?(?: to)?)"
)
_DO = (
    r"(?:answer(?:ing)?|respond(?:ing)?(?: to)?|reply(?:ing)?(?: to)?|discuss(?:ing)?|comment(?:ing)?(?: on)?"
    r"|talk(?:ing)? about|speak(?:ing)? (?:about|on)|shar(?:e|ing)|disclos(?:e|ing)|provid(?:e|ing)|giv(?:e|ing)"
    r"|offer(?:ing)?|continu(?:e|ing)(?: with| in)?|participat(?:e|ing)(?: in)?|tak(?:e|ing) part(?: in)?"
    r"|engag(?:e|ing)(?: in| with)?|proceed(?:ing)?(?: with)?|complet(?:e|ing)|fulfil\w*|assist(?:ing)?(?: with)?"
    r"|help(?:ing)?(?: you)? with|generat(?:e|ing)|play(?:ing)?|go(?:ing)? into)"
)
_MATTER = (
    r"(?:this|that|these|those|such|the|your|any|an?) (?:\w+ ){0,2}?(?:topics?|requests?|questions?|content"
    r"|information"
    r"|conversation|dialogue|discussion|scenario|role-?\s?play|simulation|task|subject matter|material|prompt|exercise"
    r"|(?:medical|health|clinical|professional) (?:advice|opinion|matters?|issues?))"
)
_CONTENT = (
    r"(?:\w+ (?:or|and) )?(?:sexual|intimate|explicit|violent|harmful|illegal|sensitive|inappropriate|graphic|adult)"
    r" (?:or \w+ )?(?:content|topics?|matters?|material|themes|subjects)"
)
_SERVICE = (
    r"(?:giv(?:e|ing)|provid(?:e|ing)|offer(?:ing)?|mak(?:e|ing)) (?:you )?(?:with )?(?:an?|any|the"
    r"|specific)?\s?(?:\w+ )?"
    r"(?:advice|diagnos\w+|recommendations?|medical opinion|guidance)"
)
_WHEN_READY = phrases(
    r"(?:un)?till?|before|unless|once|over the (?:phone|telephone|video)|by (?:phone|e-?mail)|without"
)
"""With these a doctor waits for something, and does not decline."""

_DISCLAIMS = phrases(
    r"""
    not a substitute for (?:\w+ )*?(?:advice|care|judg\w+)|for (?:educational|informational) (?:purposes|use)
    i(?:'m| am) (?:unable|not able|not allowed) to (?:give|provide|offer|make|discuss) (?:any )?(?:
        treatment|medical|health|clinical|diagnos\w+|advice|recommendations
    )
    i (?:can't|cannot|can not|won't) (?:talk about|discuss|engage with) (?:self|suicid|this topic|that topic|medic\w+)
    i (?:can't|cannot|can not|won't) (?:role-?\s?play|pretend|play (?:a|the))
    i (?:can't|cannot|can not) (?:make|provide|give) (?:you )?(?:a|any) (?:medical )?(?:diagnos\w+|medical)\s*\.
    """
)
"""An assistant's disclaimers in place of an answer; a doctor who waits for a result says until when."""
_DECLINES = phrases(
    rf"""
    (?:{_CANNOT}|{_UNALLOWED}|{_UNWILLING}) {_DO} (?:{_MATTER}|{_CONTENT})
    (?:{_UNALLOWED}|{_CANNOT} and will not|i (?:must|have to|need to) (?:\w+ly )?(?:decline|refuse) to) (?:
        answer|respond|discuss|comment|talk about|engage|participate|{_SERVICE}
    )
    {_CANNOT} {_SERVICE} (?:to|for) (?:you|anyone|this|that|users?|people)
    (?:{_MATTER}|it|that|this)[^.]{{0,40}} (?:i (?:must|have to|need to) (?:\w+ly )?decline)\W*$
    (?:it|this) (?:is|would be|is not|isn't|would not be|wouldn't be) (?:\w+ )?(?:
        appropriate|inappropriate|right|ethical|unethical|responsible|irresponsible|safe|possible
    ) for me to (?:respond|answer|reply|discuss|comment|speculate|engage|continue|provide|offer|role-?\s?play)
    (?:against|violates?|outside|beyond|not within|contrary to) my (?:\w+ )?(?:
        guidelines|programming|polic(?:y|ies)|rules|instructions|capabilit(?:y|ies)|training|terms|principles
    )
    my (?:\w+ )?(?:guidelines|programming|policy|policies) (?:\w+ )?(?:
        prevents?|forbids?|prohibits?|(?:don't|do not) (?:allow|let|permit)
    )
    i(?:'m| am) (?:just|only|merely) an? (?:\w+ )?(?:program|machine|algorithm|software|simulation)
    not something (?:that )?i(?:'m| am) (?:able|allowed|permitted|willing|programmed) to (?:
        discuss|talk about|answer|help|respond|do|provide|share|comment
    )
    something (?:that )?i (?:cannot|can't|am not able to|must|have to) (?:
        decline|discuss|assist with|help with|respond to
    )
    """
)
_MACHINE = phrases(
    r"""
    as an? (?:\w+ )?(?:chat\s?bot|bot|machine|(?:computer )?program|algorithm|digital assistant|automated \w+
    simulation)
    i(?:'m| am) (?:\w+ )?an? (?:\w+ )?(?:chat\s?bot|bot|digital assistant|automated (?:system|assistant))\b
    i (?:don't|do not|can't|cannot) (?:actually |really )?(?:have|feel|experience) (?:
        an? (?:physical |human |real )?body|(?:personal|human|real|physical) (?:
            experiences?|feelings?|emotions?|opinions?|sensations?|bod(?:y|ies)|symptoms?|beliefs?|history|pain
        )
    )
    (?:breach(?:es)?|violat(?:es|e|ing)|conflicts? with|not (?:permitted|allowed) (?:by|under)|against|contrary to
    prohibited by) (?:
        my|our|the|openai\S*|company) (?:\w+ ){0,2}?(?:usage|content|safety|community|acceptable use|ethical
        ethics|platform)
    (?:usage|content|safety|acceptable use) (?:policy|policies|guidelines|rules)
    my (?:creators?|developers?|makers?|programmers?|operators?|designers?)
    (?:falls|lies|goes|is|that's|it's) (?:well )?(?:outside|beyond) (?:of )?(?:what i(?:'m| am| can)|my (?:scope
    remit|abilities|purpose|role as an))
    (?:as an )?(?:ai|a\.i\.)(?: system| model| assistant)?,? i (?:can't|cannot|don't|do not|am|have no)
    (?:me|i),? (?:as )?an? (?:ai|artificial intelligence|language model)\b(?: (?:system|model|assistant))?
    (?:can't|cannot|unable to|not able to|won't) (?:take on|assume|adopt) the role of
    (?:share|give|provide|disclose) (?:personal|private) (?:health|medical) (?:information|data|details)
    (?:not something )?my (?:\w+ )?guidelines (?:let|allow|permit)|the policy i (?:operate|work|run) under
    i(?:'m| am) an (?:ai|artificial)|(?:can't|cannot|unable to) (?:continue|go on|proceed) with (?:this|the) (?:
        role-?\s?play|conversation|simulation|scenario|dialogue|chat|consultation as an
    )
    (?:can't|cannot|unable to|not able to|won't) (?:role-?\s?play|impersonate|pretend to be|simulate)
    """
)
"""The speaker is a program, or speaks of who made it and what it may do."""
_DOCTOR_DECLINES = phrases(
    rf"""
    i(?:'m| am) not an? (?:\w+ )?(?:
        doctor|physician|clinician|(?:medical|health\s?care|health) (?:professional|provider)
    )
    i(?:'d| would) (?:rather|prefer) not (?:to )?{_DO}
    """
)
"""What a patient may say, too."""
_CANNOT_CARE = phrases(rf"(?:{_CANNOT}|cannot) (?:diagnose|treat|advise|prescribe|offer|give)")
_SENDS_OFF = phrases(
    r"""
    (?:consult|see|contact|speak (?:to|with)|talk (?:to|with)|seek|visit|reach out to)[^.]{0,30} (?:
        (?:medical|health\s?care|health) (?:professional|provider|practitioner|expert)
    )
    """
)


_FORGOT = phrases(
    r"""
    (?:don't|do not|can't|cannot|didn't|never) (?:really |quite |even )?(?:remember|recall|know|notice\w*|look\w*
    check\w*|ask\w*|weigh\w*)
    no idea|not sure|forgot\w*|without (?:crying|my)|tears?|cry\w*|sneez\w*|scratch\w*|worry\w*
    """
)
"""Why a patient has no answer."""


def refuses(turn: Turn) -> int | None:
    """Where in a turn's text somebody declines as an assistant does; None where nobody does."""
    if refusal(turn.text) and not (turn.speaker == "patient" and _FORGOT.search(turn.text)):
        return 0
    if (machine := machine_talk(turn.text)) is not None:
        return turn.text.find(machine[:20])
    text = plain(turn.text)
    if (found := _DISCLAIMS.search(text)) is not None:
        return found.start()
    at = 0
    for sentence in turn.sentences:
        at = max(at, text.find(sentence.text, at))
        if _WHEN_READY.search(sentence.text):
            continue
        found = _DECLINES.search(sentence.text) or _MACHINE.search(sentence.text)
        if found is None and turn.speaker == "doctor":
            found = _DOCTOR_DECLINES.search(sentence.text)
            if found is None and _SENDS_OFF.search(text):
                found = _CANNOT_CARE.search(sentence.text)
        if found is not None:
            return at + found.start()
    return None
