"""Circumstances that the doctor recalls though nobody told them: jabs, animals, blows, operations, journeys, losses.

The list of concepts holds what patients suffer; this one holds what happened to them. A circumstance counts only in a
statement between questions that places it in the patient's past ("you've taken in", "your", "ten days before that"),
and only where no word of its family stands anywhere before it or on the card. Plans, advice and general truths name
no past. English only.
"""

from __future__ import annotations

import re

from filters.consultation_claims import advises
from filters.consultation_record import Turn
from filters.consultation_text import clause_at, denied, imagined, of_others
from filters.phrasing import phrases

_FAMILIES = tuple(
    phrases(wordings)
    for wordings in (
        r"vaccin\w+|jabs?|booster|immuni[sz]\w+|injections?|shots?|needle",
        r"kittens?|cats?|dogs?|pupp(?:y|ies)|pets?|hamsters?|rabbits?|parrots?|budgies?|birds?|horses?|animals?",
        r"(?:a|the|that|your) (?:blow|knock|bump|punch|kick|bang|fall|tumble|crash|accident)|tumbled|fell|hit",
        r"(?:kidney|gall|bladder) ?stones?|gallbladder|stones?",
        r"hot flu?sh\w*|flushes|flashes|sweat\w*|menopaus\w*",
        r"wet(?:s|ting)? (?:the|his|her) bed|bed-?wetting|wet at night|accidents",
        r"operat\w+|surg\w+|removed|taken out|appendix|hysterectomy|transplant|implant|bypass|stent|caesarean",
        r"transfusions?|blood donor|donat\w+",
        r"ticks?|mosquito\w*|insects?|wasps?|bees?|bites?|bitten|stung|sting",
        r"holiday|trip|journey|flight|flew|travel\w*|abroad|cruise|camping|safari|trek\w*",
        r"tattoos?|piercings?",
        r"divorce\w*|bereave\w*|funeral|widow\w*|lost your (?:job|wife|husband|mother|father)|redundan\w+|separat\w+",
        r"miscarr\w+|stillb\w+|abortion|termination|pregnan\w*",
        r"mou?ld|asbestos|pesticide\w*|solvents?|fumes|chemicals?|dust",
        r"cigarettes?|smok\w+|vap(?:e|es|ed|ing)|roll-ups|packs?|pipe",
        r"wine|beers?|whisk\w+|drink\w*|vodka|alcohol\w*|gin|cannabis|cocaine|weed|joints",
        r"new (?:detergent|soap|shampoo|perfume|cream|washing powder|make-?up|mattress|carpet)|washing powder",
        r"(?:thirty|forty)[- ](?:seven|eight|nine|one|two)(?: point \w+)? ?(?:degrees)?|thirty-nine degrees|fever\w*"
        r"|temperature|hot|burning up|shiver\w*",
    )
)
_RECALLED = phrases(
    r"""
    you(?:'ve| have) (?:\w+ )?(?:had|been|taken|got|lost|moved|started|bought|given|stopped|fallen)|you(?:'d| had) had
    you (?:had|took|fell|were|went|got|lost|bought)|happened to you|your|those|that you|the one you
    (?:he|she)(?:'s| has) (?:started|been|had)|his|her|didn't hold
    (?:days?|weeks?|months?|nights?) (?:before|ago|running)
    already|in (?:spring|summer|autumn|winter|january|february|march|april|june|july|august|september|october|november
    december)|last (?:week|month|year|spring|summer|autumn|winter)|after the (?:first|second|last)
    """
)
_NOT_RECALLED = phrases(
    r"""
    if|would|could|might|may|can|should|will|i'll|we'll|i'd|let's|need|want|going to|people|patients|often|usually|most
    sometimes|when|whether|wonder\w*|think|like an?|i'm (?:\w+ )?(?:going|giving)|please|instead|next|tomorrow
    any|every
    no|not|never|without|don't
    """
)


def untold_circumstance(turn: Turn, text: str, earlier: str) -> str | None:
    """The circumstance that a sentence of a doctor's question recalls and that no earlier turn or fact holds.

    Args:
        turn: the doctor's turn; in an examination or a closing turn nothing is looked for.
        text: one sentence of it that asks nothing.
        earlier: all that was said, shown or stands on the card.
    """
    if turn.action != "ask" or not _RECALLED.search(text) or advises(text):
        return None
    for family in _FAMILIES:
        match = family.search(text)
        if match is None or imagined(text, match.start()) or of_others(text, match.start()):
            continue
        start, end = clause_at(text, match.start())
        if denied(text, match.start(), match.end()) or _NOT_RECALLED.search(text[start:end]):
            continue
        if not family.search(earlier) and not re.search(rf"\b{re.escape(match[0][:5])}", earlier, re.IGNORECASE):
            return match[0]
    return None
