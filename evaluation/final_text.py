"""The part of a reply that is meant as its answer, in plain characters: reasoning cut off, markup taken away.

Reasoning that was never closed leaves nothing: such a reply stopped before its answer. Knows nothing about letters.
"""

from __future__ import annotations

import html
import re
import unicodedata

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|reason|scratchpad|reflection)"
_TAGS = re.compile(
    rf"[<◁]\s{{0,2}}(/?)\s{{0,2}}{_TAG}\s{{0,2}}[>▷]|\[(/?)THINK\]|<\|(?:begin|(end))_of_thought\|>", re.IGNORECASE
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]{0,50}<\|message\|>", re.IGNORECASE)
_HEADING = re.compile(
    r"^(?:[#*]|[^\S\n])*+(thinking|thought|reasoning|final response|final answer|summarization|conclusion)"
    r"(?:\*|[^\S\n])*+:?(?:\*|[^\S\n])*+$",
    re.IGNORECASE | re.MULTILINE,
)
_REASONS = ("thinking", "thought", "reasoning")
_NEXT_QUESTION = re.compile(r"^\W{0,5}(?:question|user|human)\s{0,3}\d{0,3}\W{0,3}:", re.IGNORECASE | re.MULTILINE)
_ANSWER_LINE = re.compile(r"^\W{0,8}(?:final\s+|correct\s+)?answer\W{0,3}:\W{0,5}[A-Za-z]\b", re.I | re.MULTILINE)
_STRUCK = re.compile(r"~~[^~\n]{0,200}~~")
_LATEX = re.compile(
    r"\\(?:text(?:bf|rm|it|sf|tt|sc|up)?|math(?:bf|rm|it|sf|tt)|mbox|operatorname|boldsymbol|bf|rm|it"
    r"|displaystyle|large|Large|quad|qquad|left|right|emph|underline)(?![A-Za-z])|\\[,;:!() \[\]{}]"
)
_ELEMENT = re.compile(
    r"</?(?:b|i|u|em|strong|p|br|span|div|h[1-6]|mark|code|center|font|sup|sub)(?:\s[^<>]{0,80})?/?>", re.I
)


def final_text(reply: str) -> str | None:
    """Return what stands after the reasoning; None where the reasoning never ended.

    Known forms: ``<think>`` and its like, ``[THINK]``, channels with a final one, headings such as ``## Thinking``
    and ``## Final Response``. A made-up next question after an answer line (base models go on so) is cut off too.
    """
    text = _after_tags(reply)
    text = None if text is None else _after_channels(text)
    text = None if text is None else _after_headings(text)
    if text is None:
        return None
    answered = _ANSWER_LINE.search(text)
    following = _NEXT_QUESTION.search(text, answered.end()) if answered else None
    return text[: following.start()] if following else text


def plain_text(text: str) -> str:
    """Return the text without emphasis, LaTeX commands, HTML elements and full-width forms; its lines stay lines."""
    text = unicodedata.normalize("NFKC", html.unescape(text)).replace("\r\n", "\n").replace("\r", "\n")
    text = _ELEMENT.sub(" ", _STRUCK.sub(" ", text))
    text = re.sub(r"</\s{0,2}(?:final_?)?answer\s{0,2}>", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"\\f?box(?:ed)?(?:\s{0,3}(?=\{)|\s{1,3}(?=[A-Za-z]\b))|\\framebox\s{0,3}(?=\{)", "\x02", text)
    text = _LATEX.sub(" ", text)
    text = re.sub(r"[*_`$\u00ad\u200b-\u200f\u2060-\u2064\ufeff]", " ", text)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _after_tags(reply: str) -> str | None:
    depth_open, end = False, 0
    for tag in _TAGS.finditer(reply):
        depth_open = not (tag[1] or tag[2] or tag[3])
        end = tag.end()
    return None if depth_open else reply[end:]


def _after_channels(text: str) -> str | None:
    channels = list(_CHANNEL.finditer(text))
    if not channels:
        return text
    return text[channels[-1].end() :] if channels[-1][1].lower() == "final" else None


def _after_headings(text: str) -> str | None:
    """The text from the last heading on, if there is one of reasoning; None where that is the last."""
    headings = list(_HEADING.finditer(text))
    reasons = [at for at, heading in enumerate(headings) if heading[1].lower() in _REASONS]
    if not reasons:
        return text
    if reasons[-1] == len(headings) - 1:
        return None
    # The heading stays when it is the anchor itself ("## Final Answer").
    after = headings[reasons[-1] + 1]
    return text[after.start() :] if after[1].lower() == "final answer" else text[after.end() :]
