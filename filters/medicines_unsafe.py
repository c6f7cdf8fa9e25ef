"""What an allergy or a pregnancy forbids, as official leaflets do: contraindications, not cautions.

An allergy named by one member stands for its class where leaflets treat the class as one (penicillins,
cephalosporins, sulfonamide antibiotics, NSAIDs with aspirin, macrolides, tetracyclines, fluoroquinolones, opioids of
the codeine kind, ACE inhibitors after angioedema, proton pump inhibitors, iodinated contrast); else for that medicine
alone, products that hold it included. Penicillin allergy forbids a cephalosporin or carbapenem only when the card
tells of anaphylaxis. In pregnancy the list is of what is contraindicated in all of it, and of NSAIDs but aspirin
from week 20 on (FDA, 2020); not on it are doses, routes, breastfeeding, interactions and diseases. It is a check of
written dialogues and no advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from filters.medicines_data import Entry, key, lookup, names

_NO_ALLERGY = re.compile(
    r"\b(?:nkd?a|no known|none|no (?:drug |medication |medicine |food )?allerg\w*|denies|nil known|not allergic)\b"
    r"|^\s*(?:no|nil)\W*$",
    re.IGNORECASE,
)
_SEVERE = re.compile(r"anaphyla|airway|throat|angioedema|angio-oedema|epi\W?pen", re.IGNORECASE)
_CROSS = (
    "penicillins", "cephalosporins", "carbapenems", "sulfonamide antibiotics", "nsaids", "macrolides", "tetracyclines",
    "fluoroquinolones", "aminoglycosides", "ace inhibitors", "angiotensin receptor blockers", "statins", "insulins",
    "azole antifungals", "iodinated contrast", "proton pump inhibitors",
)  # fmt: skip
_CODEINE_KIND = frozenset(
    ("codeine", "morphine", "co-codamol", "co-dydramol", "dihydrocodeine", "oxycodone", "hydrocodone", "hydromorphone",
     "oxymorphone", "diamorphine")
)  # fmt: skip
_SAME_KIND = (
    frozenset(("aciclovir", "valaciclovir", "ganciclovir", "valganciclovir")),
    frozenset(("famciclovir", "penciclovir")),
    frozenset(("heparin", "enoxaparin", "dalteparin", "tinzaparin", "nadroparin")),
    frozenset(("citalopram", "escitalopram")),
    frozenset(("cetirizine", "levocetirizine", "hydroxyzine")),
    frozenset(("loratadine", "desloratadine")),
    frozenset(("carbamazepine", "oxcarbazepine", "eslicarbazepine")),
    frozenset(("prednisone", "prednisolone")),
    frozenset(("venlafaxine", "desvenlafaxine")),
    frozenset(("risperidone", "paliperidone")),
    frozenset(("azathioprine", "mercaptopurine")),
    frozenset(("primidone", "phenobarbital")),
    frozenset(("ketamine", "esketamine")),
    frozenset(
        ("lidocaine", "bupivacaine", "levobupivacaine", "ropivacaine", "mepivacaine", "prilocaine", "articaine")
    ),
)
"""One active part, a mirror form or a precursor: leaflets of each exclude whoever is allergic to another."""
_PARTS = {
    "co-amoxiclav": ("amoxicillin",),
    "co-trimoxazole": ("sulfamethoxazole", "trimethoprim"),
    "co-codamol": ("codeine", "paracetamol"),
    "co-dydramol": ("dihydrocodeine", "paracetamol"),
    "nyquil": ("paracetamol",),
    "dayquil": ("paracetamol",),
    "theraflu": ("paracetamol",),
    "lemsip": ("paracetamol",),
    "fioricet": ("paracetamol",),
    "excedrin": ("aspirin", "paracetamol"),
    "co-careldopa": ("levodopa",),
    "genvoya": ("tenofovir",),
}
_SAME = {"acetaminophen": "paracetamol", "iodine": "iodinated contrast", "contrast": "iodinated contrast"}
_PREGNANCY_CLASSES = {
    "ace inhibitors": "ACE inhibitors harm the unborn child's kidneys",
    "angiotensin receptor blockers": "angiotensin receptor blockers harm the unborn child's kidneys",
    "renin inhibitors": "renin inhibitors harm the unborn child's kidneys",
    "statins": "statins are stopped in pregnancy",
    "retinoids": "retinoids cause malformations",
    "valproates": "valproate causes malformations and impairs development",
    "tetracyclines": "tetracyclines harm the unborn child's teeth and bones",
    "ergot alkaloids": "ergot alkaloids make the womb contract",
    "gonadorelin analogues": "gonadorelin analogues are contraindicated in pregnancy",
    "contraceptives": "hormonal contraception has no place in pregnancy",
    "anti-oestrogens": "anti-oestrogens harm the unborn child",
    "cytotoxics": "cytotoxic medicines harm the unborn child",
}
_PREGNANCY = {
    "warfarin": "warfarin causes malformations and bleeding of the unborn child",
    "acenocoumarol": "coumarins cause malformations and bleeding of the unborn child",
    "phenprocoumon": "coumarins cause malformations and bleeding of the unborn child",
    "methotrexate": "methotrexate causes malformations and miscarriage",
    "mycophenolate": "mycophenolate causes malformations and miscarriage",
    "leflunomide": "leflunomide causes malformations",
    "teriflunomide": "teriflunomide causes malformations",
    "fingolimod": "fingolimod causes malformations",
    "misoprostol": "misoprostol makes the womb contract",
    "diclofenac misoprostol": "misoprostol makes the womb contract",
    "mifepristone": "mifepristone ends a pregnancy",
    "ribavirin": "ribavirin causes malformations",
    "thalidomide": "thalidomide causes malformations",
    "lenalidomide": "lenalidomide causes malformations",
    "pomalidomide": "pomalidomide causes malformations",
    "bosentan": "bosentan causes malformations",
    "ambrisentan": "ambrisentan causes malformations",
    "macitentan": "macitentan causes malformations",
    "riociguat": "riociguat causes malformations",
    "finasteride": "finasteride harms a male unborn child",
    "dutasteride": "dutasteride harms a male unborn child",
    "danazol": "androgens masculinise a female unborn child",
    "testosterone": "androgens masculinise a female unborn child",
    "nandrolone": "androgens masculinise a female unborn child",
    "oxandrolone": "androgens masculinise a female unborn child",
    "penicillamine": "penicillamine can harm the unborn child",
    "dronedarone": "dronedarone harms the unborn child",
    "potassium iodide": "iodide harms the unborn child's thyroid",
    "topiramate phentermine": "topiramate causes malformations",
    "megestrol": "megestrol can harm the unborn child",
    "raloxifene": "raloxifene is contraindicated in pregnancy",
    "clomifene": "clomifene is contraindicated in pregnancy",
    "bismuth subsalicylate": "salicylates in this dose are contraindicated in pregnancy",
}


def contraindications(
    medicines: Iterable[str], allergies: Iterable[str], pregnant: bool, late: bool = False
) -> list[tuple[str, str]]:
    """(medicine, one-line reason) for each of the medicines that the allergies or a pregnancy forbid.

    ``medicines`` are names or mentions' names in any spelling; ``allergies`` are texts of a card ("penicillin (rash)",
    "sulfa drugs", "NKDA"); ``late``: pregnant for 20 weeks or more, which forbids NSAIDs. Medicines and
    allergies that are unknown forbid nothing. Each pair comes once, in order.
    """
    told = [text for text in allergies if not _NO_ALLERGY.search(text)]
    found: list[tuple[str, str]] = []
    for medicine in dict.fromkeys(medicines):
        entry = lookup(key(medicine))
        if entry is None:
            continue
        reasons = [reason for text in told if (reason := _allergy(entry, text))]
        if pregnant and (reason := _pregnancy(entry, late)):
            reasons.append(reason)
        found += [(medicine, reason) for reason in dict.fromkeys(reasons)]
    return found


def _allergy(medicine: Entry, text: str) -> str | None:
    """Why an allergy told in these words forbids the medicine."""
    given = _parts(medicine)
    for allergen in _told(text):
        if any(part.name == allergen.name for part in given):
            return f"allergy to {allergen.name} told ({text.strip()})"
        if any(allergen.name in kind and any(p.name in kind for p in given) for kind in _SAME_KIND):
            return f"of one kind with {allergen.name}, to which an allergy is told"
        for group in _CROSS:
            if group in allergen.classes and any(group in part.classes for part in given):
                return f"one of the {group}, and an allergy to {allergen.name} is told"
        codeine = allergen.name in _CODEINE_KIND or allergen.name == "opioid"
        if codeine and any(part.name in _CODEINE_KIND for part in given):
            return f"an opioid of the codeine kind, and an allergy to {allergen.name} is told"
        if "penicillins" in allergen.classes and _SEVERE.search(text):
            for part in given:
                if part.classes & {"cephalosporins", "carbapenems"}:
                    return f"a beta-lactam, and anaphylaxis to {allergen.name} is told"
    return None


def _pregnancy(medicine: Entry, late: bool) -> str | None:
    for part in _parts(medicine):
        if late and "nsaids" in part.classes and part.name != "aspirin":
            return "pregnant: NSAIDs from week 20 on harm the unborn child's kidneys and heart"
        if reason := _PREGNANCY.get(part.name):
            return f"pregnant: {reason}"
        for group in sorted(part.classes):
            if group in _PREGNANCY_CLASSES:
                return f"pregnant: {_PREGNANCY_CLASSES[group]}"
    return None


def _parts(medicine: Entry) -> list[Entry]:
    """The medicine and what it is made of ("oxycodone acetaminophen" holds paracetamol)."""
    parts = [medicine]
    inside = _PARTS.get(medicine.name) or (medicine.name.split() if "groups" not in medicine.classes else ())
    parts += [entry for word in inside if (entry := lookup(key(_SAME.get(word, word))))]
    return parts


def _told(text: str) -> list[Entry]:
    """The medicines and groups named in the text of an allergy, longest names first at each word."""
    words = key(text).split()
    longest = names().longest
    found, at = [], 0
    while at < len(words):
        for size in range(min(longest.get(words[at], 1), len(words) - at), 0, -1):
            said = " ".join(words[at : at + size])
            if entry := lookup(key(_SAME.get(said, said))):
                found.append(entry)
                at += size - 1
                break
        at += 1
    return found
