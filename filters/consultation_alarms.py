"""Alarm features: what a patient says or a result shows that must send somebody somewhere urgently.

``ALARMS`` are wordings that alarm by themselves, by the name that stands in the evidence; ``TOGETHER`` are pairs of
sets of concepts of which one of each must be there. A list of our own, made for complaints that general practice and
emergency departments see often; it covers no speciality in full.
"""

from __future__ import annotations

from filters.phrasing import either

ALARMS = {
    "thunderclap headache": either(
        r"""
        thunderclap|worst headache|worst (?:pain|one) (?:of|in) my life
        headache.{0,40}(?:like being hit|like a (?:thunder|bolt|explosion)|reached its peak|exploded)
        like (?:someone|something|a bat) hit (?:me|my head).{0,40}head|worst headache
        """
    ),
    "breathlessness at rest": either(
        r"""
        (?:
            short of breath|breathless
            can(?:'t|not) (?:breathe|catch my breath|get (?:enough )?air|finish a sentence|speak in full)
            struggl\w+ (?:to breathe|for (?:air|breath))
        ).{0,30}(?:at rest|sitting still|even sitting|even when (?:i )?(?:sit|rest)|doing nothing)
        can(?:'t|not) (?:finish|complete|get out) (?:a )?(?:full )?sentences?|gasping for (?:air|breath)
        """
    ),
    "blue lips": either(
        r"""
        \b(?:lips?|face|fingers)\b.{0,20}\b(?:blue|bluish|grey)\b|\bblue lips\b|cyanos
        """
    ),
    "swelling of the airway": either(
        r"""
        \b(?:tongue|lips?|throat|face)\b.{0,25}\b(?:swell\w*|swollen|swelled|closing|tight\w*)\b.{0,80}\b(?:
            breath\w*|hives|rash|after|wheez\w*|sting|stung|bee|peanut\w*|nuts?|shellfish|swallow|throat
        )
        throat.{0,15}(?:closing|closed up)
        """
    ),
    "cold limb": either(
        r"""
        \b(?:leg|foot|arm|hand|toes|limb|fingers)\b.{0,40}\b(?:cold|icy|ice)\b.{0,60}\b(?:
            pale|white|numb|blue|mottled|pulse\w*|can't (?:feel|move)
        )
        \b(?:pale|white|numb|blue)\b.{0,40}\b(?:cold|icy)\b.{0,30}\b(?:leg|foot|arm|hand|limb)|pulseless
        no pulses? in
        """
    ),
    "torsion": either(
        r"""
        (?:testic\w++|scrot\w++|\bballs?\b|groin).{0,50}(?:sudden\w*|severe|agony|high|twisted|excruciating)
        (?:sudden\w*|severe|excruciating).{0,50}(?:testic\w++|scrot\w++)
        """
    ),
    "rash that does not fade": either(
        r"""
        rash.{0,60}(?:not fade|doesn't fade|don't fade|glass|non-?blanch\w*|purple)|petechi|purpur
        non-?blanching
        """
    ),
    "rigid abdomen": either(
        r"""
        \b(?:rigid|board-?like) (?:abdomen|belly|stomach|tummy)
        (?:abdomen|belly|stomach|tummy) (?:is|feels|was|has gone) (?:\w+ )?(?:rigid|hard as|like a board)
        rebound|peritonis\w+
        """
    ),
    "suicidal thoughts": either(
        r"""
        \bsuicid|kill(?:ing)? my\s*self|end(?:ing)? (?:my|it) (?:life|all)|want(?:ed)? to die
        better off (?:dead|without me)|(?:not|n't) want to (?:live|be (?:here|alive)|wake up|go on living)
        take my own life|no (?:reason|point) (?:to|in) (?:live|living|going on)
        saved up (?:my )?(?:pills|tablets)|hurt myself
        """
    ),
    "stroke signs": either(
        r"""
        face.{0,25}droop|droop\w*+.{0,25}(?:face|mouth|smile)|slurr\w+
        (?:can't|couldn't|cannot) (?:move|lift|raise|feel) (?:my )?(?:left|right|one|arm\b|leg\b)
        (?:weak\w*+|numb\w*+).{0,30}(?:one side|(?:left|right) (?:side|arm|leg|hand))
        (?:one side|(?:left|right) (?:side|arm|leg|hand)).{0,30}(?:weak\w*+|numb\w*+|limp|heavy|gone dead)
        (?:left|right|one) (?:arm|leg|hand|half|side)\b.{0,50}(?:stopped working|won't (?:move|work|obey)|useless)
        words (?:came|come|are coming) out (?:wrong|jumbled|garbled)|hemipar|hemipleg
        """
    ),
    "loss of sight": either(
        r"""
        (?:lost|losing|loss of) (?:\w+ ){0,3}?(?:sight|vision)|can(?:'t|not) see (?:anything|out of)|curtain
        went (?:blind|dark|black)|(?:vision|sight).{0,25}(?:gone|went|disappeared)
        """
    ),
    "results of danger": either(
        r"""
        st[-\x20]?(?:segment )?elevation|troponin[^.]{0,30}(?:elevated|raised|high|positive|\b[1-9]\d)
        (?:elevated|raised|positive) troponin|saturation[^.]{0,20}\b(?:[5-8]\d|9[01])\s?%
        spo2[^.]{0,12}\b(?:[5-8]\d|9[01])\s?%|blood pressure[^.\d]{0,12}[4-8]\d\s?/\s?\d{2}|free air
        ring-enhancing|midline shift|lactate[^.\d]{0,12}(?:[4-9]|1\d)\.?\d*|papill?o?edema
        """
    ),
    "bleeding inside": either(
        r"""
        vomit\w*+.{0,20}blood|threw up.{0,20}blood|throw\w*+ up.{0,20}blood|blood.{0,20}vomit
        coffee[-\x20]grounds?|black.{0,12}(?:tarry|stool|poo|sticky)|tarry|ha?ematemesis|mela?ena
        stools?.{0,20}black
        """
    ),
    "saddle numbness": either(
        r"""
        numb\w*+.{0,40}(?:
            groin|saddle|between (?:my|the|his|her) legs|buttock|bottom|genital|private|inner thigh|sit\b
        )
        saddle an|(?:wet|soiled) myself|lost control of (?:my )?(?:bladder|bowel)
        can(?:'t|not) (?:feel when i|control my (?:bladder|bowel))|can't feel.{0,30}wip
        """
    ),
    "seizure": either(
        r"""
        \b(?:had|having) (?:a |my first )?(?:seizure|convulsion|fit)\b|convuls
        """
    ),
    "stridor": either(
        r"""
        \bstridor
        """
    ),
}

TOGETHER: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    (
        "chest pain with radiation, sweating, breathlessness or fainting",
        frozenset({"chest pain"}),
        frozenset({"sweating", "syncope", "jaw pain", "haemoptysis"}),
    ),
    ("fever with a stiff neck", frozenset({"fever", "head pain"}), frozenset({"neck stiffness", "saddle numbness"})),
    ("fever with confusion", frozenset({"fever", "chills"}), frozenset({"confusion", "seizure"})),
    (
        "pain or bleeding with fainting in pregnancy",
        frozenset({"pregnancy", "missed period"}),
        frozenset({"syncope", "vaginal bleeding", "abdomen pain"}),
    ),
    ("fainting on exertion or with palpitations", frozenset({"syncope"}), frozenset({"chest pain", "palpitations"})),
    (
        "swelling of face or tongue with breathlessness",
        frozenset({"rash"}),
        frozenset({"stridor", "swelling of the airway"}),
    ),
)
