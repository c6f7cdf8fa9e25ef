from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.text import _PLAIN, _any_word, normalise, repeated_share, storable, words

BROKEN = st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from("\0\ud83d\ude00\udfffaé😀"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("ü 😀 \u2028 \x01", "ü 😀 \u2028 \x01"),
        ("a\0b\0", "ab"),
        ("é\0", "é"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d\0\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
    ],
)
def test_storable(text: str, expected: str) -> None:
    assert storable(text) == expected


@given(BROKEN)
def test_what_is_storable_is_left_alone(text: str) -> None:
    once = storable(text)
    assert once.encode("utf-8").decode("utf-8") == once
    assert "\0" not in once
    assert storable(once) == once
    if "\0" not in text and not re.search("[\ud800-\udfff]", text):
        assert once == text


@given(BROKEN)
def test_no_character_is_lost_but_nul(text: str) -> None:
    pairs = re.findall("[\ud800-\udbff][\udc00-\udfff]", text.replace("\0", ""))
    assert len(storable(text)) == len(text) - text.count("\0") - len(pairs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\n\u00a0\u3000", ""),
        ("  Chest\r\n\n pain,\tSEVERE ", "chest pain, severe"),
        ("ﬁbrosis Ⅳ ５ｍｇ", "fibrosis iv 5mg"),
        ("cafe\u0301", "caf\u00e9"),
        ("J\u030c", "\u01f0"),
        ("Straße", "straße"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_normalise_is_idempotent_for_every_character() -> None:
    assigned = (char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) not in ("Cn", "Co"))
    once = [normalise(f"a{char}\u030cB") for char in assigned]
    assert [text for text in once if normalise(text) != text] == []


@settings(deadline=None)
@given(st.text())
def test_normalise_is_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! … 🙂 –", []),
        ("BP 120/80, HbA1c 7.5%", ["bp", "120", "80", "hba1c", "7", "5"]),
        ("Patient_1 doesn’t", ["patient_1", "doesn", "t"]),
        ("糖尿病の診断 CT検査", ["糖", "尿", "病", "の", "診", "断", "ct", "検", "査"]),
        ("ハート・レート", ["ハ", "ー", "ト", "レ", "ー", "ト"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("हिन्दी भाषा।", ["हिन्दी", "भाषा"]),
        ("당뇨병 환자", ["당뇨병", "환자"]),
        ("سُكَّري", ["سُكَّري"]),
        ("x\u0304 mean", ["x\u0304", "mean"]),
        ("\u0304 mean", ["mean"]),
        ("a\ud800b", ["a", "b"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_the_fast_pattern_is_taken_only_where_both_patterns_agree() -> None:
    plain = [char for char in map(chr, range(sys.maxunicode + 1)) if _PLAIN.fullmatch(char)]
    assert {"a", "é", "σ", "ж", "–", "≥", "µ"} <= set(plain)
    assert [char for char in plain if unicodedata.category(char)[0] == "M"] == []
    text = " ".join(f"{char} a{char}b" for char in plain)
    assert re.findall(r"\w+", text) == _any_word().findall(text)


@pytest.mark.parametrize(
    ("text", "n", "share"),
    [
        ("", 4, 0.0),
        ("take one tablet", 4, 0.0),
        ("take one tablet daily", 4, 0.0),
        ("a b c d e f g h", 4, 0.0),
        ("no no no no no no no", 4, 3 / 4),
        ("Yes, yes. YES!", 1, 2 / 3),
        ("a b c a b c", 3, 1 / 4),
        ("a b a c a b", 2, 1 / 5),
    ],
)
def test_repeated_share(text: str, n: int, share: float) -> None:
    assert repeated_share(text, n) == pytest.approx(share)


def test_a_looping_model_stands_out_from_an_honest_text() -> None:
    honest = "The patient reports chest pain that started two days ago, worse on exertion and better at rest."
    loop = honest + " I am here to help you." * 40
    assert repeated_share(honest) == 0
    assert repeated_share(loop) > 0.9


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 6))
def test_repeated_share_counts_each_gram_seen_before(letters: list[str], n: int) -> None:
    seen, repeats, grams = set(), 0, [tuple(letters[i : i + n]) for i in range(len(letters) - n + 1)]
    for gram in grams:
        repeats += gram in seen
        seen.add(gram)
    assert repeated_share(" ".join(letters), n) == pytest.approx(repeats / max(len(grams), 1))


def test_repeated_share_refuses_an_n_below_one() -> None:
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        repeated_share("a b", 0)
