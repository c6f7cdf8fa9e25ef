"""Word lists of :mod:`filters.consultation_results`: how examinations and tests are called, and who made them.

Lists only: what a find means is decided there. English; names of tests that neither end as tests do ("-scopy") nor
stand in :mod:`filters.consultation_concepts` or here are not seen.
"""

from __future__ import annotations

import re

from filters.phrasing import either, phrases

CITES = phrases(
    r"""
    you(?:'ve| have)? (?:also |just |already |clearly )?(?:have|had|been|mention\w*|said|told|report\w*|describ\w*)
    you(?:'ve| have)? (?:also |just |already |clearly )?(?:complain\w*|not(?:ed|iced?)|experienc\w*|felt|feel|got|get)
    you(?:'ve| have)? (?:also |just |already )?(?:suffer\w*|take|took|were|started|develop\w*|smok\w*|drink|stated)
    you(?:'ve| have)? (?:also |just |already )?(?:drank|indicated|explained|vomit\w*|cough\w*|los[te]\w*|wake)
    you(?:'ve| have)? (?:also |just |already )?underwent
    you are (?:also )?(?:having|experiencing|taking|feeling|getting|running|on|allergic)
    you're (?:having|experiencing|taking|on|allergic|running|feeling|getting|also|cough\w*|vomit\w*|sweat\w*|bleed\w*)
    you've|your|(?:the|this|that|these|those) (?:\w+ ){0,3}?(?:you|and|together|with)|(?:he|she) (?:has|had)|his|her
    given|since|because|due to|now that|as (?:you|he|she|your|his|her)
    that (?:he|she) (?:\w+ )?(?:complain|report|mention)\w*|combin\w+|along with|together with|as well as|in view of
    with (?:the|your|this|that|such)
    considering|based on|in light of|on top of|plus|associated|consistent|suggests?|points?|fits?|explains?
    history of|known
    """
)
"""Words around a concept that say it is the patient's own."""

HANDS_ON = phrases(
    r"""
    i (?:can |could |just |also )?(?:hear|heard|feel|felt|see|saw|found|noticed|noted|detect\w*|palpat\w*|observed?)
    i (?:can |could )?(?:measured|picked up)|my exam\w*|your (?:physical )?exam\w*
    (?:on|from|during) (?:my |the |your |physical )*(?:exam\w*|auscultation|palpation|percussion|inspection)
    when i (?:listen|press|examine|touch|look|check|tapp?|feel|palpate|measure|let go)(?:e?d)?|when i felt
    the (?:physical )?exam\w* (?:shows?|showed|reveal\w*|was|is|find\w*|confirm\w*)
    """
)
"""The doctor's own hands, eyes and ears."""
BY_TOUCH = phrases(
    r"""
    i (?:just |also |clearly )?(?:can |could )?(?:just |also |clearly )?(?:heard|felt|palpated)(?! (?:you|that
    like|sorry)\b)
    i (?:can|could) (?:just |also |clearly )?(?:hear|feel)(?! (?:you|that)\b)
    (?<!while\x20)(?<!if\x20)(?<!when\x20)(?<!as\x20)i (?:hear|feel) (?:an?|some|no|fluid|crackl\w+|wheez\w+)(?=\s)
    my exam\w* (?:found|shows?|showed|reveal\w*|confirm\w*|was|is)
    (?:on|during) (?:my |the |your |physical )*(?:exam\w*|auscultation|palpation|percussion)
    when i (?:listened|pressed|examined|tapped|palpated|let go|felt)
    """
)
"""The doctor has listened or touched, which the patient could not do."""
IN_THE_BODY = phrases(
    r"""
    spleen|liver|kidneys?|lungs?|heart|bowels?|womb|uterus|ovar\w+|prostate|thyroid|pulses?|arter\w+|glands?|nodes?
    belly|tummy|abdomen|stomach|chest|breasts?|neck|groin|back|ribs?|spine|testic\w+|lump|mass|murmur|crackl\w+
    wheez\w*
    whistl\w+|rattl\w+|rubb?ing|swelling|swollen|resistance|tender\w*|fluid|hernia|sounds?|bladder|joints?|knees?|bulge
    side|hip|shoulder|skin|throat|ears?|gallop|bruit|clicks?|crunch\w*|nodule|cyst
    """
)
ORGAN = phrases(
    r"""
    spleen|liver|prostate|uterus|womb|cervix|ovar(?:y|ies)|tonsils?|reflexes|pupils?|retinas?|optic nerves?|eardrums?
    carotids?|heart sounds?|breath sounds?|lymph nodes|glands|lungs|fundi|gag reflex|neck veins|heart rate|heart rhythm
    """
)
"""What only an examination can describe."""

UNLISTED = re.compile(
    r"\b(?:(?!tele|kilo|milli|micro|centi|dia|pro|para|bio|photo|geo|sym|auto|ana|epi)[a-z-]{3,}(?:oscop(?:y|ies)|ograph(?:y|ies)"
    r"|ometr(?:y|ies)|ograms?|centesis|opsy|opsies)"
    r"|(?:[\w-]+\s+)?(?:tests?|scans?|swabs?|cultures?|smears?|screening|biopsy|dipstick|histology|pathology|puncture"
    r"|conduction study|sleep study|results|bloods|lab(?:oratory)?|titres?|titers?|serology|studies"
    r"|x-rays?|titration))(?!\w)",
    re.IGNORECASE,
)
ANALYTE = re.compile(
    r"\b(?:ha?emoglobin|platelets?|neutrophils?|lymphocytes?|eosinophils?|leu[ck]ocytes?|retics?|MCV|ferritin|transferrin"
    r"|albumin|bilirubin|GGT|ALP|ALT|AST|LDH|CK|amylase|lipase|urea|creatinine|eGFR|urate|uric acid|sodium|potassium"
    r"|calcium|magnesium|phosphate|bicarbonate|chloride|lactate|pH|ketones|glucose|HbA1c|A1c|TSH|T3|T4|cortisol|PTH"
    r"|prolactin|FSH|LH|hCG|testosterone|oestradiol|estradiol|vitamin D|B12|folate|INR|APTT|fibrinogen|D-dimer"
    r"|troponin"
    r"|BNP|CRP|ESR|procalcitonin|PSA|CA-?125|CEA|AFP|ANA|ANCA|IgE|IgA|calprotectin|osmolality|ammonia|lithium|digoxin"
    r"|viral load|CD4|saturations?|sats|oxygen|temperature|pulse|heart rate|blood pressure|peak flow|BMI|cholesterol"
    r"|LDL|HDL|triglycerides?|ejection fraction|T-score|eye pressure|respiratory rate|blood sugar|sugar|white count"
    r"|haematocrit|hematocrit|bone density|visual acuity|blood gas|pressure|lung function)(?!\w)",
    re.IGNORECASE,
)
THERE_IS = re.compile(
    r"\bthere(?:'s| is| are| was| were)\s+(?:\w+\s+){0,3}?$|\bwith (?:that|this|the|your)\s+$", re.IGNORECASE
)
SIGN_STATED = re.compile(
    r"^\s*(?:is|are|was|were|on (?:my|the) exam|in (?:your|the|both)|at (?:the|both|your))\b", re.IGNORECASE
)
OWN_TREATMENT = phrases(
    r"""
    (?:blood pressure|cholesterol|sugar|heart|thyroid|oxygen) (?:tablets?|pills?|medic\w+|mask|cylinder|drugs?|machine)
    (?:mask|drip|prongs|nasal|litres?|bringing|giving|some|more|on|extra|enough) (?:\w+ )?oxygen|oxygen (?:and
    through|by)
    """
)
BARE = either(r"\b(?:the|your|his|her|this|that|a|first|last|new|latest|\w+ing)\s+$|^\W*$")
"""Before a wide name of a test: nothing that narrows it."""
GENERIC = frozenset(
    [
        "tests",
        "test",
        "results",
        "result",
        "scan",
        "scans",
        "blood",
        "bloods",
        "studies",
        "study",
        "sample",
        "picture",
        "pictures",
        "readings",
        "labs",
        "lab",
    ]
)
PLACE = re.compile(
    r"^\s*(?:of|from|in|on)\s+(?:the|your|his|her|both)?\s*(?:\w+\s+){1,3}?(?=(?:is|was|were|are|show\w*|came|has|confirm\w*|reveal\w*)\b)",
    re.I,
)
"""The place from which a sample or a picture was taken, which is no finding."""
NO_CONTENT = frozenset(
    [
        "shows",
        "showed",
        "shown",
        "there",
        "these",
        "those",
        "which",
        "normal",
        "abnormal",
        "raised",
        "elevated",
        "levels",
        "level",
        "result",
        "results",
        "tests",
        "blood",
        "about",
        "looks",
        "looked",
        "comes",
        "came",
        "clear",
        "found",
        "finds",
        "finding",
        "findings",
        "really",
        "quite",
        "still",
        "slightly",
        "little",
        "positive",
        "negative",
        "your",
        "yours",
        "their",
        "other",
        "after",
        "before",
        "today",
        "morning",
        "again",
        "first",
        "suggests",
        "confirm",
        "confirms",
        "confirmed",
        "reveal",
        "revealed",
        "reveals",
        "right",
        "because",
        "where",
        "while",
        "points",
        "would",
        "could",
        "should",
        "clearly",
        "value",
        "values",
        "heart",
        "under",
        "above",
        "below",
    ]
)
_IMAGES = frozenset({"CT", "MRI", "ultrasound", "echocardiogram", "scan", "angiogram", "mammogram", "X-ray"})
_BLOOD = frozenset(
    {"blood count", "white cells", "CRP", "glucose", "kidney function", "liver function", "electrolytes", "troponin"}
    | {"thyroid function", "lipids", "D-dimer", "BNP", "lipase", "lactate", "ferritin", "PSA", "antibody", "uric acid"}
    | {"coagulation", "CK", "hormones", "blood test", "culture"}
)
_VITAL = frozenset({"blood pressure", "pulse", "temperature", "oxygen saturation", "respiratory rate", "fever"})
FAMILIES = {"scan": _IMAGES, "X-ray": frozenset({"chest X-ray"}), "blood test": _BLOOD, "vital signs": _VITAL}
"""A wide name of a test and the narrower ones of which any makes it known."""
NOT_MEASURED = _IMAGES | {
    "chest X-ray",
    "endoscopy",
    "biopsy",
    "ECG",
    "EEG",
    "examination",
    "lungs",
    "heart",
    "abdomen",
}
