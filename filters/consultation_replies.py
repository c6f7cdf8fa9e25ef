"""Words of a reply: yes, no, what holds for a time or a degree only, and what names no complaint by itself."""

from __future__ import annotations

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
_FIRST = r"\W*(?:(?:oh|um+|uh|well|hmm|er|ah|actually|doctor|so|thankfully|luckily)\W+)*"
YES = either(
    rf"""
    {_FIRST}(?:yes|yeah|yep|yup|yea|correct|right\b|exactly|uh-huh|mm-?hmm|definitely|absolutely|of course|indeed|sure)
    {_FIRST}(?:i (?:do|have|did|am)\b|it does|it is|that's right|i think so|i'm afraid so)
    {_FIRST}(?:a (?:little|bit)|sometimes|occasionally|quite|very much|always|often)
    """
)
NO = either(
    rf"""
    {_FIRST}(?:no\b(?! (?:idea|doubt))|nope|nah|never\b|none\b|not (?:really|at all|that|any)|nothing like|neither\b)
    {_FIRST}i (?:don't|haven't|didn't|do not|have not)\b(?! (?:{"|".join(_UNSURE)}))
    {_FIRST}it (?:doesn't|does not|isn't|hasn't)
    """
)
QUALIFIED = phrases(
    r"""
    now|right now|at the moment|today|currently|yesterday|this time|this morning|first|at first|initially|earlier|last
    when|while|during|after|before|until|if|only|except|unless|so far|yet|ago|recent\w*|again|new|any\s*more|used to
    at rest|resting|sitting|lying|at night|there|always|usually|normally|constant\w*|all the time
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
