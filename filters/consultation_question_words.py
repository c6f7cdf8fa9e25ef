"""Words of questions: what kind of thing is asked, of which everyday topic, and which words say nothing of it.

Topics stand beside the concepts of :mod:`filters.consultation_concepts`: what doctors ask about that is no complaint
or illness (medicines, allergies, work, home). English only.
"""

from __future__ import annotations

import re

from filters.phrasing import either, phrases
from filters.text import words

KINDS = {
    "onset": phrases(
        r"""
        how long|when (?:did|was|were|do|does|has|have|exactly|first)|since when|for how (?:long|many)
        how many (?:days|weeks|months|hours|years)|duration|(?:for|over) what (?:time|period)
        """
    ),
    "place": either(
        r"\bwhere\b|\bwhich (?:part|side|area|spot)|\bshow me (?:where|the (?:place|spot))|\bpoint to\b"
        r"|\bwhereabouts\b"
        r"|\bwhat part\b|\blocat\w+\b"
    ),
    "degree": either(
        r"\bhow (?:bad|severe|strong|intense|much does it hurt|painful)|\bscale\b|\brate\b|\bout of (?:ten|10)\b"
        r"|\b(?:one|0|1|zero) to (?:ten|10)\b"
    ),
    "often": either(r"\bhow (?:often|frequent\w*|many times|regularly)\b|\bhow frequently\b"),
    "amount": phrases("how (?:much|many)|what (?:amount|quantity)"),
    "who": phrases("who|family|parents?|relatives?|siblings?|mother|father"),
    "why": either(r"\bwhy\b|\bwhat (?:brings|brought|made|triggers|causes|do you think)"),
    "colour": phrases("colou?rs?|clear or|look like"),
    "which": phrases("which"),
    "how": either(r"^\W*(?:\w+\W+){0,2}?how (?:is|are|was|were|has|have|do|does|did|would|'s)\b"),
}
_ARE_YOU = r"(?:are|were|is|was) (?:you|he|she|there)"
TOPICS = {
    "allergies": phrases(
        r"""
        allerg(?:ic|y|ies)(?: to)?(?: (?:anything|any (?:drugs?|medic\w+)|medic\w+|drugs))?
        (?:any )?(?:medic\w+|drugs?|tablets?|antibiotics?) (?:that )?(?:you )?(?:\w+ )?(?:
            react\w* (?:badly )?to|can't take|cannot take|don't tolerate|disagree\w*(?: with you)?|mustn't have
        )
        (?:medic\w+|drugs?|tablets?|antibiotics?) (?:can't|cannot|can) you (?:not )?(?:take|tolerate|have|stand)
        (?:react\w*|bad reaction|reaction)(?: badly)? to (?:any |a )?(?:medic\w+|drugs?|tablets?|anything|antibiotics?)
        """
    ),
    "own medicines": phrases(
        r"""
        (?:what|which|any|regular|your|other|current|usual|prescribed) (?:regular |usual |prescribed |current )*(?:
            medic\w+|meds|tablets|pills|drugs|prescriptions?
        )(?: (?:do |are |that )?you(?:'re)? (?:\w+ )?(?:take|taking|on|use|using))?(?: regularly| every day
         at the moment)?
        (?:take|taking|on|use|using) (?:any )?(?:regular |prescribed )?(?:medic\w+|meds|tablets|pills
        anything regularly)
        (?:take|taking|(?:you|he|she|been|still|now) on) (?:anything|something)(?: (?:regularly|daily))?(?! for)
        what do you take(?: regularly)?|what are you (?:taking|on)
        """
    ),
    "tried": phrases(
        r"""
        (?:taken|tried|used|done|take|try) (?:anything|something|any \w+|medic\w+|painkillers?)(?: so far)? (?:
            for (?:it|this|that|the \w+)|to (?:help|ease|relieve)
        )
        (?:what|which \w+|anything) have you (?:taken|tried|used|done)(?: (?:for|about) (?:it|this
        the \w+))?(?: so far)?
        """
    ),
    "work": phrases(
        r"do (?:you do )?for a living|what do you (?:do(?=\W*$)|work as)|your (?:job|work|occupation"
        r"|profession|trade)|employ\w+"
        r"|what (?:kind|sort) of work|do for work|line of work"
    ),
    "home": phrases(
        r"live with|lives with|live alone|at home with you|who(?:'s| is) at home|home situation|living situation"
    ),
    "pets": phrases(r"pets?|animals? (?:at home|in the house)|animals?"),
    "surgery": phrases(r"operations?|surger(?:y|ies)|operated(?: on)?|under the knife|procedures?"),
    "illnesses": phrases(
        r"(?:medical|health|long-term|chronic|past|other) (?:conditions?|problems?|illness(?:es)?|history|diseases?)"
        r"|illness(?:es)?|diseases?|medical history"
    ),
    "sleep": phrases(r"sleep\w*|slept|nights? rest"),
    "appetite": phrases(r"appetite|eating(?: well)?|off your food|eat(?:en)?(?: well| normally)"),
    "weight": phrases(
        r"weight (?:changed?|gone (?:up|down)|dropped|been|loss|gain\w*)|(?:lost|gained|put on|losing"
        r"|gaining) (?:any )?weight"
        r"|weight|scales say|clothes \w+ (?:loose|tight)\w*|weigh(?:ed)?"
    ),
    "periods": phrases(r"(?:last )?(?:periods?|menstrua\w*|menses|monthly bleed\w*|cycles?)"),
    "pregnant": phrases(r"pregnan\w*|expecting(?: a (?:baby|child))?"),
    "alcohol": phrases(
        r"alcohol(?:ic)?(?: drinks?)?|drink (?:any )?alcohol|drinks|drinker|beers?|wine|drink(?=\W*$)|drink in a"
    ),
    "smoking": phrases(r"smok\w*|cigarettes?|tobacco|vap(?:e|ing)"),
    "urine": phrases(
        r"waterworks|urin(?:e|ary|ating|ate|ation)|pass(?:ing|ed)? (?:water|urine)|pee(?:ing)?|wee(?:ing)?"
        r"|your water|bladder"
    ),
    "blood in stool": phrases(
        r"blood (?:\w+ ){0,5}?(?:wip(?:e|ing)|stools?|poo|motions?|toilet|bowels?|back passage|bottom)"
        r"|bleed\w* (?:\w+ ){0,3}?(?:back passage|bottom|below)|(?:stools?|poo|motions?) (?:\w+ ){0,2}?blood\w*"
    ),
    "insects": phrases(r"stung|stings?(?= (?:him|her|you))|bitten|insects?|ticks?|bees?|wasps?"),
    "bowels": phrases(
        r"bowels?(?: movements?| habits?)?|open your bowels|motions|go to the (?:toilet|loo|bathroom)|stools?"
        r"|poo(?:ping)?"
    ),
    "worse": phrases(
        r"(?:makes?|making|made) (?:it|this|that|them|the \w+) (?:\w+ )?worse|worsens? (?:it|this|the \w+)|aggravat\w+"
        r"|(?:brings?|brought)(?= (?:\w+ ){1,3}on\b)"
        r"|(?:sets?|setting)(?= (?:\w+ ){1,3}off\b)|(?:brings?|sets?|setting) (?:on|off)|trigger\w*"
    ),
    "better": phrases(
        r"(?:makes?|making|made) (?:it|this|that|them|the \w+) (?:\w+ )?better|eases? (?:it|this|the \w+)|reliev\w+"
        r"|helps? (?:it|this|with it)"
    ),
    "radiation": phrases(
        r"(?:pain |it |ache )?(?:go|goes|going|spread\w*|radiat\w*|move|moves|travel\w*"
        r"|shoot\w*) (?:anywhere(?: else)?"
        r"|somewhere(?: else)?|elsewhere|to (?:any|other|another)\b[ \w]*)"
    ),
    "character": phrases(
        r"(?:sharp|dull|stabbing|burning|aching|throbbing)(?:,? (?:or )?(?:sharp|dull|stabbing|burning|aching"
        r"|throbbing))+"
        r"|what(?:'s| is| does) (?:the|your|it) ?(?:pain|ache)? (?:feel )?like|describe (?:the|your|this) pain"
        r"|what (?:kind|sort|type) of pain"
    ),
    "contacts": phrases(
        r"(?:anyone|anybody|someone|somebody|people|others?)(?: else)? (?:\w+ ){0,4}?(?:ill|sick|unwell|poorly"
        r"|the same|has it)"
        r"|in contact with (?:anyone|someone|people|sick)\b[ \w]*|others? (?:at home|around you) \w+"
    ),
    "head injury": phrases(
        r"(?:hit|bang\w*|knock\w*|bump\w*|hurt|injur\w+) your head|(?:blow|knock|injury) to (?:the|your) head"
    ),
    "travel": phrases(r"abroad|travel\w*|overseas|foreign|out of the country|been away|holidays?|trips?"),
    "exercise": phrases(r"exercis\w*|sports?|work out|gym|physically active"),
    "vaccinations": phrases(r"vaccin\w*|jabs?|immuni[sz]\w*|up to date with"),
    "stress": phrases(r"stress\w*|under (?:a lot of )?pressure"),
    "children": phrases(r"(?:any |many )?(?:children|kids)"),
    "last meal": phrases(r"last (?:eat|ate|meal|have something to eat)"),
    "fingers": phrases(r"fingers?"),
}
"""What a doctor asks about, by whatever words, where it is no concept; a place that is named here counts as that."""
STATES = frozenset(("sleep", "appetite", "bowels", "urine", "weight", "periods", "stress", "home"))
"""Topics of which "how is it" and "is it all right" ask the same."""
NAMED = frozenset(("allergies", "own medicines"))
"""Topics of which whether, which and what ask the same: the answer is a list or nothing."""
PARTS = re.compile(
    r"(?:,|;|\s[-\u2013\u2014])?\s+(?:and|or)\s+(?=(?:how|what|when|where|which|who|since|is|are|do|does|did"
    r"|has|have|had|was|were|can"
    r"|could|any)\b)"
    r"|[,;:]\s+(?=(?:how|what|when|where|which|who|since when|is|are|do|does|did|has|have|had|was|were|can|could)\b)"
    r"|(?:,|\s+(?:and|or))\s+(?:could you |can you )?show me\b",
    re.IGNORECASE,
)
"""Where one sentence asks two questions."""
SAME_WORD = {
    "eyesight": "vision", "sight": "vision", "seeing": "vision", "diarrhea": "diarrhoea", "smoker": "smoke",
    "poorly": "unwell", "ill": "unwell", "bothered": "trouble", "bothering": "trouble", "itchy": "itch",
}  # fmt: skip
POINTS = re.compile(r"\b(?:it|this|that|they|them|these|those|there|he|she)\b")
IDLE = frozenset(
    words(
        """
        a about actually again ago all alright also am an and any anyone anything are as ask at bad be been
        before began begin begun being bring brings brought by can could currently day days describe did do
        doctor does doing else ever exactly experience experienced experiencing feel feeling felt first for
        from get getting going good great had happen happened has have having he her him his how i if in is
        it its just kind know last lately let like long many may me mention mentioned more much my need
        notice noticed noticing now of often ok okay on once one or other part please problem problems rate
        recently right said say scale severe she show side since so some something sorry sort start started
        strong such symptom symptoms tell thank thanks that the their them then there these they thing this
        those time times to today told type understand us want was we week weeks well were what when where
        whether which while who will with would you your yourself
        trouble troubles suffer suffered suffering find found come comes coming came quite really there
        chance possible possibility regular regularly usual usually normally whatsoever present currently
        regarding anywhere anybody somebody someone point months month years year hours recent running run high
        remind repeat spot spotted seen set off changes change changed playing particular
        several past few maybe perhaps own self herself himself affect affected involved
        """
    )
)
"""Words that say nothing of what is asked about."""
