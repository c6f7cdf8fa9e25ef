"""Notes into which the PHI benchmark plants: slots in braces, see :func:`benchmarks.phi.note`."""

from __future__ import annotations

TEMPLATES = [
    "Patient: {full}\nDOB: {birth}\n{id}\nAddress: {address}\nPhone: {phone}\n\nSeen today by Dr. {last}. BP "
    "132/84, HR 76. {drug}. {again} will return on {date}.",
    "DISCHARGE SUMMARY\nName: {comma}    {id}\nAdmitted: {date}   Discharged: {date}\nAttending: {title} "
    "{full2}\n\n{title} {last1} is a {age} {sex} admitted with chest pain. Troponin 0.04-0.09 ng/mL. "
    "Discharged home with {relative}, {first2}. Follow up in 2 weeks.",
    "{full} is a 64-year-old {sex} with {disease} who presents with dyspnoea since {date}. {again} denies "
    "fever. Contact: {email} or {phone}.",
    "Dear Dr. {last2},\n\nThank you for referring {title} {full}, born {birth}, who lives at {address}. I saw "
    "{pron} on {date}. Spirometry FEV1/FVC 0.62. {drug}.\n\nYours sincerely,\n{full3}, MD",
    "Doctor: Good morning, what is your name?\nPatient: My name is {full}.\nDoctor: And your date of "
    "birth?\nPatient: {birth}.\nDoctor: Is {phone} still your mobile number?\nPatient: Yes, and my e-mail is "
    "{email}. My {relative1} {first2} brought me in.",
    "Telephone note, {date}. Spoke with {full2}, {relative1} of patient {full}. Call back on {phone}. {id}. "
    "INR 2.4, continue {drug}.",
    "Referral\nPatient name: {full} ({birth})\n{id}\nGP: Dr {full2}\nAddress: {address}\nReason: suspected "
    "{disease}; ESR 48 mm/h, CRP 12. Dictated by {full3} on {date}.",
    "Emergency contact: {full2}, {phone}. Patient resides at {address}. {id}. Allergies: penicillin. Profile: {url}",
    "SOCIAL HISTORY: The patient lives at {address} with {relative}, {full2}, and worked until {date}. {title} "
    "{last} does not smoke.\nFAMILY HISTORY: father had {disease}.\nElectronically signed by {full3}, RN, "
    "{date}.",
    "Nursing note: {age} {sex}, {title} {last}, oriented x3. {relative1} {first2} at bedside, phone {phone}. "
    "{drug} given at 08:00. Fax results to {phone}.",
    "Operative report\nSurgeon: {full2}\nAssistant: Nurse {last3}\nPatient: {comma}, {id}, date of birth "
    "{birth}\nProcedure performed on {date}. Hartmann procedure without complication. EBL 150 mL.",
    "Message left for {bare}: wants the result by e-mail, {email}. Letter went to {address}. {barelast} has "
    "not collected the inhaler.",
    "Follow-up: accompanied by {relative1} {first2}. {full} reports less pain since {date}; {id}. Gleason 3+4, "
    "PSA 5.1. The {age} father is well. See {url}",
    "Hi {first}, this is {full2} calling from the clinic. Your results of {date} are in; please ring {phone}. "
    "We have {address} on file.",
    "Home visit on {date}, {bare} also there. {title} {full}, {age}, has {disease}. {id}.",
]
# Names as they come in letters, messages and handovers. Written when the rules stood, which then found 0.845 of what
# is planted here (names 0.684) and were widened for what these show.
LATER_TEMPLATES = [
    "Handover 07:30 - bed 4, {full}, {age} {sex}, day 2 after hip repair. Obs stable, paracetamol 1 g QDS. "
    "{relative1} {first2} rang at 06:15, wants a call on {phone}.",
    "Subject: repeat prescription\n\nHello,\n\nI am writing on behalf of my mother {full2} ({birth}). She ran "
    "out of {drug} on {date}. Our address has changed to {address}.\n\nKind regards\n{full}\n{email}",
    "PATHOLOGY {id} Received {date}. Submitting: {full2} MD. Patient {full}, {birth}. Ki-67 30%, Gleason "
    "4+3=7, margins 0.2-0.5 cm.",
    "I had the pleasure of seeing {title} {full} in clinic on {date}, together with {relative}. As you know "
    "{pron} was diagnosed with {disease} by Professor {last2}. We reached {title} {last} at {phone} afterwards.",
    "[nurse] and who am i speaking to\n[caller] it's {full2} , i'm calling about my son {first} . his birthday "
    "is {birth} . my number is {phone} and we live at {address}",
    "Case {id}. Complainant: {full}. Statement: on {date} I came in with my husband {first2} and nobody took "
    "my blood pressure. Reply to {email} or write to {address}.",
    "{full}: 3 missed visits since {date}. Social worker {full2} informed. New flat: {address}. Insurance card: {id}.",
    "Interpreter booked ({full2}, {phone}) for {title} {last}. Consent signed {date}. {disease} explained; "
    "{drug} started.",
]
# Written when the rules were final; nothing was changed for what these show.
UNSEEN_TEMPLATES = [
    "ED triage. Pt {full} {age} {sex} BIBA after fall at {address}. Wife {first2} with him. {id}. GCS 15, BP "
    "96/54. Refer to {last2}, ortho on call.",
    "{date}\nRe: {title} {full}, {birth}\nDear colleague, thank you for your letter about this {age} teacher "
    "with {disease}. Kind regards, {full2}, consultant physician. Secretary: {phone}.",
    "WhatsApp {date}: hi doc its {first2} here, {first} has a fever of 39.2 since last night, shall i give "
    "{drug}? you can reach me on {phone}",
    "Radiology request. Surname {last} Forename {first} Date of birth {birth} {id} Clinical details: "
    "?{disease}. Requested by {full2} bleep 4417.",
    "Mother: {full2}. Baby of {full2} born {date} at 03:12, 3410 g, Apgar 9/10. Health visitor to call at "
    "{address}; contact {phone}.",
    "Court report on {full}. On {date} I examined {title} {last} at the request of {last2} & Partners. {title} "
    "{last}, whose date of birth is {birth}, lives at {address} and told me that {relative}, {first2}, had "
    "left.",
    "Please courier the holter to {full2}, {address}. Queries to {email}. The trace of {full} ({id}) shows AF, "
    "rate 110-140.",
]
