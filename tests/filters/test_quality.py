from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.markup import damaged_latex, damaged_markdown
from filters.phrases import machine_talk, refusal, stock_phrase
from filters.quality import Rules, judge
from filters.repetition import longest_run, loops

ANY = st.text(st.characters(exclude_categories=()), max_size=80) | st.text(
    st.sampled_from("`~|-$\\()[]{}\n a0"), max_size=60
)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m very sorry, I cannot provide medical advice.",
        "I apologize, but I am unable to assist with this request.",
        "I cannot answer this question.",
        "Unfortunately, I'm not able to discuss that.",
        "As an AI language model, I have no body.",
        "I am just an AI, and I cannot help.",
        "<think>Should I?</think>\nI can't help with that.",
        "\"I'm sorry, I can't assist with that.\"",
        "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
        "Als KI kann ich keine Diagnose stellen.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "En tant qu'IA, je n'ai pas d'avis.",
        "Mi dispiace, ma non posso aiutarti.",
        "Desculpe, não posso ajudar com isso.",
        "抱歉，我无法提供医疗建议。",
        "申し訳ありませんが、その質問にはお答えできません。",
    ],
)
def test_refusals(text: str) -> None:
    assert refusal(text)
    assert list(judge([text]).reasons) == ["refusal"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't sleep, and I cannot walk up the stairs any more.",
        "I'm sorry to hear that. How long have you had the pain?",
        "I'm sorry, I can't help but worry about my heart.",
        "Sorry, I can't hear you well.",
        "I can't do that anymore.",
        "I cannot recommend aspirin here because of the ulcer.",
        "Es tut mir leid, das zu hören. Seit wann haben Sie Schmerzen?",
        "Lo siento mucho. ¿Desde cuándo le duele?",
        "Je suis désolé de l'apprendre.",
        "抱歉让您久等了，请坐。",
        "I won't share your results with your employer.",
        "I can't discuss your father's illness without his consent.",
        "The patient says: I'm sorry, I can't help with that." + " " * 3,
    ],
)
def test_what_is_no_refusal(text: str) -> None:
    assert refusal(text) is None


def test_refusals_as_models_word_them() -> None:
    texts = [
        "I'm sorry, but I can't assist with that request.",
        "I apologise, but I cannot provide that.",
        "Sorry, I won't comply.",
        "I am unable to fulfil this request.",
        "I'm not able to answer medical questions.",
        "I'm a large language model, and have no patients.",
        "As an AI I cannot give medical advice.",
    ]
    assert all(map(refusal, texts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It depends. As an AI assistant, my view is limited.", True),
        ("My training data ends in 2023.", True),
        ("An AI model read the scan; the radiologist agreed.", False),
        ("I was trained as a nurse.", False),
    ],
)
def test_machine_talk(text: str, expected: bool) -> None:
    assert bool(machine_talk(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Certainly! Here is the dialogue.", True),
        ("Take it daily. I hope this helps!", True),
        ("Dear [insert name], come in.", True),
        ("We delve into the tapestry; it plays a crucial role.", True),
        ("The tumour plays a crucial role in the pain.", False),
        ("Of course, doctor. It hurts here.", False),
        ("Certainly the pain is worse.", False),
    ],
)
def test_stock_phrases(text: str, expected: bool) -> None:
    assert bool(stock_phrase(text)) is expected


@pytest.mark.parametrize(
    ("text", "times", "unit"),
    [
        ("", 1, ""),
        ("one two three", 1, ""),
        ("no no no", 3, "no"),
        ("it hurts it hurts it hurts", 3, "it hurts"),
        ("well it hurts it hurts here", 2, "it hurts"),
        ("a b a b a", 2, "a b"),
        ("a b a a", 2, "a"),
    ],
)
def test_longest_run(text: str, times: int, unit: str) -> None:
    assert longest_run(text)[0] == times
    assert sorted(longest_run(text)[1].split()) == sorted(unit.split())


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.integers(2, 6))
def test_a_repeated_unit_is_found(unit: list[str], times: int) -> None:
    assert longest_run(" ".join(unit * times))[0] >= times


def test_loops() -> None:
    assert loops("The patient has a cough. " * 12)
    assert loops("Good start of an honest answer about the heart and the lungs. " + "de " * 40)
    assert loops("na 138, k 4.1, cl 102, na 139, k 4.0, cl 101, na 140, k 4.2, cl 99") is None
    with pytest.raises(ValueError, match="share"):
        loops("", share=2)


@pytest.mark.parametrize(
    ("text", "damaged"),
    [
        ("plain | text\nwith | bars", False),
        ("```python\nx = 1\n```\nfine", False),
        ("```python\nx = 1", True),
        ("~~~\n```\n~~~", False),
        ("````\n```\n````", False),
        ("say `a | b` and ```c```", False),
        ("| a | b |\n|---|---|\n| 1 | 2 |", False),
        ("a | b\n---|---\n1 | 2 \\| 3", False),
        ("| a | b |\n|---|---|\n| 1 | 2 | 3 |", True),
        ("| a | b | c |\n|---|---|\n| 1 | 2 |", True),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n\n| 5 |", False),
    ],
)
def test_markdown(text: str, damaged: bool) -> None:
    assert bool(damaged_markdown(text)) is damaged


@pytest.mark.parametrize(
    ("text", "damaged"),
    [
        ("costs $5 to $10", False),
        (r"\(x^{2}\) and \[ \frac{a}{b} \]", False),
        (r"\(x^{2\)", True),
        (r"\(x", True),
        (r"x\)", True),
        (r"\[ x \)", True),
        (r"$$ x $$ and $$ y", True),
        (r"\begin{align}x\end{align}", False),
        (r"\begin{align}x", True),
        (r"\begin{align}x\end{aligned}", True),
        ("`\\(` opens a formula", False),
        ("```\n\\begin{x}\n```", False),
        (r"\(a \} \{ b\)", False),
    ],
)
def test_latex(text: str, damaged: bool) -> None:
    assert bool(damaged_latex(text)) is damaged


def test_the_first_reason_counts_and_evidence_shows_it() -> None:
    verdicts = judge(["one two", None, "```\nopen fence here", "a fair answer of six words"], Rules(least_words=3))
    assert list(verdicts.reasons) == ["too_short", "too_short", "markdown", ""]
    assert verdicts.evidence[0] == "2 words, 3 wanted"
    assert judge(["a b c d"], Rules(most_words=3)).counts() == {"too_long": 1}
    with pytest.raises(ValueError, match="most_words"):
        judge([], Rules(least_words=5, most_words=3))


def test_language() -> None:
    pytest.importorskip("py3langid")
    english = "The patient has had a dry cough for three weeks and feels tired, but has neither fever nor weight loss."
    german = (
        "Der Patient hat seit drei Wochen trockenen Husten und fühlt sich müde, hat aber weder Fieber noch Schmerzen."
    )
    assert list(judge([english, german, "Nein."], Rules(language="en-GB")).reasons) == ["", "language", ""]
    assert list(judge([english, german], Rules(language="de")).reasons) == ["language", ""]
    with pytest.raises(ValueError, match="tlh"):
        judge([], Rules(language="tlh"))


@given(ANY)
def test_no_text_makes_a_rule_fail(text: str) -> None:
    verdicts = judge([text], Rules(stock_phrases=True))
    assert len(verdicts) == 1
    assert bool(verdicts.reasons[0]) == bool(verdicts.evidence[0])
