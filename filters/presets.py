"""What similarity means: n-gram and threshold for questions, dialogues and long texts.

Median Jaccard similarity of a text and its changed copy, measured on texts made of fragments of English doctor-patient
dialogues, words replaced at random places by random others:

=============================  ======  ======  ======  ======
change                         word:1  word:3  word:5  char:5
=============================  ======  ======  ======  ======
question of 12 to 30 words
1 word replaced                0.91    0.75    0.62    0.86
10 % of the words              0.85    0.58    0.41    0.76
20 %                           0.70    0.36    0.18    0.56
another question (most)        0.25    0.04    0.00    0.10
dialogue of 150 to 300 words
1 word replaced                0.99    0.98    0.96    0.99
2 % of the words               0.97    0.90    0.84    0.94
5 %                            0.93    0.75    0.65    0.87
10 %                           0.87    0.58    0.41    0.75
20 %                           0.74    0.34    0.21    0.57
turns shuffled                 1.00    0.88    0.73    0.97
another dialogue (most)        0.29    0.02    0.01    0.12
2,000 words
2 % of the words               0.97    0.89    0.82    0.95
5 %                            0.94    0.75    0.64    0.88
turns shuffled                 1.00    0.86    0.70    0.98
another text (most)            0.34    0.02    0.00    0.24
=============================  ======  ======  ======  ======

So ``word:3`` from 0.7 on means one word in twenty replaced, or the same turns in another order; ``word:5`` from 0.8 on
means two words in a hundred, and lets shuffled turns pass. Short n-grams find unrelated long texts alike.
"""

from __future__ import annotations

from collections.abc import Mapping

PRESETS: Mapping[str, tuple[str, float]] = {
    "questions": ("word:3", 0.7),
    "dialogues": ("word:3", 0.7),
    "long": ("word:5", 0.8),
}
"""An n-gram and a threshold for a kind of text."""
