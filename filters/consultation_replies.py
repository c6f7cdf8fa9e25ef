"""Words of a reply: yes, no, what holds for a time or a degree only, and what names no complaint by itself."""

from __future__ import annotations

from collections.abc import Sequence

from filters.consultation_text import Sentence
from filters.phrasing import either, phrases

_UNSURE = (
    "know",
    "remember",
    "think",
    "recall",
    "notice",
    "sure",
    "understand",
    "check",
    "measure",
    "like",
    "want",
    "mean",
)
_FIRST = (
    r"\W*(?:(?:oh|um+|uh|well|hmm|er|ah|actually|doctor|doc|so|thankfully|luckily|god|gosh|goodness|heavens|lord"
    r"|honestly|mostly|just|only)\W+)*"
)
_AMOUNT = r"an?|half|one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|forty|sixty|\d+"
YES = either(
    rf"""
    {_FIRST}(?:yes|yeah|yep|yup|yea|aye|correct|right\b|exactly|uh-huh|mm-?hmm|definitely|absolutely(?! not)
    of course(?! not))
    {_FIRST}(?:indeed|sure|certainly(?! not))
    {_FIRST}(?:i (?:do|have|did|am)\b(?! not)|it does\b(?! not)|it is\b(?! not)|that's right|i think so|i'm afraid so)
    {_FIRST}(?:a (?:little|bit)|sometimes|occasionally|quite|very much|always|often|constantly|all (?:day
    night|the time))
    {_FIRST}(?:like (?:mad|crazy|hell)|plenty|loads|lots|tons|heaps|masses|every (?:single )?(?:day|night
    morning|time))
    {_FIRST}(?:once|twice|(?:several|a few|many|{_AMOUNT}) times)\b
    {_FIRST}(?:about |around |maybe |roughly |some )?(?:{_AMOUNT})\b(?: [\w-]+){{0,4}}? (?:a|per|each
    every) (?:day|night|evening|week|month)
    """
)
NO = either(
    rf"""
    {_FIRST}(?:no\b(?! (?:idea|doubt|one|worr\w+|bother|drama|sweat|fuss|hassle|problem)\b)
    nope|nah|never\b|none\b|not (?:really|at all|that|any)|nothing like
    neither\b)
    {_FIRST}not (?:in the (?:least|slightest)|once|ever\b|one\b|even|a (?:bit|drop|single|chance|trace)|so far
    the least)
    {_FIRST}(?:(?:absolutely|of course|certainly|definitely) not|i've never|i have never)\b
    {_FIRST}i (?:don't|haven't|didn't|do not|have not)\b(?! (?:{"|".join(_UNSURE)}))
    {_FIRST}it (?:doesn't|does not|isn't|hasn't)
    """
)
QUALIFIED = phrases(
    r"""
    now|right now|at the moment|today|currently|yesterday|this time|this morning|first|at first|initially|earlier|last
    when|while|during|after|before|until|if|only|except|unless|so far|yet|ago|recent\w*|again|new|any\s*more|used to
    still|since|any longer
    at rest|resting|sitting|lying|at night|there|always|usually|normally|constant\w*|all the time
    gone|gone away|settl\w+|eas(?:ed|ing)|come down|came down|clear(?:ed|ing)
    other|else|more|worse|better|severe|bad|much|really|change\w*|spread\w*|radiat\w*|started|began
    with (?:the|it|this)|like (?:this|that)|together|caus\w+|relat\w+|due|because|from (?:the|it)
    """
)
"""Words with which a denial or an answer holds for a time, a place or a degree, and is not a plain yes or no."""

NEUTRAL = frozenset(
    {
        "appetite",
        "vision",
        "visual",
        "eyesight",
        "energy",
        "sleep",
        "memory",
        "hearing",
        "smell",
        "speech",
        "heartbeat",
    }
    | {"heartbeats", "thyroid", "cholesterol", "breathing", "balance", "erections", "strength", "tone"}
)
"""Words that name no complaint by themselves: "my sleep is fine"."""
FINE = phrases(r"normal|fine|good|okay|ok|unchanged|same|all right|well|usual")


def first_answer(sentences: Sequence[Sentence]) -> int:
    """The place of the sentence that answers: the second, where the first only echoes the question ("Tablets?")."""
    echo = len(sentences) > 1 and sentences[0].text.endswith("?") and len(sentences[0].text.split()) <= 3
    return 1 if echo else 0
