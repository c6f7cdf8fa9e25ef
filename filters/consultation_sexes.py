"""What is said of one sex alone: organs and states, forms of address, comparisons with others of that sex."""

from __future__ import annotations

import re

from filters.phrasing import either, phrases

_MEN = r"man|male|gentleman|guy|boy|bloke|lad|chap|fella|fellow|schoolboy|widower|bachelor"
_WOMEN = r"woman|female|lady|girl|lass|gal|schoolgirl|housewife|widow"
_OWN = r"(?:my|your|an?\s+enlarged|the|his|her)\s+(?:\w+\s+){0,2}?"
FEMALE_ONLY = re.compile(
    rf"\b(?:{_OWN}(?:uterus|womb|ovar(?:y|ies)|ovarian|cervix|cervical\s+smear|vagina\w*|vulva\w*|tubes"
    rf"|cycles?|monthly\s+bleed\w*|monthlies|tampons?|ovulation|labour|bump(?!\s+(?:to|on|in|at|above|behind|under|near|there)\b)|c-section|caesarean|period"
    rf"|periods|menstrua\w*|menopaus\w*|pregnanc\w*|fallopian|placenta|pap\s+smear|breast-?feeding"
    rf"|hysterectomy|last\s+period|due\s+date|menses)|(?:i'm|i\s+am|you're|you\s+are|you\s+(?:be|might\s+be"
    rf"|may\s+be|could\s+be)|are\s+you|were\s+you|"
    r"currently|chance\s+(?:that\s+)?you(?:'re|\s+are|\s+could\s+be"
    r"|\s+might\s+be)?)\s+(?:\w+\s+){0,4}?(?:pregnant|breast-?feeding|menopausal|post-?menopausal|menstruating"
    r"|expecting\s+a\s+baby|lactating)|(?:pregnancy|pap|smear)\s+test|menopaus\w*|hysterectomy|pap\s+smear"
    r"|vaginal\s+\w+|trimester|pelvic\s+exam\w*\s+of\s+your\s+ovar\w+|(?:endometri|ovarian)\w*|g(?:ave|ive"
    r"|iving)\s+birth|change\s+of\s+life|ovulat\w*|menstruat\w*|post-?natal\w*|childbearing|(?:weeks"
    r"|months)\s+along\s+are\s+you|how\s+far\s+along\s+are\s+you|the\s+menopause|tampons?|sanitary\s+(?:pads?"
    r"|towels?)|polycystic\s+ovar\w+|antenatal\s+\w+|my\s+womb|your\s+womb|(?:your|my)\s+waters|nursing\s+(?:a"
    r"|your)\s+baby|since\s+giving\s+birth|your\s+(?:obstetrician|gyna?ecologist)|my\s+(?:obstetrician"
    r"|gyna?ecologist)|menstrual\s+\w+)\b",
    re.IGNORECASE,
)
MALE_ONLY = re.compile(
    rf"\b(?:{_OWN}(?:prostate|testic\w+|testis|testes|scrot\w+|penis|penile|foreskin|semen|erections?"
    rf"|prostatic|balls)|prostat\w+|PSA\s+(?:test|level|blood)|erectile\s+\w+|sperm\s+count|wet\s+dreams"
    rf"|morning\s+erections?|circumcis\w+|vasectomy|testicular\s+\w+|ejaculat\w+)\b",
    re.IGNORECASE,
)
SAYS_MALE = either(
    rf"""
    \b(?:
        (?:as|being|you(?:'re| are)|i(?:'m| am)|for|in) an? (?:[\w-]+ ){{0,4}}?(?:{_MEN})\b
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
    rf"""
    \b(?:
        (?:as|being|you(?:'re| are)|i(?:'m| am)|for|in) an? (?:[\w-]+ ){{0,4}}?(?:{_WOMEN})\b
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
    r"(?:men|gentlemen|males|boys)\b[^.;]*,? (?:just )?(?:like|such as) you(?:rself)?"
    r"|(?:man|boy|lad|gentleman|bloke|chap) (?:of |at )?your age"
    r"|(?:men|gentlemen|males|guys|lads|boys) (?:of |at |around )?your age|men like you|for a man in h(?:is|er)"
)
PEERS_FEMALE = phrases(
    r"(?:women|ladies|females|girls)\b[^.;]*,? (?:just )?(?:like|such as) you(?:rself)?"
    r"|(?:woman|girl|lady|lass) (?:of |at )?your age"
    r"|(?:women|ladies|females|girls) (?:of |at |around )?your age|women like you|for a woman in h(?:is|er)"
)
"""What compares the patient to others of a sex."""
PARENT_MALE = phrases(
    r"(?:as|being|i'm|i am|you're|you are) an? (?:\w+ ){0,2}?(?:father|dad|daddy|grandfather|grandad|grandpa"
    r"|husband|uncle)"
)
PARENT_FEMALE = phrases(
    r"(?:as|being|i'm|i am|you're|you are) an? (?:\w+ ){0,2}?(?:mother|mum|mom|mummy|grandmother|gran|grandma"
    r"|wife|aunt)"
)
"""What an adult patient may be called; of a child the parent speaks."""
