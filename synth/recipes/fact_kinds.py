"""Who can know a fact of a clinical vignette: the patient, an examination, a test; or it tells what is done now.

Rules over words, the first that fits: the course of this visit, what the patient tells (even of earlier tests),
tests, examinations; the rest is the patient's. A fact that holds several kinds at once goes where the first rule
sends it. The words are English; texts in another language are all the patient's.
"""

from __future__ import annotations

import re

_CLINICIAN = (
    r"(?:physician|doctor|clinician|surgeon|nurse|team|paramedics?|\w+ologist|obstetrician|pediatrician|provider"
    r"|resident)s?"
)

_COURSE = re.compile(
    rf"\b{_CLINICIAN}\b[^.]{{0,30}}\b(?:orders|recommends|prescribes|suspects"
    r"|decides|decided|starts|administers|performs|advises"
    r"|explains|counsels|diagnoses|refers|plans|informs|obtains|considers|initiates|discusses|believes"
    r"|offers|suggests|wants|determines|concludes|tells|makes|gives|treats|injects|asks|attempts)\b"
    r"|\b(?:is|are) (?:then |also |now |\w+ly )?(?:started|given|administered|admitted|placed (?:on|under)"
    r"|intubated|scheduled|prescribed|sent|referred|transferred|resuscitated|diagnosed|discharged|begun|initiated"
    r"|ordered"
    r"|performed|obtained|recommended|instructed|advised|counseled|stabilized|rushed|transfused|attached|drawn|planned"
    r"|suspected|made|placed|taken to|counselled|treated with|treated for|begun on|catheterized|hospitalized|removed"
    r"|repaired|stopped|discontinued|consulted|inserted|reassured|switched)\b"
    r"|\b(?:is|are) (?:then )?shown\b|\bundergoes\b|\b(?:treatment|therapy) (?:is|with)\b[^.]*\b(?:started|begun"
    r"|initiated)\b"
    r"|\b(?:declin|refus)e[sd]\b[^.]*\b(?:intervention|surgery|treatment|treated|procedure|admission|transfusion)\b"
    r"|\b(?:dies|autopsy|in the hospital|hospital course)\b"
    r"|\b(?:evaluation|work-?up|findings) confirms? (?:a |the )?diagnosis\b"
    r"|^(?:after|following|despite|upon|during|\w+ (?:hours?|days?) before) (?!.*\b(?:was|were|had)\b)(?:the )?"
    r"(?:\w+ ){0,3}(?:treatment|surgery|administration|procedure"
    r"|therapy|operation|resuscitation|initiation|intubation|delivery)\b",
    re.IGNORECASE,
)

_LATER = re.compile(
    r"^(?:after \d|[\w-]+ ){1,3}(?:hours?|minutes?|days?|weeks?|months?|years?) (?:later|after|following|into)\b"
    r"|\bovernight\b|\b(?:the|on the) next morning\b"
    r"|^(?:on (?:the )?\w+ (?:day|night|morning)|soon thereafter|the (?:next|following) (?:day|morning))\b.*"
    r"\b(?:is|are|becomes?|develops?|has|remains?|shows?|complains?)\b",
    re.IGNORECASE,
)

_COMES = re.compile(
    r"^an? (?:\w+ ){0,2}\d+-(?:year|month|week|day)-old\b.*"
    r"\bis (?:admitted|brought|seen|referred|transferred|rushed)\b",
    re.IGNORECASE,
)
"""How the patient came here: no course of the visit yet."""

_TOLD = re.compile(
    r"\b(?:symptoms are|seen by|spinning|tingling|room is|experienc\w+|would like|purchased|described|started|tried"
    r"|reports?|reported|den(?:y|ies|ied)|states?|complain\w*|says|said|admits|describes?|mentions?|recalls?|claims?"
    r"|(?:pain|aches?|headaches?|nausea|cough|itching|discomfort|sensation|episodes?) (?:is|are|was|were) (?:also )?"
    r"present(?! on)"
    r"|bowel movements?|(?:his|her|patient's) last"
    r"|endorses|believes|thinks|feels|felt|smokes?|smoked|drinks|lives|works|worked|working|presents"
    r"|ha(?:s|ve) (?:become|been) (?:increasingly|progressively|more)"
    r"|presented|brought|comes"
    r"|came to|visits?|worried|concerned|noticed|notes that|noticing|allergic|allerg(?:y|ies)|confides|remembers"
    r"|family history|past medical|medical history|surgical history|social history|history (?:of|is|includes)"
    r"|has (?:a |an )?(?:\d+[- ]\w+[- ])?(?:past |known |long |strong |family )*history|sexual(?:ly)?|vaccin\w+"
    r"|immuni[sz]\w+|medications?|takes?|taking|took|travel\w*|immigrated|pack-year|packs?|ago|for the past"
    r"|for the last"
    r"|over the (?:past|last)|in the (?:past|last)|last (?:week|month|year|night)|previously|previous|prior to"
    r"|since (?!arrival|admission)|was (?:diagnosed|treated|hospitalized|born|delivered|performed|prescribed"
    r"|started|admitted)"
    r"|had (?:a|an|been)|underwent|(?:mother|father|parents?|wife|husband|son|daughter|roommate|family)\b"
    r"|at home|every (?:day|night|week)|menstrua\w*|menses|menarche|menopause|periods?\b|diet|eats|job|occupation)\b",
    re.IGNORECASE,
)
"""What only the patient, or somebody who came along, can tell."""

_TEST = {
    "complete blood count": r"complete blood count|CBC|white (?:blood )?cell|leukocyte|WBC|neutrophils?"
    r"|lymphocyte count|eosinophils?|bands|platelets?|h(?:a)?emoglobin|h(?:a)?ematocrit|mean corpuscular|MCV"
    r"|reticulocyte"
    r"|red (?:blood )?cells?(?: count| distribution)?|segmented|monocytes|lymphocytes|leukocytes|basophils?"
    r"|myeloblasts|sideroblasts",
    "electrolytes": r"serum electrolytes|sodium|Na\+|potassium|K\+|chloride|Cl[-−–]|bicarbonate|HCO3\S*|calcium|Ca2\+"
    r"|magnesium|phosphate|phosphorus|Mg2\+|anion gap",
    "kidney function": r"creatinine|BUN|blood urea|urea nitrogen|GFR",
    "glucose": r"(?:blood |serum |fasting |plasma |finger ?stick )*glucose|HbA1c|h(?:a)?emoglobin A1c|A1c|blood sugar",
    "liver function": r"AST|ALT|aminotransferase\w*|bilirubin|alkaline phosphatase|albumin|transaminases?|GGT"
    r"|liver enzymes|lipase|amylase|ammonia",
    "coagulation": r"(?:pro)?thrombin|thromboplastin|PT|aPTT|PTT|INR|D-dimer|bleeding time|fibrinogen|clotting time",
    "inflammation markers": r"ESR|erythrocyte sedimentation|C-reactive protein|CRP|procalcitonin",
    "blood gas": r"blood gas\w*|p ?CO2|p ?O2|PaO2|PaCO2|pH|Po2|Pco2|arterial blood",
    "cardiac enzymes": r"troponin\w*|creatine kinase|CK-?MB|BNP|natriuretic",
    "hormones": r"TSH|thyroid-stimulating|thyroxine|T3|T4|cortisol|ACTH|parathyroid hormone|PTH|prolactin|FSH|LH"
    r"|testosterone|estrogen|estradiol|β?-?hCG|insulin level|C-peptide|IGF-1|metanephrines?|aldosterone|renin",
    "pregnancy test": r"pregnancy test",
    "iron and vitamins": r"ferritin|serum iron|transferrin|TIBC|iron-binding|B12|folate|vitamin D|25-hydroxy\w*",
    "lipids": r"cholesterol|triglycerides?|LDL|HDL|lipid panel",
    "urinalysis": r"urinalysis|urine (?:dipstick|culture|sediment|toxicology|drug|protein|osmolality|specific|color"
    r"|analysis|microscopy|sodium|output|pH|test|studies|shows?|is positive|glucose|ketones)\w*|hpf|casts?",
    "cerebrospinal fluid": r"cerebrospinal|CSF|lumbar puncture|opening pressure",
    "culture and stain": r"cultures?|gram stain\w*|stain\w*|acid-fast|KOH|wet mount|PPD|tuberculin"
    r"|Wood's lamp|\w+centesis",
    "blood smear": r"(?:peripheral )?(?:blood )?smear|schistocytes|bone marrow",
    "biopsy": r"biops(?:y|ies)|histolog\w*|histopatholog\w*|pathologic\w*|microscop\w*|cytolog\w*|aspirat(?:e|ion)"
    r"|specimen|nuclei|(?:spindle |giant )cells|cells (?:show|express|have|with)",
    "serology": r"antibod(?:y|ies)|antigen|titers?|PCR|ELISA|serolog\w*|VDRL|RPR|HBsAg|rheumatoid factor|ANA"
    r"|immunoglobulins?|complement levels?|monospot|heterophile",
    "genetic test": r"karyotyp\w*|cytogenetic\w*|t\(\d+;\d+\)|genetic (?:test|analysis|sequencing)\w*|FISH"
    r"|electrophoresis|genotyp\w*",
    "X-ray": r"x-?rays?|radiographs?|radiography|radiograph\w*|mammogra\w*",
    "CT": r"CT|computed tomograph\w*|CT scan|CTA",
    "MRI": r"MRI|magnetic resonance|MRCP|MRA",
    "ultrasound": r"ultrasound|ultrasonograph\w*|sonograph\w*|doppler|duplex",
    "echocardiography": r"echocardiogra\w*|ejection fraction",
    "ECG": r"electrocardiogra\w*|ECG|EKG|QRS|ST[- ](?:segment|elevation)\w*|sinus (?:tachy|brady)cardia"
    r"|cardiac monitor\w*|telemetry|holter",
    "EEG and nerve conduction": r"EEG|electroencephalogra\w*|electromyogra\w*|EMG|nerve conduction|polysomnogra\w*",
    "endoscopy": r"endoscop\w*|colonoscop\w*|bronchoscop\w*|sigmoidoscop\w*|cystoscop\w*|laparoscop\w*|colposcop\w*"
    r"|EGD",
    "angiography and scan": r"angiogra\w*|scintigraph\w*|PET|DEXA|T-score|bone scan|HIDA|barium|catheterization"
    r"|imaging|scan|enhancement",
    "lung function": r"spirometry|FEV1\S*|FVC|pulmonary function|DLCO|peak flow|audiometry|tympanometry",
    "laboratory studies": r"laborator(?:y|ies)|lab (?:results|values|tests|studies)|serum|blood (?:tests?|work"
    r"|studies|alcohol)"
    r"|toxicolog\w*|drug screen|uric acid|lactate|lactic|LDH|dehydrogenase|osmolality|plasma|mg/dL|mmol/L|mEq/L|U/L"
    r"|ng/mL|μ\w+/\w+|g/dL|[\d,.]+ ?/mm\^?3"
    r"|^(?:the |patient's )?(?!SpO2|SaO2)[\w-]+ (?:is|are) [\d.]+ ?%\.?$"
    r"|protein electro\w*|screening (?:test|is)|investigations?|tests? (?:is|are|shows?|reveals?|was|were)"
    r"|positive for|negative for",
}  # fmt: skip

_EXAM = {
    "temperature": r"temperature|febrile|afebrile|temp",
    "blood pressure": r"blood pressure|central venous pressure|CVP|BP|hypotensive|mm ?Hg",
    "pulse": r"pulses?|heart rate|HR|tachycardic|bradycardic|capillary refill",
    "respiratory rate": r"respirat(?:ory rate|ions?)|RR|breaths?/min|tachypneic|breathing at|respiratory distress",
    "oxygen saturation": r"oxygen saturation|SpO2|SaO2|O2 sat\w*|saturat\w+|pulse oximetry|room air|hypoxi[ac]",
    "vital signs": r"vital signs?|vitals",
    "weight and height": r"BMI|body mass index|percentile|(?:weight|height|length|head circumference) (?:is|of)"
    r"|weighs|obese|kg/m2",
    "general appearance": r"appears?|appearance|in (?:acute |mild |moderate |severe |no )*distress|well-developed"
    r"|ill-appearing|cachectic|diaphoretic|lethargic|dysmorphic|Apgar|nourished|toxic-appearing|facies|dehydrated",
    "mental status": r"mental status|orient(?:ed|ation)|alert|affect|speech|thought (?:process|content)|Glasgow|GCS"
    r"|mood is"
    r"|responsive|Mini-Mental|cooperative|eye contact|consciousness (?:is|level)|confused|disheveled|recall|combative",
    "heart": r"murmurs?|gallop|S1|S2|S3|S4|heart sounds?|precordi\w+|jugular|JVD|JVP|cardiac exam\w*"
    r"|cardiovascular exam\w*"
    r"|apical|point of maximal|thrill|bruits?|regular rate|heart (?:is|examination|exam)|friction rub",
    "lungs": r"lungs?|breath sounds?|crackles|rales|wheez\w+|rhonchi|percussion|chest (?:is|examination|exam|wall"
    r"|indrawing)|auscultation|stridor|retractions?|fremitus|pulmonary exam\w*|nasal flaring|accessory muscles",
    "abdomen": r"abdom\w+|bowel sounds?|rebound|guarding|hepatomegaly|splenomegaly|hepatosplenomegaly|liver (?:is"
    r"|edge)|spleen"
    r"|Murphy\S*|McBurney\S*|costovertebral|fluid wave|shifting dullness|epigastri\w+|suprapubic|ascites|distended",
    "neurological": r"reflex(?:es)?|strength|sensation (?:is|to|was|in)|gait|tremor|looks|liver (?:is|edge)"
    r"|nystagmus|cranial nerves?|Babinski|Romberg|clonus|ataxi[ac]|tremor"
    r"|coordination|neurologic\w*|hemiparesis|weakness (?:of|in)|tone|rigidity|nuchal|Kernig\S*|Brudzinski\S*"
    r"|paralysis"
    r"|muscle (?:bulk|atrophy)|\d/5|plantar|proprioception|vibrat\w+|pinprick|hypotoni[ac]|bradykinesia|dysmetria"
    r"|facial droop",
    "eyes": r"pupils?|fundoscop\w*|ophthalmo\w*|slit[- ]lamp|visual (?:acuity|field)\w*|conjunctiv\w*|scler\w+"
    r"|retina\w*|optic"
    r"|cornea\w*|eye exam\w*|intraocular|extraocular|ptosis|lens|papilledema|red reflex|proptosis|eyelids?",
    "ears, nose and throat": r"otoscop\w*|tympanic|oropharyn\w*|tonsil\w*|oral (?:cavity|mucosa|exam\w*)"
    r"|mucous membranes?|throat|tongue|nasal (?:mucosa|septum)|gums|Weber|Rinne|pharyn\w*|uvula|palate",
    "neck and lymph nodes": r"lymphadenopathy|lymph nodes?|thyroid gland|thyroid (?:is|nodule)|goiter|neck (?:is"
    r"|exam\w*|veins)|trachea",
    "skin": r"skin|rash|erythema\w*|petechiae|ecchymos[ei]s|purpura|lesions?|papules?|plaques?|macules?|vesicles?"
    r"|pallor|pale"
    r"|jaundiced?|cyano(?:sis|tic)|clubbing|turgor|nodules?|ulcers?|scal(?:e|ing|y)|hyperpigment\w*|bruis\w+|spider"
    r"|crust\w*|wound|excoriations?|palmar|nails?|hair",
    "limbs and joints": r"edema|extremit(?:y|ies)|joints?|range of motion|knees?|hips?|ankles?|shoulders?|wrists?"
    r"|Homans|varicose"
    r"|straight leg|passive|calf|calves|spine|back exam\w*|deformity|effusion|swelling|swollen|crepitus|fingers?"
    r"|leg|arm",
    "pelvis and genitals": r"pelvic exam\w*|cervi(?:x|cal)|uter(?:us|ine)|adnexal?|vagin\w+|vulv\w+|speculum"
    r"|test(?:is|es|icular)|scrot\w+|prostate|penis|genital\w*|Tanner|fetal|fundal|fundus|urethral",
    "rectum": r"rectal exam\w*|digital rectal|anal|guaiac|occult blood|perianal|sphincter",
    "breast": r"breast exam\w*|nipple|breasts?|axilla\w*",
    "physical examination": r"physical exam\w*|on exam\w*|exam(?:ination)?|palpa(?:tion|ble|ted)|inspection"
    r"|tender\w*|masses|mass",
}  # fmt: skip


def _whole(words: str) -> re.Pattern[str]:
    """The words where they stand alone; abbreviations in capitals only."""
    parts = words.split("|")
    exact = [
        part for part in parts if re.fullmatch(r"[A-Z][A-Za-z]?[A-Z0-9]\w{0,3}|PT|LH|HR|RR|BP|CT|K\\\+|Na\\\+", part)
    ]
    if not exact:
        return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
    return re.compile(rf"(?<!\w)(?:(?i:{words})|{'|'.join(exact)})(?!\w)")


_TESTS = {name: _whole(words) for name, words in _TEST.items()}
_EXAMS = {name: _whole(words) for name, words in _EXAM.items()}
_SURELY_TEST = re.compile(
    r"\b(?:laborator\w+|stud(?:y|ies) (?:is|are)|shows?|showed|reveals?|demonstrates?|yields"
    r"|unchanged from)\b",
    re.IGNORECASE,
)
_SURELY_EXAM = re.compile(
    r"\b(?:Weber|Rinne|tuning fork|Romberg)\b|^(?:\w+ ){0,3}(?:physical )?exam(?:ination)? (?:is|was|of|are)\b|"
    r"\b(?:(?:physical|mental status|neurologic\w*|pelvic|cardiac|abdominal|skin|eye|rectal|\w+)? ?exam(?:ination)?"
    r"(?: is| are| was)? (?:shows?|reveals?|demonstrates?|notable|remarkable|significant|unremarkable)"
    r"|on (?:physical )?"
    r"exam\w*|vital signs|auscultation|(?:temperature|pulse|blood pressure|heart rate) is)\b",
    re.IGNORECASE,
)


_EARLIER = re.compile(r"\bago\b|\breports?\b|\b(?:his|her|patient's) last\b", re.IGNORECASE)
"""A test of which the patient tells."""

_SIGN = re.compile(
    r"\b(?:temperature|afebrile|febrile|blood pressure|pulses?|heart rate|respirat(?:ory rate|ions?)|SpO2|SaO2"
    r"|central venous pressure"
    r"|saturation|vitals?"
    r"|percentile|BMI|body mass|weighs|obese|appears?|in (?:acute |no |mild |moderate |severe )*distress|murmurs?"
    r"|gallop|heart"
    r" sounds?|jugular|JV[DP]|bruits?|friction rub|breath sounds?|crackles|rales|wheez(?:es|ing)|rhonchi|stridor"
    r"|retractions?|accessory muscles|bowel sounds?|distended|distention|rebound|guarding|\w+megaly|ascites"
    r"|reflex(?:es)?|regular (?:rate|rhythm)|loss of touch|(?:vibrat\w+|touch|position) sense"
    r"|pinprick|proprioception"
    r"|skin is (?:warm|cool|cold|dry|moist|clammy|flushed)|thought process|physical findings|mass (?:is|does|has)"
    r"|you not(?:e|ice)"
    r"|signs of (?:excoriation|inflammation)|whisper\w*|(?:unable to|cannot) repeat"
    r"|as shown in the (?:photograph|image|picture|figure)|elicit(?:s|ed)?|costovertebral"
    r"|(?:tug|pressure|traction|stroking|scraping|rubbing|flexion|extension|rotation|compression) (?:on|of|over|to)\b"
    r"[^.]*\b(?:causes?|results in|produces?|reproduces?|leads to|worsens)"
    r"|no [^.]*\b(?:noted|seen|observed|appreciated|heard|detected)"
    r"|strength|sensation (?:is|to|was|in)|gait|tremor|looks|liver (?:is|edge)|nystagmus|cranial nerves?|Babinski"
    r"|Romberg|clonus|muscle tone|hypotoni[ac]|rigidity|nuchal"
    r"|Kernig|Brudzinski|\d/5|oriented|alert|affect|cooperative|Glasgow|GCS|disheveled|diaphoretic|letharg\w+"
    r"|combative"
    r"|pupils?|conjunctiv\w*|scler\w+|retina\w*|optic|cornea\w*|ptosis|papilledema|red reflex|proptosis|otoscop\w*"
    r"|tympanic|oropharyn\w*|tonsil\w*|mucous membranes?|lymphadenopathy|lymph nodes?|thyroid (?:gland|is|nodule)"
    r"|goiter|erythema\w*|petechiae|ecchymos[ei]s|purpura|papules?|plaques?|macules?|vesicles?|pustules?|pallor|pale"
    r"|jaundiced?|cyano(?:sis|tic|sed)|oral mucosa|abdomen is|marks on|skin breakdown|mental status is|clubbing|turgor"
    r"|nodules?|edema|edematous|range of motion|straight leg|crepitus|effusion|deformity"
    r"|palpa\w+|tender\w*|cervi(?:x|cal)|adnexal?|uterus|speculum|Tanner|fundal"
    r"|fetal heart|the fetus|cephalic|effaced|rectal|guaiac|masses|Apgar"
    r"|auscultation|percussion|inspection|dysmorphic|facies|contractions are|dilated|lens|tuning fork|capillary refill"
    r"|(?:is|are) (?:present|absent|noted|seen|observed|visible|normal|intact|unremarkable))\b",
    re.IGNORECASE,
)
"""Words for what is seen, heard and felt on examination; parts of the body alone do not count, patients name them."""


def kind_of(fact: str) -> str:
    """``patient``, ``examination``, ``test``, or ``course`` for what is done in the visit that the case is about."""
    if _LATER.search(fact):
        return "course"
    if _SURELY_EXAM.search(fact):
        return "examination"
    test = any(pattern.search(fact) for pattern in _TESTS.values())
    if test and _SURELY_TEST.search(fact) and not _EARLIER.search(fact):
        return "test"
    if _COMES.search(fact) and not test:
        return "patient"
    if _COURSE.search(fact) and not (test and re.search(r":.*\d", fact)):
        return "course"
    if _TOLD.search(fact):
        return "patient"
    if test:
        return "test"
    return "examination" if _SIGN.search(fact) else "patient"


def name_of(fact: str, kind: str) -> str:
    """What an examination or test with this result is called: all that the fact has results of, in a fixed order."""
    named = _TESTS if kind == "test" else _EXAMS
    found = [name for name, pattern in named.items() if pattern.search(fact)]
    general = "laboratory studies" if kind == "test" else "physical examination"
    return ", ".join([name for name in found if name != general] or [general])
