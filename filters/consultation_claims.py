"""Whether the words around an examination or a test assert its outcome, as done and for this patient.

Four forms count: the test as subject of an outcome ("your MRI shows", "the swab came back positive"), a value ("a
haemoglobin of 76"), a verdict before it ("your raised CRP"), and somebody who has it before their eyes ("I've seen
your D-dimer", "on the X-ray there is"). Plans, conditions, advice, purposes, general truths ("an ECG shows …") and
results that are not yet there are none. English only.
"""

from __future__ import annotations

import re

from filters.phrasing import either, phrases

TEST = "\u00a7"
"""Stands for the test or examination in a clause."""

_STATE = (
    r"(?:(?:a|an|the|bit|little|touch|very|still|quite|all|also|only|far|too|way|so|rather|pretty|nice|just|badly|now"
    r"|perfectly|completely|really|\w+ly|slightly|sky|within|in|two|three|four|five|ten|twice|times|more than"
    r"|double|half) ){0,4}(?:(?:ab)?normal\w*|fine|clear\w*|clean|good"
    r"|ok(?:ay)?\b|all\s?right|unremarkable|positive|negative|high|low|lower|higher|raised|elevated|up\b|down\b|off\b"
    r"|out\b|reduced|(?:de|in)creased|enlarged|swollen|tender|full\b|red\b|inflamed|dull|absent|gone|weak\w*|brisk"
    r"|reactive|stable|steady|(?:ir)?regular|fast|slow|racing|thready|rigid|hard|soft|blocked|narrow\w*|broken"
    r"|fractur\w*|borderline|consistent|suggestive|diagnostic|typical of|over|under\b|below|above|worse|better"
    r"|acidotic|deranged|covered|loaded|teeming|riddled|failing|bulging|wheezy|crackl\w*|bad\b|poor|healthy|patchy"
    r"|cloudy|bloody|growing|showing|pressing|through the roof|on the (?:high|low) side|not (?:normal|right|good)"
    r"|what we(?:'d)? (?:expect|hope)\w*|reassuring|worrying|concerning|alarming|low|sterile|intact|limited"
    r"|free of|without|empty|low on|short of|twice|double|treble|three times|ten times|diminished|delayed"
    r"|prolonged|impaired|compatible|dilated|thickened|collapsed|perforated|torn|ruptured"
    r"|stiff|lumpy|nodular|firm|palpable|boggy|pale|mottled|unequal|fixed|sluggish)"
)
_DONE = (
    r"(?:show(?:s|ed|n)?|reveal(?:s|ed)|confirm(?:s|ed)|demonstrat(?:es|ed)|indicat(?:es|ed)|suggest(?:s|ed)"
    r"|points?\b(?! (?:of|where))|pointed|came|come back|comes back|returned|found|finds?|picked|caught|turned"
    r"|grew|grows"
    r"|rule[sd] (?:it )?out|ruled|excluded|excludes|prove[sd]|proven|detected|detects|drew|yielded|identified|dropped"
    r"|fell|fallen|rose|risen|climbed|gone|went|reached|stands?|sits?|sitting|hovers?|reads?|registers?|registered"
    r"|measured|measures|says|said|told us|told me|tells me|lit|lights up|explained|explains|uncovered|disclosed"
    r"|spotted|missed|drained|(?:was|were|been) reported|showing|proves|looks?\b(?! (?:for|at|into|after"
    r"|like a))|looked(?! (?:for|at|into))|appears?|appeared|feels?"
    r"|sounds?|recorded|spiked|doubled|tripled|halved|improved|worsened|gave|leaves|left|speaks?)"
)
_ADVERBS = (
    r"(?:\s+(?:just|now|already|today|also|clearly|did|does|has|have|had|been|this morning|yesterday|then|both|all"
    r"|only|even|certainly|plainly|clearly|fortunately|sadly|unfortunately|however|too|here|didn't|doesn't"
    r"|hasn't|not))*"
)
_NOUN = (
    r"(?:['\u2019]s)?(?:\s+(?:results?|levels?|values?|readings?|pictures?|reports?|samples?|tests?|scans?"
    r"|counts?|images?"
    r"|findings?|films?|studies|study|markers?|panel|screen))?"
    r"(?:\s+(?:of|from|on|in|at|by)\s+(?:\w+\s+){1,3}?(?=\w))?"
)
_OUTCOMES = re.compile(
    rf"{TEST}{_NOUN}{_ADVERBS}[\s,]*(?:(?:{_DONE})\b(?!\s+(?:whether|if|how well|how (?:much|far)|up on))"
    rf"|(?:'s|is|was|are|were|isn't|wasn't|aren't|weren't|be|been|being)(?:\s+(?:not|back|just|now))*\s+{_STATE}"
    r"|(?:'s|is|was|are|were)\s+(?:back|in)\b)",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:\w+ed|came|found|caught|grew|drew|fell|rose|went|was|were|has|have|had|gave|lit|said|shown)\b",
    re.IGNORECASE,
)
_VALUE = re.compile(
    rf"{TEST}(?:['\u2019]s)?(?:\s+(?:level|value|reading|count|result|rate))?"
    r"(?:\s+(?:in|of|from|on)\s+(?:\w+\s+){1,4}?(?=\w+\s+\d))?[\s,:=\u2013-]*"
    r"(?:(?:of|at|to|is|was|are|were|reads?|over|under|above|below|up|down|out|back|around|about|only|just|still|now|a"
    r"|sitting|stands?|came|has|have|had|dropped|risen|rose|fallen|fell|gone|went|as|high|low|has|come"
    r"|measures?|measured"
    r"|(?:on the |in the )(?:left|right)|this morning|today|yesterday|by)[\s,]+){0,6}[<>~]?\d+(?:[.,]\d+)?"
    r"(?!\d*\s*(?:weeks?|days?|months?|years?|hours?|minutes?|o'clock|times|(?:mg|mcg|am|pm)\b|\.\d))",
    re.IGNORECASE,
)
_VERDICT = re.compile(
    rf"(?:\b(?:your|his|her|these|this|that|the)\s+(?:\w+ly\s+)?(?:abnormal|raised|elevated|positive|deranged"
    rf"|low|high)"
    rf"|^\W*(?:ab)?normal|^\W*(?:raised|elevated|positive|negative))\s+{TEST}",
    re.IGNORECASE,
)
_BEFORE_EYES = re.compile(
    rf"\b(?:i(?:'ve| have)? (?:just |now |already |also )?(?:seen|looked (?:at|through)|read|reviewed|checked|studied)"
    rf"|i (?:just )?saw|looking (?:at|through)|judging (?:by|from)|going by|according to|to judge (?:by|from)"
    rf"|based on|as (?:the|your)(?= {TEST} (?:show|prove|tell)))\s+(?:at\s+)?(?:the|your|his|her|these|this|those)"
    rf"\s+(?:\w+\s+){{0,2}}?{TEST}"
    rf"|\bi(?:'ve| have)(?: got)? (?:the|your|his|her)\s+(?:\w+\s+){{0,2}}?{TEST}\s*(?:results?|report|pictures?)?"
    r"\s+(?:here|back|in front|in my hand|on (?:my|the) screen|up)"
    rf"|\b(?:on|in|from|by|with)\s+(?:the|your|his|her|this|that|these)\s+(?:\w+\s+){{0,2}}?{TEST}[^.;]*?"
    r"\b(?:(?:i|we|you|one) (?:can |could |clearly )?(?:see|saw|found|find|notice|spot|know)\b|there(?:'s| is"
    r"| are| was))",
    re.IGNORECASE,
)
_GENERAL = re.compile(
    rf"\b(?:an?|any|no|most|every|each|some|other|which|what)\s+(?:\w+\s+){{0,2}}?{TEST}", re.IGNORECASE
)
_WITH = re.compile(
    rf"\b(?:with|of|by|at|have|has|had|got|because of|given|see|seen|was"
    rf"|is)\s+an?\s+(?:\w+\s+)?{TEST}(?!\s+(?:over|above|under|below))",
    re.IGNORECASE,
)
_AHEAD = phrases(
    r"""
    if|when|once|unless|until|till|whether|should|would|could|will|shall|may|might|must|'ll|going to|want to|need\w*
    let's|let me|let us|let you|i'd|we'd|to (?:check|see|confirm|rule|exclude|look|monitor|measure|assess|find|get|do)
    i(?:'m| am) (?:sending|ordering|booking|arranging|asking|writing|requesting|referring|taking)
    we(?:'re| are) (?:sending|ordering|booking|arranging|doing|taking)|wait\w*|awaiting|pending|plan\w*|schedul\w*
    recommend\w*|suggest (?:an?|we|you|that)|in case|can (?:do|get|have|check|show|help)|before (?:we|the|you|i)
    after (?:we|the)|next (?:comes|is|step)|the next|tell me|say|said|please|keep\w*|aim\w*|target|people|patients
    """
)
_NOT_YET = phrases(
    r"""
    yet|pending|awaited|not (?:been )?(?:done|available|performed|made|taken)|unavailable|overdue|due|no results?
    (?:wasn't|weren't|hasn't|haven't|isn't|aren't) (?:been )?(?:done|back|in|here|available|performed|needed|necessary)
    for (?:you|your) (?:tomorrow|next)|tomorrow|next week
    """
)
_IMPERATIVE = either(
    r"""
    ^\W*(?:(?:so|and|then|now|please|but|do|just|otherwise|also|always|never)\W+)*(?:
        come|call|ring|phone|go|return|seek|get|contact|see|tell|let|watch|keep|take|use|lie|drink|stop|avoid|try|have
        bring|check|measure|make|book|dial|head|rush|report|text|ask|wait|rest|hold|don't|remember|expect|put|sit|start
        breathe|turn|roll|open|show|give|weigh|continue|carry on|monitor|note|be|write|warn|bear
    )\b(?!\s+(?:that|this|it)?\s*(?:is|was)\b)
    """
)


def asserts(clause: str, start: int, end: int, measured: bool) -> bool:
    """Whether a clause asserts the outcome of the test or examination at ``clause[start:end]``.

    A number after it counts as an outcome where it is something ``measured``.
    """
    ahead = clause[:start]
    if _AHEAD.search(ahead) or _IMPERATIVE.match(clause) or _NOT_YET.search(clause):
        return False
    marked = ahead + TEST + clause[end:]
    general = _GENERAL.search(marked) is not None
    if measured and _VALUE.search(marked) and (not general or _WITH.search(marked)):
        return True
    if _VERDICT.search(marked) or _BEFORE_EYES.search(marked):
        return True
    outcome = _OUTCOMES.search(marked)
    return outcome is not None and (not general or bool(_PAST.search(outcome[0])))


def advises(text: str) -> bool:
    """Whether a sentence or clause opens as advice or an order."""
    return bool(_IMPERATIVE.match(text))
