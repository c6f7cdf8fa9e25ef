"""The form of turns: empty, cut off, refusing, out of its role, telling who somebody is.

Length and style are nobody's business here. A turn is cut off when it ends in a word that nothing ends in ("the",
"because"), in a comma or an open bracket, or without a full stop where the others have one.
"""

from __future__ import annotations

import re

from filters.consultation_record import Evidence, Talk, Turn, evidence
from filters.consultation_text import plain
from filters.phi import find
from filters.phrases import machine_talk, refusal
from filters.phrasing import either, phrases

_OPEN_END = either(
    r"""
    \b(?:
        the|an?|of|and|to|with|my|your|our|their|his|because|for|from|in|at|by|or|but|if|that|which|is|are|was
        were|have|has|had|will|would|should|can|could|when|while|as|than|very|into|about|i|i'm|i've|you're|it's
        we|am|be|been|since|so|this|these|every|some|any|also|without|between|during|until
    )\W*$
    [,\-\u2013(\[{&/:;]\s*$
    """
)
_MAY_END = either(
    r"""
    \b(?:
        it (?:is|was|has|does)|i (?:am|was|have|had|can|could|would|will|should)
        (?:they|we|you|there) (?:are|were|have|can|will|is|was)|come in|think so|hope so|what for|to be|that
        this|these|some|any|used to|like to|want to|need to|have to|if you can|he|she|so|before|since|about|by
        in|at|with|from|also|very|if i can|of|for
    )[.!?]+$
    """
)
_ENDS = re.compile(r"(?:[.!?\u2026\u3002\uff01\uff1f]|\.\.\.)[\"')\]*\u201d\u2019 ]*$")
_LABEL = either(
    r"""
    (?:^|\n|[.!?] |\*\*|\[)\s*(?:the )?(?:
        doctor|patient|dr|physician|nurse|assistant|user|system|clinician|human|gp|parent
    )\b[^\n:.]{0,15}?(?:\*\*)?\s*:
    """
)
_NARRATES = either(
    r"""
    \*[a-z][^*\n]{2,60}\*
    [(\[]\s*(?:\w+ly )?(?:
        pause\w*|sigh\w*|cough(?:s|ing)\b|nod\w*|smil\w*|laugh\w*|look(?:s|ing)|cr(?:ies|ying)|winc\w*|chuckl\w*
        whisper\w*|hesitat\w*|examin(?:es|ing)|silen\w+|lean\w*|clear(?:s|ing) throat|shak(?:es|ing)
        writ(?:es|ing)|typ(?:es|ing)|frown\w*|point(?:s|ing)|gestur\w*|grimac\w*|take(?:s)? (?:a|notes)
        turn(?:s|ing)|sit(?:s|ting)|the (?:doctor|patient)|doctor|patient
    )[^)\]\n]{0,80}[)\]]
    \b(?:the|this) (?:patient|doctor) (?:then |now |\w+ly )?(?:
        says?|said|nods?|nodded|looks?\s|looked|sighs?|sighed|replie[sd]|answer(?:s|ed)|explain(?:s|ed)|pauses?
        paused|smile[sd]?|seems?|appears?|enters?|entered|asks|asked|responds?|responded|listens|leans|turns
        writes|takes a
    )\b
    """
)
_BEHIND = either(
    r"""
    \b(?:
        according to (?:my|the) (?:facts?|card|case|script|prompt|instructions?|scenario|character|role|brief)
        (?:my|the|these|your) (?:
            case card|fact\s*(?:list|sheet)
            facts? (?:i (?:was|have|am|know)|given|provided|say|state|don't|do not|list)|system prompt|prompt\b
            script\b|persona\b|instructions (?:say|tell|state|mention|i was|(?:don't|do not|didn't) (?:say|tell|mention))
        )
        case card
        (?:
            simulated?|virtual|standardi[sz]ed|fictional|hypothetical
        ) (?:patient|doctor|consultation|case|scenario|dialogue)
        role-?\s?play\w*|playing (?:the (?:role|part)|a (?:patient|doctor))
        in this (?:scenario|simulation|dialogue|exercise)
        as (?:a|the) (?:simulated )?(?:patient|character)\s*,?\s*(?:in this|i (?:would|should|can|am))
        my (?:role|character) (?:is|as|in)|(?:stay|remain|break|out of) (?:in )?character|as instructed
        language model|\bchat\s?bot\b
        i(?:'m| am) (?:just |only )?(?:an? )?(?:ai|bot|artificial|virtual assistant|computer program)\b
        (?:no|not (?:in|part of|among|listed in|mentioned in)) (?:my|the) (?:
            facts|card|case (?:card|description|file|information)|information (?:provided|given)
        )
        information (?:i was )?(?:given|provided) (?:to me|in the)|the facts (?:don't|do not|say|state|given)
        hidden (?:case|diagnosis)|\bjson\b|training data|fact (?:p|f|t)\d\b
        end of (?:the )?(?:dialogue|simulation|scenario|role)
    )
    """
)
_DOCTORLY = phrases(
    r"""
    i(?:'ll| will|'m going to| am going to|'d like to| would like to| want to) (?:
        prescribe|order (?:a|an|some|you)|examine you|refer you|start you|listen to your|take your
        run (?:some|a few) tests|check your|ask you (?:some|a few)|put you on|admit you|give you (?:a|some)
        send you
    )
    as your (?:doctor|physician|gp)|my diagnosis is
    i (?:recommend|advise|suggest|prescribe|diagnose) (?:that )?you
    you (?:should|need to|must) (?:take|rest|avoid|stop|drink|have an|get an|see a|come back|follow up|go to)
    let me (?:examine|listen to your|check your|take a look at your|prescribe|refer)
    what (?:brings you|can i do for you|seems to be the (?:problem|trouble))|how (?:can|may) i help you
    your (?:
        symptoms|test results|blood (?:pressure|test)|ecg|x-ray|scan|condition
    ) (?:is|are|suggests?|shows?|indicates?|sound|point)
    (?:do|are|have|did) you (?:
        have|had|take|taking|experienc\w+|allergic|notice\w*|feel\w*|been (?:having|feeling|taking|experiencing)
    )\b[^.?!]*\?
    when did (?:your|the|this|these) (?:symptoms?|pain) (?:start|begin)
    (?:thank you|thanks) for (?:sharing|telling me|coming in)|follow up with me|my patients?|the patient
    you (?:most likely |probably |likely )?have (?:an? )?(?:\w+ )?(?:infection|disease|syndrome|\w+itis)
    """
)
_WOULD_ORDER = phrases(
    r"""
    i(?:'d| would) (?:recommend|prescribe|suggest|advise|order|refer you|like to (?:examine|prescribe|order|refer))
    have you (?:noticed|experienced|had) (?:any|some|a|chest|shortness|trouble)\b[^.?!]*\?|refer you to
    """
)
"""A doctor's words too; in a patient's mouth only."""
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
_DOCTOR_SPEAKING = re.compile(
    r"\b(?:doctor|he|she|they|you)\s+(?:said|told|asked)\b|\b(?:said|told\s+me|asks?|asked)\b", re.I
)
_PATIENTLY = phrases(
    r"""
    i(?:'ve| have) (?:
        been (?:having|feeling|suffering|getting|coughing|vomiting|taking (?:my|some))
        had (?:this|a|an|these|some|pain|no|trouble)\s*(?:\w+ ){0,3}?(?:
            pain|cough|fever|headache|ache|rash|symptoms?|trouble|cramps|feeling|problem for
        )
        pain|a (?:fever|cough|headache|rash|sore)|noticed (?:my|that my|some \w+ in my)
    )
    i(?:'m| am) (?:really |very |so )?(?:
        in pain|having (?:trouble|pain|chest|difficulty)|feeling (?:sick|dizzy|tired|weak|unwell|nauseous|short)
        scared|allergic to|experiencing|short of breath
    )
    i (?:feel|felt) (?:sick|dizzy|tired|weak|unwell|nauseous|awful|terrible|faint|short|feverish)
    my (?:
        chest|head|stomach|belly|tummy|back|leg|knee|arm|throat|ankle|heart|pain|cough|symptoms|breathing|period
        fever|skin|eyes?|joints?|feet|legs
    ) (?:\w+ )?(?:hurts?|aches?|is|are|has|have|feels?|started|began|gets?|keeps?|races?|itch\w*)
    (?:thank you|thanks|okay|yes|hello|hi|no)\s*,?\s*doctor\b
    (?<!your\x20)(?<!a\x20)(?<!the\x20)doctor, (?:i|my|what|can|is|will|should|do)
    (?:should|can) i (?:be worried|still (?:take|go|work)|take (?:my|time off))
    is it (?:serious|something serious),? doctor|my (?:own )?(?:gp|doctor) (?:said|told|gave|prescribed)
    i take (?:my|a|an|one|two)?\s*\w*\s*(?:for my|every (?:day|morning)|daily)|what(?:'s| is) wrong with me
    """
)
_BORN = re.compile(r"\b(?:born|birth\w*|DOB)\b", re.IGNORECASE)
_PLAIN_ENDS = 0.7
"""From which share of other turns with a full stop on one without counts as cut off."""


def form(talk: Talk) -> list[Evidence]:
    """turn_empty, turn_truncated, refusal, role_slip and identifying_details."""
    found: list[Evidence] = []
    spoken = [t for t in talk.turns if t.speaker in ("patient", "doctor") and re.search(r"\w", t.text)]
    stopped = [t for t in spoken if _ENDS.search(t.text.rstrip())]
    for turn in talk.turns:
        if not re.search(r"\w", turn.text):
            found.append(evidence("turn_empty", turn.place, turn.text.strip()))
            continue
        others = len(spoken) - 1
        tidy = others > 2 and (len(stopped) - (turn in stopped)) / others >= _PLAIN_ENDS
        if turn.speaker in ("patient", "doctor"):
            found += _cut_off(turn, tidy) + _out_of_role(turn)
        found += _details(turn)
    return found


def _cut_off(turn: Turn, tidy: bool) -> list[Evidence]:
    text = plain(turn.text).rstrip()
    last = turn.sentences[-1].raw if turn.sentences else turn.text
    if _ENDS.search(text):
        return []
    unclosed = text.count("(") > text.count(")") or text.count('"') % 2 == 1
    if (_OPEN_END.search(text) and not _MAY_END.search(text + ".")) or unclosed:
        return [evidence("turn_truncated", turn.place, last)]
    if (_OPEN_END.search(text) and tidy) or (tidy and len(last.split()) >= 4):
        return [evidence("turn_truncated", turn.place, last)]
    return []


def _out_of_role(turn: Turn) -> list[Evidence]:
    text = plain(turn.text)
    declined = refusal(turn.text) or machine_talk(turn.text)
    disclaims = _DISCLAIMS.search(text)
    if declined is None and disclaims is not None:
        return [evidence("refusal", turn.place, _sentence_with(turn, disclaims.start()))]
    if declined is not None:
        return [
            evidence(
                "refusal", turn.place, _sentence_with(turn, 0 if refusal(turn.text) else turn.text.find(declined[:20]))
            )
        ]
    patterns = [_LABEL, _NARRATES, _BEHIND]
    patterns += [_DOCTORLY, _WOULD_ORDER] if turn.speaker == "patient" else [_PATIENTLY]
    for pattern in patterns:
        for match in pattern.finditer(text):
            sentence = _sentence_with(turn, match.start() + (len(match[0]) - len(match[0].lstrip(" .!?\n"))))
            if pattern in (_DOCTORLY, _WOULD_ORDER, _PATIENTLY) and (
                _DOCTOR_SPEAKING.search(sentence) or '"' in sentence
            ):
                continue
            return [evidence("role_slip", turn.place, sentence)]
    return []


def _details(turn: Turn) -> list[Evidence]:
    """What tells who somebody is: contacts, numbers, addresses, a date of birth, a full name together with a date."""
    spans = find(turn.text)
    kinds = {span.kind for span in spans}
    full = any(s.kind == "name" and len(turn.text[s.start : s.end].split()) > 1 for s in spans)
    telling = [
        s for s in spans if s.kind in ("email", "phone", "id", "address") and not _service(turn.text[s.start : s.end])
    ]
    born = [s for s in spans if s.kind == "date" and (full or _BORN.search(turn.text[max(0, s.start - 40) : s.end]))]
    if telling or (born and ("name" in kinds or re.search(r"\d{4}|\d/\d", turn.text[born[0].start : born[0].end]))):
        return [evidence("identifying_details", turn.place, _sentence_with(turn, (telling or born)[0].start))]
    return []


def _service(number: str) -> bool:
    """Whether a number is one of a public service (112, 911, 999, 988 …)."""
    return len(re.sub(r"\D", "", number)) <= 3 and "@" not in number


def _sentence_with(turn: Turn, place: int) -> str:
    """The sentence of a turn in which a place lies."""
    at = 0
    for sentence in turn.sentences:
        at = turn.text.find(sentence.raw, at)
        if at <= place < at + len(sentence.raw) + 1:
            return sentence.raw
        at += len(sentence.raw)
    return turn.sentences[-1].raw if turn.sentences else turn.text
