"""Wordings of :mod:`filters.consultation_citations`: who told, what is no citation, what names nothing."""

from __future__ import annotations

import re

from filters.phrasing import either, phrases

ATTRIBUTES = phrases(
    r"""
    you(?:'ve| have)? (?:also |just |already )?(?:mentioned|said|told|described|reported|complained|noted|stated|spoke)
    (?:he|she|they) (?:\w+ )?(?:mention|complain|report|describe)s?|you complain|sorry (?:to hear )?about (?:the|your)
    (?:your|his|her) (?:past |medical )?history of|(?:since|as|because) (?:you|he|she) (?:have|has|had)
    """
)
"""The doctor says outright that the patient told it."""
SAYS_TOLD = phrases(
    r"""
    (?:as )?you(?:'ve| have)? (?:also |just |already )*(?:mentioned|said|told me|described|reported|complained)
    """
)
PREMISE = either(
    r"""
    \b(?:since|because) (?:you|he|she|your|his|her)\b
    \bbecause of (?:the|your|his|her|that)\b
    \bgiven (?:your|his|her|that|the)\b
    \bas you (?:have|had|told|said|mentioned|described)\b
    \byou(?:'ve)? (?:mentioned|said|told|described|reported|noted)\b
    \bwith (?:the|your|his|her|that)\b
    \bnow that (?:you|he|she|your|his|her)\b
    \bas (?:you|he|she|your|his|her)\b
    \b(?:you|he|she) (?:complain|told me of|speak of|spoke of)
    \bconsidering (?:your|his|her)\b
    \bthe [\w\s-]{3,40} you (?:mentioned|described|reported|told|have|had)\b
    """
)
HISTORY = phrases(
    r"""
    history of|known|previous\w*|prior|past|underlying|pre-?existing|long-?standing|for years|years ago|already have
    (?:since|as|because) (?:you|he|she) (?:have|has|had|are|were|is|was|smok\w*|drinks?)|given (?:your|his|her|that)
    you (?:mentioned|said|told|reported)|you've had|you had|(?:with|because of|due to|considering) (?:your|his|her)
    (?:your|his|her) (?:family|smok\w+|drinking|alcohol|diabetes|pregnancy|allerg\w+|surgery|operation|asthma)
    (?:your|his|her) (?:hypertension|epilepsy|pacemaker|cancer)|(?:since|as|because|given that) (?:your|his|her|you)
    (?:your|his|her) (?:\w+ )?transplant|(?:he|she) (?:was|were) born|as a (?:smoker|diabetic)
    you (?:smoke|smoked|drink)|having had|you(?:'ve| have)? told me|(?:after|following) (?:your|his|her)
    you(?:'ve| have)? (?:mentioned|described|complain\w*)|seeing (?:that|as) you|knowing (?:that )?(?:you|about)
    (?:sorry|hear|know) about (?:the|your)|you (?:complain|speak|spoke) (?:of|about)|as someone with|you suffer
    """
)
OWN = re.compile(r"\b(?:(?:your|his|her)\s+(?:\w+\s+){0,2}?|as\s+an?\s+)$", re.IGNORECASE)
"""Right before a condition, where nothing is diagnosed yet: the patient's own."""
WOULD = re.compile(
    r"^\s*(?:would|could|might|may|can|should|will|usually|often|sometimes|are (?:a )?(?:warning )?signs?)\b",
    re.IGNORECASE,
)
"""After a concept: a possibility or a general truth."""
NOT_CITED = phrases(
    r"""
    caus(?:es?|ed|ing)|lead(?:s|ing)? to|result(?:s|ing)? in|(?:condition|disease) that|called|known as
    ask\w*|question\w*|discuss|talk|explore|know more|hear more|understand|worr\w+
    avoid|stop|quit|cut down|treat\w*|for (?:the )?(?:fever|pain|cough|nausea)|reliev\w*|reduce|ease
    help (?:with|your|the)|will|ibuprofen|paracetamol|acetaminophen|prescri\w+|give you|medicin\w+|tablets?|syrup|cream
    rest|seek|emergency|watch|notice|call|monitor|drink plenty|stay hydrated|fluids
    """
)
"""Before a concept: its cause is explained, it is treated, asked about or watched for."""
SAFETY_NET = phrases(
    r"""
    an? emergency|emergency (?:department|room)|ambulance|(?:go|come|drive|get) (?:straight )?to (?:the |a )?hospital
    come (?:back|in|at once|the same day|straight)|see (?:us|me|a doctor|your doctor) (?:sooner|again|at once)
    at once|straight away|right away|immediately|same day|urgent(?:ly)?|call (?:us|me|999|911|112)|sooner|earlier if
    """
)
GENERAL_FIRST = either(r"^\W*(?:an?|any|new|some|sudden|if|should|once|when)\s")
BUSY = either(
    r"""
    ^\W*(?:(?:now|and|so|well)\W+)*i(?:'m| am) (?:\w+ly )?(?:
        taking|putting|checking|measuring|feeling|listening|going|pressing|looking|testing|tapping|shining|pricking
    )\b(?!.*\b(?:because|since|as) you\b)
    """
)
"""The doctor tells what their hands do."""
TAKES = either(
    r"""
    \byou(?:'re| are) (?:already |currently |now )?(?:on|taking|using)\s*(.*)
    \byou (?:already |currently )?(?:take|took|use)\s*(.*)
    \b(?:you've been (?:on|taking)|have been taking)\s*(.*)
    \b(?:the|your) (?:\w+ )?you (?:take|mentioned|told)\s*(.*)
    \b(?:your (?:current|regular|usual|daily)|allerg\w* to|you mentioned)\s*(.*)
    """
)
NOT_TAKEN = phrases(r"if|should|until|once|after|while|when|must|can|may|every|twice|will")
NAMES_NOTHING = frozenset(
    {"pain", "injury", "stiffness", "discharge", "redness", "travel", "anxiety", "radiating pain", "ill contact"}
    | {"insomnia", "allergy", "dehydration", "cramps", "memory loss", "low mood", "bleeding", "cold intolerance"}
    | {"hospitalisation", "surgery", "bloating", "wound", "falls", "poor concentration", "loss of interest"}
    | {"dry skin", "unsteady walking", "urgency"}
)
"""Too wide to be sure that nobody said it in other words; checked only where the doctor says that it was told."""
TOO_WIDE = frozenset({"pain", "injury", "stiffness", "discharge", "redness", "allergy", "radiating pain", "cramps"})
TO_BE_SEEN = frozenset(
    {"weakness", "numbness", "oedema", "rash", "pallor", "jaundice", "redness", "lump", "wheeze", "confusion", "wound"}
    | {"bruising", "tremor", "facial droop", "red eye", "swollen joint", "dry skin", "neck stiffness", "stiffness"}
    | {"speech difficulty", "dehydration", "limp", "unsteady walking", "sweating", "fever", "breast lump", "neck lump"}
)
"""Symptoms that an examination shows as well."""


EXAMINES = phrases(
    r"under my (?:fingers?|hands?)|in my hands?|as i (?:press|look|listen|feel|touch|tap)|to (?:the )?touch"
)
GENERAL_TRUTH = phrases(
    r"""
    (?:most|many|some|all|other|few|plenty of) (?:people|patients|men|women|children|babies|folk)|people|patients
    anyone|everybody|everyone|often|usually|typically|tends? to|normally|as a rule|in general
    """
)
NARRATES = phrases(
    r"""
    again|already|(?:for|since|over|in) (?:the )?(?:last|past|a few|two|three|four|weeks?|months?|days?|spring|summer
    autumn|winter)|(?:i've|i have) (?:made a note|noted|got)|that's quite|that goes with|started|noted|you know
    (?:hours?|days?|weeks?|months?|nights?|years?) (?:ago|running|before|in a row)
    """
)
"""Of a recap without its "you": "Two kidney stones already, then"."""
HAD = phrases(
    r"""
    you(?:'ve| have) (?:\w+ )?(?:had|been having|noticed|suffered)|you (?:had|noticed|felt|lost|came (?:in )?with)
    (?:he|she)(?:'s| has) been having|(?:he|she) had been
    """
)
CAME_WITH = either(r"^[^,.;:]{0,25}\b(?:you (?:\w+ )?(?:came|had|have had|noticed|brought|felt)|you've|off you)\b")
EXPLAINS = phrases(r"means|is when|happens|caused by|by a virus|this is|you have an?|that is (?:where|why|what)|fits?")
