"""Wordings of :mod:`filters.consultation_safety`: sending somebody for help, emergencies, what makes them none."""

from __future__ import annotations

from filters.phrasing import either, phrases

ESCALATES = phrases(
    r"""
    ambulance|paramedics?|999|911|112|000|9-1-1
    emergency (?:
        department|room|care|services?|ward|unit|surgery|operation|treatment|hospital|referral|assessment
        admission|scan|procedure|transfer|centre|center|physician|doctor|team|medical|dept|response
    )
    casualty|a\s*&\s*e|a and e|ER\b|ED\b|(?:to|into|in|at|go|the|nearest|a) hospital
    hospital (?:right|now|today|immediately|straight|admission|bed|stay|tonight)|hospitali[sz]\w*
    admit(?:ted|ting)?\b|admission|same[-\x20]day|straight (?:away|to)|urgent(?:ly)?|emergency|right away
    immediate(?:ly)?|without delay|at once|crisis (?:team|line|service|hotline)
    suicide (?:line|hotline|lifeline)|988|intensive care|ICU|cath(?:eteri[sz]ation)? lab
    operating (?:theatre|room)|theatre|stroke (?:unit|team|centre|center)|on-?call
    (?:today|tonight|this (?:morning|afternoon|evening)|within (?:the )?(?:hour|24 hours|hours)|right now|now)
    resuscitation|blue light|rush(?:ed|ing)?|transfer(?:red|ring)?|as soon as possible
    (?:are|is|they're|who're|team is|already) (?:expecting|waiting for|ready for|coming (?:to|for|here)
    on (?:their|its) way)
    (?:on (?:their|its) way|upstairs|next door) (?:to (?:you|us)|now)|(?:drives?|takes?|walks?|wheels?
    brings?) you (?:to|over|across|up|down|in|there)
    (?:operat\w+|surgery|theatre) (?:on you )?(?:today|tonight|now|this \w+|within)|within (?:the|an|one|two
    \d+) (?:next )?hours?
    crash (?:team|call)|rapid response|trauma (?:bay|team|centre|center)|labou?r ward|delivery (?:ward|suite|room)
    burns unit
    keep(?:ing)? you (?:in|here)|stay(?:ing)? (?:overnight|on the ward|in (?:the )?hospital)|to the ward
    on(?:to)? the ward|cardiac unit
    coronary care|high dependency|ITU|HDU|CCU|dispatch\w*|helicopter|stretcher|the crew|place of safety
    psychiatric (?:ward|unit|hospital|team)
    """
)
PLACE_ONLY = phrases(
    r"""
    today|tonight|this (?:morning|afternoon|evening)|right now|now|immediate(?:ly)?|right away|straight away
    at once|as soon as possible|without delay|urgent(?:ly)?|emergency
    """
)
SENDS = phrases(
    r"""
    see|seen|go|going|get|send\w*|refer\w*|admit\w*|take|taken|call\w*|come|need\w*|assess\w*|review\w*
    evaluat\w*|attend|hospital|specialist|surg\w*|team|ophthalm\w*|neurolog\w*|cardiolog\w*|treat\w*|scan|care
    attention|transfer\w*|arrang\w*|surgeon|it's an|is an|this is
    """
)
START_ONLY = either(
    r"""
    \b(?:
        start|begin|stop|take|taking|prescri\w+|drink|rest|antibiotic\w*|tablet\w*
    )\b[^.]*\b(?:today|now|tonight|right away|immediately|straight away)\b
    """
)
CONDITIONAL = either(
    r"""
    (?<!\bsee\s)(?<!\bcheck\s)(?<!\bas\s)(?<!\beven\s)(?<!\bask\s)\bif\b
    \bshould (?:you|it|the|any|this|your|these|things|symptoms)\b|\bin case\b|\bunless\b|\bwhenever\b
    \bonce (?:you|it|the)\b|\bwhen you (?:notice|develop|have|get|feel)\b
    \b(?:in the event|any of (?:these|the following))\b|\bworsen(?:s|ing)?\s*[,:]
    ^\W*(?:please )?(?:call|ring|phone|dial|go|seek|return|come|get|see|contact)\b[^.]*\b(?:for|with|at the first
    on|as soon as)\s(?!(?:me|us|you|him|her|them|your|his|the (?:ambulance|crew|letter|team)|this|that|these|it
    foot|board|now|my|an? (?:scan|operation|ct|x-ray|letter|friend|assessment|review|drip|blood|check|ecg))\b)
    ^(?!\W*(?:this|that|it|these|those|you|your|so)\b)[^.:;]{3,90}(?::|\s[-\u2013\u2014])\s*(?:please )?(?:call
    ring|phone|dial|come|go|see|get|then|straight|back|contact|seek|999|911|112)\b
    \bany (?:\w+ ){0,4}?(?:means|and you|needs?|calls? for|is a reason)\b|\bin that case\b|\bshould that happen\b
    \bif so\b
    \bat (?:the )?(?:first|slightest|any) (?:sign|hint|trace|trouble)\b|\bas soon as (?:you|it|the)\b
    """
)
REFUSES = phrases(
    r"""
    no need|not (?:an? )?(?:emergency|urgent|necessary|need)
    (?:don't|do not|doesn't|does not|won't|will not) (?:\w+ ){0,3}?(?:need|have to|require|go|think)
    isn't (?:an? )?(?:emergency|urgent)|not (?:going to )?(?:require|immediately)|rather than
    without (?:going|admission)|nothing (?:urgent|immediate)|never
    """
)
EMERGENCY = phrases(
    r"""
    myocardial infarct\w*|heart attack|N?STEMI|acute coronary|unstable angina|aortic dissection|dissecti\w+
    ruptur\w+|stroke|TIA|transient isch\w+|subarachnoid|intracranial|subdural|epidural|extradural|ha?emorrhage
    meningitis|encephalitis|sepsis|septic|pulmonary embol\w*|tension pneumothorax|pneumothorax|cardiac tamponade
    anaphyla\w*|appendicitis|perforat\w*|peritonitis|bowel obstruction|strangulat\w*|mesenteric isch\w*|ectopic
    testicular torsion|torsion|cauda equina|cord compression|diabetic ketoacidosis|ketoacidosis|DKA|hyperosmolar
    adrenal cris\w*|thyroid storm|status epilepticus|status asthmaticus|(?:severe|life-threatening) asthma
    acute severe asthma|epiglottitis|acute limb|limb isch\w*|compartment syndrome|necroti[sz]ing
    angle[-\x20]closure|retinal (?:detachment|artery)|giant cell arteritis|temporal arteritis|pre-?eclampsia
    eclampsia|placental abruption|gastrointestinal bleed\w*|GI bleed\w*|variceal
    acute (?:heart|liver|respiratory) failure|pulmonary (?:o?edema)|complete heart block|ventricular tachy\w*
    intussusception|volvulus|cholangitis|septic arthritis|neutropeni\w+|suicid\w*
    falciparum|cerebral malaria|severe malaria|deep (?:vein|venous) thrombosis|DVT|phlegmasia|quinsy
    peritonsillar abscess
    retropharyngeal|parapharyngeal|Ludwig\w*|orbital cellulitis|mastoiditis|cavernous sinus|brain abscess
    epidural abscess
    myxo?edema coma|hyperkal\w+|hypercalc?aemic crisis|acute pancreatitis|incarcerated|ovarian torsion|twisted ovary
    priapism|Fournier\w*|paraphimosis|HELLP|placenta pra?evia|hip fracture|open fracture|fractured (?:hip
    neck of femur)
    Guillain\w*|myasthenic crisis|botulism|tetanus|carbon monoxide|overdose|poisoning|neuroleptic malignant
    serotonin syndrome
    heat ?stroke|hypothermia|Stevens\w*|toxic (?:epidermal|shock)|central retinal|endophthalmitis|chemical (?:burn
    injury)
    acute (?:promyelocytic |myeloid |lymphoblastic )?leuka?emia|superior vena cava|endocarditis|myocarditis
    hypertensive (?:emergency|crisis)
    malignant hypertension|ventricular fibrillation|meningococc\w*|bowel isch\w*|foreign body (?:aspiration
    in the airway)|croup with stridor
    delirium tremens|Wernicke\w*|thrombotic thrombocytop\w*|ha?emolytic ur\w+|Kawasaki\w*|neonatal sepsis
    bacterial tracheitis|puerperal (?:sepsis|psychosis)
    acute angle|acute glaucoma|aspiration of|leaking aneurysm|dissecting|button battery|rabies|acute urinary retention
    """
)
MILD = either(
    r"""
    \b(?:history of|previous|old|past|chronic|prior|resolved|no|not|viral|ruled out|risk)\b[^,.;]{0,20}$
    """
)
SUDDEN = phrases(
    r"""
    sudden\w*|abrupt\w*|all at once|out of nowhere|woke up with|this morning|minutes? ago|hours? ago|an? hour
    since (?:this morning|yesterday|last night)|today|all of a
    """
)
RADIATES = either(
    r"""
    \b(?:
        (?:
            down|into|to|up|in|through to
        ) (?:my|the|his|her) (?:left |right |lower )?(?:arm|jaw|shoulder|neck|back)
        radiat\w+
    )
    """
)


YOUNG = phrases(
    r"""
    (?:[1-9]|1[01]|two|three|four|five|six|seven|eight|nine|ten)[-\x20](?:weeks?|days?)[-\x20]old|newborn
    (?:one|two|1|2)[-\x20]months?[-\x20]old
    """
)
OF_NO_ONE = phrases(
    r"never|years ago|used to|in (?:19|20)\d\d|as a (?:child|boy|girl|kid|teenager|baby)|when i was|decades? ago|"
    r"back then|all gone since|recovered fully|(?:not|don't|didn't|wouldn't) (?:\w+ )?want to (?:end|kill|harm"
    r"|hurt|die)"
)
