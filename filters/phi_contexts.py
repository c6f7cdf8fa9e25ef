"""What stands beside a person's name: titles, labels, introductions, relatives, greetings, ages, degrees.

Patterns alone, each ending (or starting) where the name starts (or ends); :mod:`filters.phi_names` says which are
trusted how far. White space at the start of a pattern is bounded, for a pattern that may begin anywhere in a run of
spaces takes time in the square of its length.
"""

from __future__ import annotations

import re
from collections.abc import Collection

TITLE = re.compile(
    r"\b(?:(?:Mr|Mrs|Ms|Mx|Messrs|Dr|Drs|Prof|Rev|Hon|Sgt|Capt|Sr|Sra|Srta|Mme|Mlle|Sig)\b\.?"
    r"|(?:MR|MRS|MS|DR|PROF)\b\.?(?=[ \u00a0]+[A-ZÀ-Þ]{2}[A-ZÀ-Þ'-]+\b)|Mister|Missus|Señor|Señora|Señorita|Monsieur"
    r"|Madame|Mademoiselle|Herr|Frau|Signor|Signora|Senhor|Senhora|Dona|Doña|Shri|Smt\.?)[ \u00a0]{1,2}(?=\S)"
)
ROLE_TITLE = re.compile(
    r"\b(?:Miss|Doctor|Professor|Nurse|Reverend|Rabbi|Imam|Sheikh|Sister|Father|Brother|doctor|nurse|professor|mister|missus)"
    r"[ \u00a0]{1,2}(?=\S)"
)
LOWER_TITLE = re.compile(r"\b(?:mr|mrs|ms|dr|prof)\s?\.\s{0,2}(?=[^\W\d_])")
NAME_IS = re.compile(
    r"(?<![\w-])(?:my(?:\s+(?:full|first|last|sur))?\s*names?(?:\s+is|['\u2019]s)|(?:his|her|their"
    r"|patient['\u2019]s)\s+name\s+"
    r"(?:is|was)|(?:he|she|who|I['\u2019]m|am|son|daughter|patient)\s+(?:is\s+)?(?:called|named)|goes\s+by"
    r"|(?:you\s+can|please|just)\s+call\s+me"
    r"|(?:man|woman|boy|girl|male|female|gentleman|lady|child)\s+(?:named|called|by\s+the\s+name\s+of)"
    r"|me\s+llamo|mi\s+nombre\s+es|je\s+m['\u2019]appelle|mon\s+nom\s+est|ich\s+hei(?:ß|ss)e|mein\s+name\s+ist"
    r"|mi\s+chiamo"
    r"|il\s+mio\s+nome\s+è|meu\s+nome\s+é|(?:eu\s+)?me\s+chamo|меня\s+зовут)\s+",
    re.IGNORECASE,
)
CJK_IS = re.compile(r"(?:我叫|我的名字是|姓名\s*[:：]|氏名\s*[:：]|患者名\s*[:：])\s*(?=\w)")
NAME_LABEL = re.compile(
    r"(?<![\w-])(?<!drug )(?<!generic )(?<!brand )(?<!trade )(?<!study )(?<!file )(?<!gene )(?<!disease )(?<!common )"
    r"(?<!test )(?<!product )(?:(?:sur|nick|last|first|family|given|middle|maiden|full|legal|patient|pt|client"
    r"|mother['\u2019]?s|father['\u2019]?s"
    r"|guardian['\u2019]?s|contact|spouse['\u2019]?s)[ _]?){0,3}names?(?:\s+of\s+(?:the\s+)?\w+)?\s*[:=]\s*"
    r"|(?<!\w)(?:nombres?|apellidos?|nom|prénom|nachname|vorname|nome|cognome|sobrenome|имя|фамилия|фио)\s*[:=]\s*",
    re.IGNORECASE,
)
ROLE_LABEL = re.compile(
    r"(?<![\w-])(?:next\s+of\s+kin|emergency\s+contact|attending(?:\s+physician)?|(?:primary\s+care|referring"
    r"|ordering|admitting)"
    r"\s+(?:physician|provider|doctor|clinician)|pcp|gp|(?:assistant\s+)?surgeon|an(?:a)?esthesi(?:ologist|st)"
    r"|consultant"
    r"|radiologist|pathologist|guardian|interpreter|informant|witness(?:ed)?(?:\s+by)?|(?:dictated|transcribed"
    r"|prepared|reviewed"
    r"|authored|verified|signed|entered|collected|authorized)(?:\s+by)?|signature|cc|attn|attention|spouse"
    r"|author|complainant|claimant|applicant|caller|insured|policy\s?holder|beneficiary|resident|submitting|employee|tenant"
    r"|requested\s+by|social\s+worker|case\s+manager|therapist|counsell?or|physiotherapist|midwife|carer|teacher|donor"
    r"|recipient)\s*[:/]\s*"
    r"|(?<![\w-])(?:electronically\s+)?(?:signed|dictated|transcribed|countersigned|cosigned)\s+by\s+"
    r"|(?<![\w-])(?:sincerely|regards|respectfully|faithfully)(?:\s+yours)?,?\s+(?=\S)",
    re.IGNORECASE,
)
PATIENT_LABEL = re.compile(
    r"(?<![\w-])(?:patient|pt|client|re|subject|paciente|patientin|paziente|physician|provider|nurse|doctor|clinician"
    r"|contact|caregiver|mother|father|husband|wife|son|daughter)\s*:\s*",
    re.IGNORECASE,
)
DEAR = re.compile(r"\b[Dd]ear\s+(?=\S)")
RELATIVE = re.compile(
    r"\b(?:(?:[Mm]y|[Hh]is|[Hh]er|[Tt]heir|[Yy]our|the|patient['\u2019]s|is|and)\s+)(?:\w+[ -])?(?:brother|sister"
    r"|husband|wife|son|daughter|mother|father"
    r"|mom|dad|uncle|aunt|cousin|niece|nephew|grandmother|grandfather|grandson|granddaughter|partner|spouse"
    r"|fianc[ée]e?"
    r"|girlfriend|boyfriend|friend|neighbo(?:u)?r|caregiver|guardian|roommate|stepmother|stepfather|twin)"
    r"(?:-in-law)?(?:\s*[,(]\s*|\s+(?:is\s+)?)"
)
WITH = re.compile(
    r"\b(?:seen|evaluated|examined|referred|assessed|followed|accompanied|treated|consulted|interviewed|brought\s+in"
    r"|performed"
    r"|operated\s+on)\s+(?:(?:today|in\s+(?:the\s+)?\w+)\s+)?by\s+|\b(?:spoke(?:n)?|discussed|spoke\s+today|met|consulted|speaking"
    r"|appointment|follow(?:ed|s)?[ -]up"
    r"|visit)\s+(?:\w+\s+)?with\s+|\bcare\s+of\s+|\bpatient\s+(?=[^\W\d_])|\bspeaking\s+to\s+|\b(?:social\s+worker|case\s+manager|physiotherapist|therapist|counsell?or|midwife|interpreter|carer"
    r"|caregiver|neighbou?r|landlord|teacher|paramedic|pharmacist|surgeon|physician|gp|registrar|intern|colleague)\s+",
    re.IGNORECASE,
)
GREETING = re.compile(
    r"\b(?:hi|hello|hey|good\s+(?:morning|afternoon|evening)|thank\s+you|thanks|welcome(?:\s+back)?|goodbye|bye|take\s+care"
    r"|how\s+are\s+you(?:\s+(?:doing|feeling))?(?:\s+today)?|don['\u2019]t\s+worry|nice\s+to\s+(?:meet|see)\s+you)\s*,?\s+(?=\w)",
    re.IGNORECASE,
)
I_AM = re.compile(r"\b(?:I['\u2019]m|I\s+am|[Tt]his\s+is|[Ii]t['\u2019]s)\s+(?=\w)")
AGE = re.compile(
    r"(?:\s{1,3}(?:is|was)\s{1,3}an?|,\s{1,3}(?:an?\s{1,3})?(?:is\s{1,3}an?\s{1,3})?|\s{1,3}\("
    r"|\s{1,3})\s{0,3}(?:[a-z]+[ ,]+){0,3}?(?:age[d:]?\s{1,3})?(?:\d{1,3}"
    r"|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:-\w{3,5})?(?=[- ]year))\s{0,3}[- ]?"
    r"(?:(?:years?|yrs?|months?|weeks?)[- ]*(?:old|of\s{1,3}age)|y\.?\s?/?o\b|(?:M|F)\b)"
)
VERB = re.compile(
    r"\s{1,3}(?:(?:has\s{1,3}|had\s{1,3})?(?:presents?|presented|reports?|reported|denies|denied|complains?|complained|returns?"
    r"|returned|states|stated)"
    r"|was\s{1,3}(?:admitted|seen|referred|discharged|born|brought|diagnosed|evaluated|transferred|started)|called"
    r"|underwent"
    r"|lives\s{1,3}(?:at|in|with)|can\s{1,3}be\s{1,3}reached|of\s{1,3}\d+\s{1,3}[A-Z])\b"
)
CREDENTIAL = re.compile(
    r",?\s{1,3}(?:M\.?D\.?|D\.?O\.?|R\.?N\.?|N\.?P\.?|PA-C|Ph\.?D\.?|MBBS|MBChB|FRCP|FRCS|FACC|FACS|LCSW|DPT|DDS|CRNA|BSN"
    r"|MSN|PharmD)(?![\w-])"
)
RECORD = re.compile(
    r",?\s{0,3}[(,]?\s{0,3}(?:DOB|D\.O\.B\.|MRN|date\s+of\s+birth|(?:was\s{1,3})?born\s+(?:on\s+)?(?:the\s+)?\d)"
    r"|\s{0,3}[(,]\s{0,3}(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|(?:19|20)\d\d-\d\d-\d\d"
    r"|\+?\(?\d\d[\d .()-]{6,18}\d)(?!\w)",
    re.IGNORECASE,
)
LOWER_RECORD = re.compile(
    r"(?<![^\s\]])(?P<name>[a-z'-]{2,20} [a-z'-]{2,20})\s*[,.]?\s*(?:uh\s*,\s*)?(?:his\s+"
    r"|her\s+)?(?:date\s+of\s+birth|dob|mrn|medical\s+record)\b"
)
OF_DISEASE = re.compile(
    r"(?:['\u2019]s?)?[\s-]+(?:(?:[a-z]+[\s-]+)?(?:disease|syndrome|signs?|test|scores?|scale|criteria|palsy|lymphoma"
    r"|classification"
    r"|stage|grade|tumou?r|anomaly|contracture|thyroiditis|reflex|manoeuvre|maneuver|procedure|fracture|dementia)\b"
    r"|et\s+al\b)"
)
_THING = (
    r"(?:nodules?|murmurs?|pupils?|contractions|drains?|bod(?:y|ies)|nodes?|lesions?|spots?|cysts?|sarcomas?|angina"
    r"|gangrene|hernias?|phenomenon|catheters?|protein(?:uria)?s?|lymphomas?|syndromes?|disease|palsy|ataxia|neuromas?"
    r"|anaemia|anemia|purpura|arteritis|tumou?rs?|fractures?|contractures?|signs?|class(?:ification)?)\b"
)
OF_THING = re.compile(rf"(?:['\u2019]s?)?[ -]{_THING}", re.IGNORECASE)
"""What is named after somebody stands at once behind the name: "Sister Mary Joseph nodule"."""
OF_MEDICINE = re.compile(
    r"\s{1,2}(?:\d+(?:[.,/]\d+)*\s?(?:mg|mcg|µg|micrograms?|g|ml|units?|iu|%|puffs?)\b"
    r"|(?:tablets?|capsules?|pills?|inhalers?|injections?|pens?|patch(?:es)?|cream|ointment|syrup|suspension|drops)\b)",
    re.IGNORECASE,
)
"""A dose or a form stands behind the name of a medicine."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPENINGS: dict[re.Pattern[str], Collection[str]] = {
    TITLE: _words(
        "mr mrs ms mx messrs dr drs prof rev hon sgt capt sr sra srta mme mlle sig mister missus señor señora"
        " señorita monsieur madame mademoiselle herr frau signor signora senhor senhora dona doña shri smt"
    ),
    ROLE_TITLE: _words("miss doctor professor nurse reverend rabbi imam sheikh sister father brother mister missus"),
    LOWER_TITLE: _words("mr mrs ms dr prof"),
    NAME_IS: _words(
        "my myname mynames his her their patient he she who i am son daughter goes you please just man woman"
        " boy girl male female gentleman lady child me mi je mon ich mein il meu eu меня"
    ),
    ROLE_LABEL: _words(
        "next emergency attending primary referring ordering admitting pcp gp assistant surgeon"
        " anesthesiologist anesthesist anaesthesiologist anaesthesist consultant radiologist pathologist"
        " guardian interpreter informant witness witnessed dictated transcribed prepared reviewed authored"
        " verified signed entered collected authorized signature cc attn attention spouse author complainant"
        " claimant applicant caller insured policy policyholder beneficiary resident submitting employee"
        " tenant requested social case therapist counselor counsellor physiotherapist midwife carer teacher"
        " donor recipient electronically countersigned cosigned sincerely regards respectfully faithfully"
    ),
    PATIENT_LABEL: _words(
        "patient pt client re subject paciente patientin paziente physician provider nurse doctor clinician"
        " contact caregiver mother father husband wife son daughter"
    ),
    DEAR: _words("dear"),
    RELATIVE: _words("my his her their your the patient is and"),
    WITH: _words(
        "seen evaluated examined referred assessed followed accompanied treated consulted interviewed brought"
        " performed operated spoke spoken discussed met speaking appointment follow follows visit care patient"
        " social case physiotherapist therapist counselor counsellor midwife interpreter carer caregiver"
        " neighbour neighbor landlord teacher paramedic pharmacist surgeon physician gp registrar intern"
        " colleague"
    ),
    GREETING: _words("hi hello hey good thank thanks welcome goodbye bye take how don nice"),
    I_AM: _words("i this it"),
}
"""The words, in lower case, with which a context that comes before a name can begin."""
NAME_WORDS = _words(
    "last first family given middle maiden full legal patient pt client mother father mothers fathers"
    " guardian guardians contact spouse spouses sur nick nombre nombres apellido apellidos nom prénom nachname"
    " vorname nome cognome sobrenome имя фамилия фио"
)
"""The words with which :data:`NAME_LABEL` can begin, beside those that hold "name"."""
