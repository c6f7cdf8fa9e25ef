"""What the PHI benchmark plants: names by culture, addresses by country, phone numbers and record numbers by form.

Nothing here stands in the rules of :mod:`filters.phi`; people and addresses are invented.
"""

from __future__ import annotations

NAMES: dict[str, list[tuple[str, str]]] = {
    "English": [
        ("Harold", "Whitcombe"),
        ("Tamsin", "Ashdown"),
        ("Clyde", "Pemberton"),
        ("Maureen", "Thistlewood"),
        ("Barnaby", "Cobb"),
        ("Jolene", "Rutledge"),
        ("Desmond", "Fairweather"),
        ("Opal", "McTavish"),
    ],
    "Irish": [("Siobhán", "O'Rourke"), ("Fionn", "Mac Giolla"), ("Aoife", "Ní Bhriain"), ("Declan", "O'Shaughnessy")],
    "Hispanic": [
        ("Guadalupe", "Ibarra Montes"),
        ("Joaquín", "de la Fuente"),
        ("Xiomara", "Quiñones"),
        ("Rigoberto", "Zúñiga"),
        ("Itzel", "Cárdenas"),
        ("Leopoldo", "Villaseñor"),
    ],
    "Chinese": [("Xiulan", "Zheng"), ("Guowei", "Ouyang"), ("Meiling", "Xu"), ("Jianhong", "Qiu")],
    "Vietnamese": [("Thuy", "Nguyen"), ("Quoc Bao", "Tran"), ("Ngoc Lan", "Pham")],
    "Japanese": [("Haruka", "Nakamura"), ("Kenjiro", "Shimizu"), ("Ayumi", "Fujiwara")],
    "Korean": [("Min-jun", "Kwon"), ("Seo-yeon", "Bae"), ("Ha-eun", "Noh")],
    "South Asian": [
        ("Lakshmi", "Venkataraman"),
        ("Harpreet", "Dhillon"),
        ("Farzana", "Chowdhury"),
        ("Anirudh", "Krishnamurthy"),
        ("Sanduni", "Wickramasinghe"),
    ],
    "Arabic": [("Abdulrahman", "al-Hashimi"), ("Noura", "bin Rashid"), ("Yusuf", "Abu Zayd"), ("Rania", "El-Sayed")],
    "Persian and Turkish": [("Shahrzad", "Moghaddam"), ("Emre", "Yıldırım"), ("Nasrin", "Farahani")],
    "West African": [
        ("Chukwuemeka", "Okonjo"),
        ("Adaeze", "Nwachukwu"),
        ("Kwabena", "Asante-Boateng"),
        ("Oluwaseun", "Adeyemi"),
    ],
    "East African": [("Tigist", "Gebremariam"), ("Wanjiru", "Kamau"), ("Mohamud", "Warsame")],
    "German and Dutch": [
        ("Gudrun", "Hübner-Kessler"),
        ("Wolfgang", "Straßmann"),
        ("Annelies", "van den Heuvel"),
        ("Joris", "ter Horst"),
    ],
    "Slavic": [("Zbigniew", "Wiśniewski"), ("Oksana", "Kovalchuk"), ("Vojtěch", "Dvořáček"), ("Ljubica", "Đorđević")],
    "French and Italian": [
        ("Geneviève", "d'Aubigné"),
        ("Thibault", "Lefèbvre"),
        ("Ottavia", "Della Rovere"),
        ("Ignazio", "Mastroianni"),
    ],
    "Nordic": [("Sigríður", "Jónsdóttir"), ("Torbjørn", "Ødegaard"), ("Väinö", "Hämäläinen")],
    "Thai": [("Somchai", "Rattanakosin"), ("Pornthip", "Wongsawat")],
    "Filipino": [("Jejomar", "Macapagal"), ("Luzviminda", "delos Reyes")],
    "Greek and Hungarian": [("Eleftheria", "Papadimitriou"), ("Szilvia", "Kővári"), ("Stavros", "Xenakis")],
    "Hebrew": [("Avishai", "Ben-David"), ("Tzipora", "Rosenzweig")],
    "Russian, Cyrillic": [("Тамара", "Белякова"), ("Руслан", "Ефимов")],
    "Samoan and Maori": [("Sefina", "Tuiasosopo"), ("Wiremu", "Parata")],
    "Hawaiian and Native": [("Keoni", "Kahananui"), ("Ailani", "Begaye")],
}

ADDRESSES: dict[str, list[str]] = {
    "US": [
        "4417 Larkspur Lane, Tulsa, OK 74105",
        "88 Old Mill Road, Apt 3C, Ithaca, NY 14850",
        "1209 N. Quincy Avenue",
        "16 Briarcliff Ct",
        "733 West 42nd Street, Unit 9",
        "P.O. Box 2291",
        "Flagstaff, AZ 86001-4432",
    ],
    "UK": [
        "14 Heron Close, Ludlow SY8 2QF",
        "Flat 6, 201 Peckham Grove",
        "27 Cawdor Crescent, Oban PA34 5QN",
        "SW11 4NJ",
    ],
    "German": [
        "Lindenstraße 48, 04109 Leipzig",
        "Am Mühlenweg 7",
        "Goetheplatz 12",
        "Unter den Linden 77",
        "Kaiser-Friedrich-Str. 9, 10585 Berlin",
    ],
    "French": ["23 rue des Tilleuls, 69003 Lyon", "5 bis avenue Jean Moulin", "118, boulevard Pasteur"],
    "Spanish": ["Calle de los Olmos, 31", "Avenida Juárez 1450", "Plaza Mayor 8"],
    "Italian and Portuguese": ["Via Garibaldi 62", "Rua das Laranjeiras, 215", "Viale dei Mille 19"],
    "Indian and Nigerian": [
        "Plot 42, Banjara Hills Road No 3, Hyderabad",
        "19 Adeola Odeku Street, Lagos",
        "7 Gandhi Nagar",
    ],
}

PHONES: dict[str, list[str]] = {
    "US": ["(918) 555-0142", "607-555-0177", "303.555.0119", "+1 512 555 0163", "1-415-555-0186"],
    "UK": ["020 7946 0127", "07700 900482", "+44 161 496 0733", "0131 496 0258"],
    "elsewhere": [
        "+49 30 23125 014",
        "+33 1 99 00 45 67",
        "+91 98450 12345",
        "+234 803 555 0147",
        "+52 55 1234 5678",
        "01 99 00 12 34",
    ],
    "Australia and Brazil": ["(02) 5550 1234", "0491 570 156", "+55 11 91234-5678", "(11) 91234-5678"],
    "bare digits": ["9185550142", "555-0148"],
}

EMAILS = [
    "h.whitcombe47@mailbox.example.com",
    "xiulan_zheng@qmail.cn",
    "okonjo.family@webpost.ng",
    "gudrun-hk@post.de",
    "rania+clinic@inbox.org",
]
URLS = [
    "https://www.facebook.com/tamsin.ashdown.7",
    "https://portal.example.org/chart?patient=88213",
    "linkedin.com/in/keoni-kahananui",
    "http://people.example.edu/~emreyildirim/",
]

IDS: dict[str, list[str]] = {
    "MRN": [
        "MRN: 00482917",
        "MRN 77-41-093",
        "medical record number is 5530218",
        "MRN# H2204817",
        "Hospital number: K441902",
        "Chart #: 90817-2",
        "Patient ID: PT-2048813",
    ],
    "insurance": [
        "Policy number: XKJ-88201934",
        "Member ID: W2210 48817",
        "Medicare number 1EG4-TE5-MK73",
        "insurance ID: 662-119-4403",
        "Group no. 77120043",
    ],
    "SSN": ["SSN: 219-09-4417", "social security number 531-44-0192", "388-21-7745"],
    "NHS": ["NHS No: 943 476 5919", "NHS number 4010232137", "401 023 2137"],
    "other": [
        "passport number K8841203",
        "driver's license number D441-8820-1193",
        "account number 20094417",
        "NI number QQ123456C",
        "Accession number: S21-004482",
        "CPF: 529.982.247-25",
        "pacemaker serial number PJN441820H",
    ],
}

DATES: dict[str, list[str]] = {
    "numeric": [
        "03/14/2019",
        "14/03/2019",
        "7-22-1956",
        "22.07.1956",
        "2021-11-05",
        "9/3/21",
        "1958/04/30",
        "14.3.2019",
        "2019-03-14T08:30:00",
    ],
    "in words": [
        "March 14, 2019",
        "14 March 2019",
        "the 5th of November 2021",
        "Nov 5, 2021",
        "22-Jul-1956",
        "July twenty-second",
        "3rd of June",
        "the fourth of March nineteen sixty-two",
        "December third two thousand and three",
        "October 24th",
    ],
    "other languages": ["14 de marzo de 2019", "5 novembre 2021", "22. Juli 1956", "30 de abril de 1958"],
}
BIRTHS = {
    "birth": [
        "07/22/1956",
        "22.7.56",
        "July 22, 1956",
        "4/30/58",
        "22 July 1956",
        "May 1941",
        "1956-07-22",
        "April 30th, 1958",
    ]
}
AGES = ["91-year-old", "94 y/o", "93 years old", "102-year-old", "ninety-two-year-old", "97 yo"]
