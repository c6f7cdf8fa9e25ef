"""Exam questions written for these tests, each with a rewording that shares few of its words."""

REWORDED = (
    (
        "A 24-year-old woman has had burning when passing urine and frequency for two days, without "
        "fever. Which drug is "
        "the first choice?",
        "What would you prescribe first for a woman of 24 who has been running to the toilet since "
        "the day before yesterday and says it stings each time, temperature normal?",
    ),
    (
        "A 67-year-old man with atrial fibrillation suddenly cannot move his right arm and cannot speak. "
        "Which vessel is "
        "most likely occluded?",
        "An elderly gentleman known to have an irregular heartbeat abruptly loses language and "
        "strength in the right upper limb. Name the artery that is probably blocked.",
    ),
    (
        "Which vitamin deficiency causes night blindness and dry eyes in a malnourished child?",
        "A poorly fed toddler sees badly at dusk and has xerosis of the conjunctiva; lack of which "
        "vitamin explains it?",
    ),
    (
        "A patient taking warfarin begins trimethoprim-sulfamethoxazole and bleeds a week later. What explains it?",
        "Seven days after co-trimoxazole was added, somebody on a coumarin anticoagulant haemorrhages. Why?",
    ),
    (
        "What is the antidote for paracetamol overdose?",
        "Someone has swallowed far too much acetaminophen; which agent counteracts the poisoning?",
    ),
    (
        "A newborn vomits green fluid on the first day of life and the X-ray shows a double bubble. What "
        "is the diagnosis?",
        "Bilious emesis within hours of birth, with two gas pockets on the abdominal film: what does this baby have?",
    ),
    (
        "Which cranial nerve is affected when a patient cannot abduct the left eye?",
        "The left eye will not turn outwards. Damage to which nerve is responsible?",
    ),
    (
        "A 50-year-old smoker has a hilar mass, low sodium and concentrated urine. Which tumour type is most likely?",
        "Hyponatraemia with inappropriately strong urine and a central lung lesion in a heavy tobacco "
        "user: which cancer?",
    ),
    (
        "What is the first-line treatment of anaphylaxis?",
        "Which medicine, and by which route, must be given at once in a severe allergic reaction with shock?",
    ),
    (
        "A woman at 34 weeks has a blood pressure of 165/110, headache and proteinuria. Which drug prevents seizures?",
        "Eight months pregnant, hypertensive, protein in the urine and a pounding head: what do you give "
        "against fits?",
    ),
    (
        "Which organism causes rice-water diarrhoea after a flood?",
        "Following an inundation people pass profuse watery stool like water from boiled rice. Name the bacterium.",
    ),
    (
        "A child has a barking cough and inspiratory stridor at night. Which treatment is given by mouth?",
        "A toddler wakes up barking like a seal and noisy on breathing in: which oral medicine helps?",
    ),
    (
        "What does a low TSH with a high free T4 indicate?",
        "The thyrotropin is suppressed while thyroxine is raised. How do you interpret this?",
    ),
    (
        "A man has sudden pain and swelling of the big toe after a feast with beer. What is seen in the joint fluid?",
        "After a banquet and several lagers his hallux becomes red and agonising. What will microscopy "
        "of the aspirate show?",
    ),
    (
        "Which test confirms coeliac disease after positive antibodies?",
        "Serology for gluten enteropathy came back positive; what proves the diagnosis?",
    ),
    (
        "A 30-year-old woman has drooping eyelids that are worse in the evening. Against what are the "
        "antibodies directed?",
        "Ptosis that increases as the day goes on in a young lady: what is the target of the autoimmune response?",
    ),
    (
        "What is the most common cause of community-acquired pneumonia in adults?",
        "Among grown-ups who catch a chest infection outside hospital, which germ is found most often?",
    ),
    (
        "A man with cirrhosis is confused and has a flapping tremor. Which drug lowers ammonia?",
        "Liver scarring, disorientation and asterixis: what would you give to reduce the toxin from the gut?",
    ),
    (
        "Which valve lesion gives a crescendo-decrescendo systolic murmur that radiates to the neck?",
        "A harsh ejection noise over the heart is heard in the carotids as well; what is wrong with which valve?",
    ),
    (
        "A 70-year-old woman loses central vision while the edges of her sight stay. Which disease of "
        "the retina is it?",
        "She can no longer read or see faces at 70, though she sees what is beside her; name the "
        "condition of the eye.",
    ),
)
