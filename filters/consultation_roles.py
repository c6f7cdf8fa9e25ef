"""Turns out of their role: a speaker in the other's place, a label, narration, talk of what stands behind the case.

Who orders, prescribes and examines is the doctor, who tells of own symptoms or addresses a doctor is the patient. What
is reported or quoted ("he said: you should rest") is no slip. A patient's question back and a doctor's word of own
experience are not told from slips of other wordings than those listed. English only.
"""

from __future__ import annotations

import re

from filters.consultation_record import Evidence, Turn, evidence
from filters.consultation_refusals import refuses
from filters.consultation_text import plain
from filters.phrasing import either, phrases

_LABEL = either(
    r"""
    (?:^|\n|[.!?]\s|\*\*|\[)\s*+(?:the )?(?:
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
_STAGE = either(
    r"""
    ^\s*[\[(][^\d\])]{2,60}[\])]\s*["'\w]
    ^\s*(?:she|he|the (?:\w+ ){1,2}?)\s*(?!(?:says|asks|tells|keeps|cries|yells|was)\b)(?:
        \w+s\b[^"]{0,100}[.!]\s*"[^"]+"\s*$
    )
    ^\s*[{\[]\s*"\w+"\s*:
    </?(?:answer|say|response|reply|think\w*|patient|doctor|turn|message|output|speaker|text)>
    """
)
"""A stage direction before the words, words quoted by a narrator, or the form of a reply in place of the reply."""
_BEHIND = either(
    r"""
    \b(?:
        (?:according to|as per|per|following|as stated (?:in|on)|based on|from|on) (?:my|the|these|your) (?:
            facts? (?:i (?:know|have|was)|sheet|list|card|given|provided|\d)|case card|card\b(?=[^.]{0,3}$|,)
            script|prompt
            system (?:message|prompt)|scenario|(?:character|role|case|fact|patient) (?:sheet|card|brief|profile
            description|summary)
            brief\b(?! (?:look|chat|talk|exam))|vignette|persona
        )
        (?:according to|as per) (?:my|the) (?:facts?|card|case|instructions?|character|role|brief)\b
        (?:according to|as per) (?:fact|item|point|entry|line|rule)s? (?:number |no\.? )?\d
        (?:fact|item|point|entry|line|rule|step|turn|instruction|bullet)s? (?:number |no\.? )?\d+ (?:of|on|in
        from) (?:my|the|these) (?:
            facts?|card|case|list|script|prompt|instructions?|sheet|brief|scenario|profile
        )(?! (?:on|in) the (?:box|leaflet|packet|label))
        (?:my|the) (?:card|brief|facts?|(?:character|role|fact) sheet|system (?:message|prompt)) (?:\w+ )?(?:
            says?|states?|lists?|mentions?|tells? me|reads|specif\w+|gives|has nothing|includes?|contains?
            does(?:n't| not) (?:say|mention|list|state|include|specify|cover|tell)|didn't (?:say|mention)|instructs?
        )
        (?:my|the|these|your) (?:
            case card|fact\s*(?:list|sheet)
            facts? (?:i (?:was|have|am|know)|given|provided|say|state|don't|do not|list)|system prompt|prompt\b
            script\b|persona\b
            instructions (?:say|tell|state|mention|i was|(?:don't|do not|didn't) (?:say|tell|mention))
        )
        case card
        (?:the|this|my) (?:
            vignette|case (?:description|summary|study|details|text|sheet)|scenario|persona|back\s?story
            character (?:sheet|description)|background information|profile|script|role description
        ) (?:\w+ )?(?:
            states?|says?|mentions?|tells?|lists?|describes?|specif\w+|gives|indicates?|covers?|contains?|notes?
            does(?:n't| not)|didn't|did not|includes?
        )
        (?:mentioned|listed|stated|given|described|specified|covered|found|part|included) (?:
            of\x20|in\x20|by\x20|on\x20
        )?(?:my|the) (?:
            profile|persona|back\s?story|vignette|character|background|case (?:description|summary|study|details)|brief
        )
        based on the (?:facts|case|information) (?:listed|given|provided)
        information (?:that (?:was|is) )?(?:provided|given|available) (?:about|for|on|to) (?:my|me|the) (?:
            character|role|case|persona|patient
        )
        (?:about|of|for|with) my character
        (?:
            simulated?|virtual|standardi[sz]ed|fictional|hypothetical
        ) (?:patient|doctor|consultation|case|scenario|dialogue)
        role-?\s?play\w*|playing (?:the (?:role|part)|a (?:patient|doctor))
        in this (?:scenario|simulation|dialogue|exercise)
        as (?:a|the) (?:simulated )?(?:patient|character)\s*,?\s*(?:in this|i (?:would|should|can|am))
        my (?:role|character) (?:is to|is the|in this|here)|my role as (?:a|the|your) (?:patient|doctor|ai
        assistant|simulated)|(?:stay|remain|break|out of) (?:in )?character|as instructed
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
_EXERCISE = either(
    r"""
    \b(?:next|following|previous|last) (?:doctor|patient)(?:'s)? (?:turn|reply|response|line|message|question)\b
    \b(?:doctor|patient)(?:'s)? turn\b|\b(?:end of )?my turn as (?:the|a) (?:patient|doctor)
    \b(?:dialogue|conversation|transcript) (?:so far|continues|ends|above|below)\b
    \b(?:in|to|follow\w*) the (?:requested|required|given|specified|desired) (?:format|style|schema)\b
    \bthe (?:doctor|patient) (?:should|would|could|must|will|may|might) (?:now|next|then)\b
    \b(?:now|next),? (?:the )?(?:doctor|patient) (?:should|asks|replies|answers)\b
    """
)
"""Talk of the dialogue as a text that is being written."""
_EXAMINED = either(
    r"""
    \bon examination,? (?:there (?:is|are)|the|i)\b
    \bi (?:will|shall|would like to) (?:\w+ )?(?:arrange|palpate|auscultate)\b
    """
)
"""What nobody says who came as a patient."""
_PROTOCOL = re.compile(
    r"^\W*+(?:(?:next )?action|turn \d+|thought|say|speaker|role|reasoning|inner thought|internal|reply"
    r"|response|output"
    r"|step \d+ of (?:the|my) (?:instructions?|script|prompt))\s*[:=]"
    r"|\bmy next action\b",
    re.IGNORECASE,
)
"""The names of the fields of a reply, said aloud."""
_THIRD_PERSON = re.compile(
    r"(?:^|[.!?]\s+)the (?:patient|doctor) (?:is|was|has|had|denies|denied|reports?|reported|presents?"
    r"|presented|states?"
    r"|stated|complains?|does|feels|wants|describes?|described|mentions?|mentioned)\b",
    re.IGNORECASE,
)
"""A speaker who tells of both from outside; a patient may well speak of a doctor."""
_DOCTORLY = phrases(
    r"""
    how (?:can|may) i (?:help|assist|be of (?:help|assistance|service))|anything else i can (?:help|assist
    do)(?: you| for you)
    i(?:'ll| will|'m going to| am going to|'d like to| would like to| want to) (?:
        prescribe|order (?:a|an|some|you)|examine you|refer you|start you|listen to your|take your
        run (?:some|a few) tests|check your|ask you (?:some|a few)|put you on|admit you|give you (?:a|some)
        send you
    )
    as your (?:doctor|physician|gp)|my diagnosis is
    (?:i'll|i will|i'm going to|let me|we'll|we will|we should|we need to|let's|i want to) (?:\w+ )?(?:
        examine|palpate|auscultate|prescribe|order|refer you|start you|admit you|listen to|measure|treat
    ) (?:you\b|your|an?|some)
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
    (?:thank you|thanks|okay|yes|hello|hi|no)\s*,?\s*doctor\b|driving me (?:nuts|mad|crazy),? doc\b
    i can't sleep,? (?:doc|what)|what do you reckon it is
    (?<!your\x20)(?<!a\x20)(?<!the\x20)doctor, (?:i|my|what|can|is|will|should|do)
    (?:should|can) i (?:be worried|still (?:take|go|work)|take (?:my|time off))
    , doctor\s*[?!]
    my (?:\w+ ){1,2}?(?:hurts?|aches?|throbs?|itch(?:es)?|stings?|burns?) (?:so|when|really|badly|like|a lot|terribly)
    is it (?:serious|something serious),? doctor|my (?:own )?(?:gp|doctor) (?:said|told|gave|prescribed)
    i take (?:\w+ ){0,2}(?:for my|every (?:day|morning)|daily)|what(?:'s| is) wrong with me
    """
)


def out_of_role(turn: Turn) -> list[Evidence]:
    """refusal or else role_slip of a turn, with the sentence that shows it."""
    place = refuses(turn)
    if place is not None:
        return [evidence("refusal", turn.place, sentence_with(turn, place))]
    text = plain(turn.text)
    patterns = [_LABEL, _NARRATES, _STAGE, _BEHIND, _EXERCISE, _PROTOCOL]
    patterns += [_DOCTORLY, _WOULD_ORDER, _EXAMINED] if turn.speaker == "patient" else [_PATIENTLY]
    patterns += [_THIRD_PERSON] if turn.action else []  # in recordings doctors dictate
    for pattern in patterns:
        for match in pattern.finditer(text):
            sentence = sentence_with(turn, match.start() + (len(match[0]) - len(match[0].lstrip(" .!?\n"))))
            if pattern in (_DOCTORLY, _WOULD_ORDER, _EXAMINED, _PATIENTLY) and (
                _DOCTOR_SPEAKING.search(sentence) or '"' in sentence
            ):
                continue
            return [evidence("role_slip", turn.place, sentence)]
    return []


def sentence_with(turn: Turn, place: int) -> str:
    """The sentence of a turn in which a place lies."""
    at = 0
    for sentence in turn.sentences:
        at = turn.text.find(sentence.raw, at)
        if at <= place < at + len(sentence.raw) + 1:
            return sentence.raw
        at += len(sentence.raw)
    return turn.sentences[-1].raw if turn.sentences else turn.text
