"""What is said of one sex alone: organs and states, forms of address, comparisons with others of that sex."""

from __future__ import annotations

import re

from filters.phrasing import either, phrases

_OWN = r"(?:my|your|an?\s+enlarged|the|his|her)\s+(?:\w+\s+){0,2}?"
FEMALE_ONLY = re.compile(
    rf"\b(?:{_OWN}(?:uterus|womb|ovar(?:y|ies)|ovarian|cervix|cervical\s+smear|vagina\w*|vulva\w*|period"
    rf"|periods|menstrua\w*|menopaus\w*|pregnanc\w*|fallopian|placenta|pap\s+smear|breast-?feeding"
    rf"|hysterectomy|last\s+period|due\s+date|menses)|(?:i'm|i\s+am|you're|you\s+are|you\s+(?:be|might\s+be"
    rf"|may\s+be|could\s+be)|are\s+you|were\s+you|"
    r"currently|chance\s+(?:that\s+)?you(?:'re|\s+are|\s+could\s+be|\s+might\s+be)?)\s+(?:\w+\s+){0,4}?(?:pregnant|breast-?feeding|menopausal|post-?menopausal|menstruating|expecting\s+a\s+baby|lactating)|(?:pregnancy|pap|smear)\s+test|menopaus\w*|hysterectomy|pap\s+smear|vaginal\s+\w+|trimester|pelvic\s+exam\w*\s+of\s+your\s+ovar\w+|(?:endometri|ovarian)\w*|gave\s+birth|(?:your|my)\s+waters|nursing\s+(?:a|your)\s+baby|since\s+giving\s+birth|your\s+(?:obstetrician|gyna?ecologist)|my\s+(?:obstetrician|gyna?ecologist)|menstrual\s+\w+)\b",
    re.IGNORECASE,
)
MALE_ONLY = re.compile(
    rf"\b(?:{_OWN}(?:prostate|testic\w+|testis|testes|scrot\w+|penis|penile|foreskin|semen|erections?|prostatic|balls)|prostat\w+|PSA\s+(?:test|level|blood)|erectile\s+\w+|vasectomy|testicular\s+\w+|ejaculat\w+)\b",
    re.IGNORECASE,
)
SAYS_MALE = either(
    r"""
    \b(?:
        (?:as|being|you(?:'re| are)|i(?:'m| am)|for|in) an? (?:[\w-]+ ){0,4}?(?:man|male|gentleman|guy|boy)\b
        \d+[\s-]year[\s-]old (?:\w+ )?(?:man|male|gentleman|boy)\b
        (?:
            ^|[,.!?]\s*
            \b(?:yes|no|hello|hi|thank you|thanks|okay|morning|afternoon|right|alright|well|see|sorry)\s*,?\s*
        )(?:sir|mister|young man)\b
        \b(?-i:Mr\.? [A-Z][a-z])
    )
    """
)
SAYS_FEMALE = either(
    r"""
    \b(?:
        (?:as|being|you(?:'re| are)|i(?:'m| am)|for|in) an? (?:[\w-]+ ){0,4}?(?:woman|female|lady|girl)\b
        \d+[\s-]year[\s-]old (?:\w+ )?(?:woman|female|lady|girl)\b
        (?:
            ^|[,.!?]\s*
            \b(?:yes|no|hello|hi|thank you|thanks|okay|morning|afternoon|right|alright|well|see|sorry)\s*,?\s*
        )(?:ma'am|madam|miss|young lady)\b
        \b(?-i:(?:Mrs|Ms|Miss)\.? [A-Z][a-z])
    )
    """
)
PEERS_MALE = phrases(
    r"(?:men|gentlemen|males|boys)\b[^.;]*,? (?:just )?like you|(?:man|boy|lad|gentleman) (?:of|at) your age"
    r"|(?:men|gentlemen|males|guys) (?:of|at|around) your age|men like you|for a man in h(?:is|er)"
)
PEERS_FEMALE = phrases(
    r"(?:women|ladies|females|girls)\b[^.;]*,? (?:just )?like you|(?:woman|girl|lady) (?:of|at) your age"
    r"|(?:women|ladies|females) (?:of|at|around) your age|women like you|for a woman in h(?:is|er)"
)
"""What compares the patient to others of a sex."""
