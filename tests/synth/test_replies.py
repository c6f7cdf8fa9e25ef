from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from synth.endpoints.base import Reply
from synth.recipes.forms import PatientTurn, Recovered, answers_form, doctor_form, questions_form, sections_form
from synth.replies import BadReply, Parsed, json_schema, parse, split_reasoning


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    score: Literal[1, 2, 3, 4, 5]
    notes: Annotated[list[str], Field(max_length=3)] = []


class Anything(BaseModel):
    value: Any


GOOD = '{"title": "Angina", "score": 5}'


def reply(text: str, finish_reason: str = "stop", **more: Any) -> Reply:
    return Reply(text, None, finish_reason, 10, 5, "m", **more)


def bad(text: str, model: type[BaseModel] | None = Form, finish_reason: str = "stop", **more: Any) -> BadReply:
    with pytest.raises(BadReply) as caught:
        parse(reply(text, finish_reason, **more), model)
    return caught.value


def form(text: str) -> tuple[Any, bool]:
    parsed = parse(reply(text), Form)
    return parsed.value.model_dump(exclude_unset=True), parsed.repaired


# --- JSON


@pytest.mark.parametrize("text", [GOOD, f"  {GOOD}\n\n", '{\n  "score": 5,\n  "title": "Angina"\n}'])
def test_valid_json_is_taken_as_it_is(text: str) -> None:
    assert form(text) == ({"title": "Angina", "score": 5}, False)


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"```JSON\n{GOOD}```",
        f"\n\n```json  \n\n{GOOD}\n\n```\n\n",
        f"```json\r\n{GOOD}\r\n```",
        f"<think>Is it 5 or {{4}}?</think>\n{GOOD}",
        f"\n<think>\nHm.\n</think>\n\n```json\n{GOOD}\n```",
        '{"title": "Angina", "score": 5,}',
        '{"title": "Angina", "score": 5 , \n }',
        "{“title”: “Angina”, “score”: 5}",
        "{ “title” : “Angina” , “score” : 5 }",
        "{”title”: ”Angina”, ”score”: 5,}",
        "```json\n{“title”: “Angina”, “score”: 5,}\n```",
    ],
)
def test_wrappings_and_slips_that_change_no_value_are_repaired(text: str) -> None:
    assert form(text) == ({"title": "Angina", "score": 5}, True)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('{"title": "a, ]", "score": 1,}', "a, ]"),
        ('{"title": "a,}", "score": 1,}', "a,}"),
        ('{"title": "a\\",}", "score": 1,}', 'a",}'),
        ('{"title": "a\\\\", "score": 1,}', "a\\"),
        ('{"title": "“quoted”, he said", "score": 1,}', "“quoted”, he said"),
        ('{"title": "```json\\n{}\\n```", "score": 1,}', "```json\n{}\n```"),
        ('```json\n{"title": "```", "score": 1}\n```', "```"),
        ('```json\n{"title": "see\\n```\\n", "score": 1}\n```', "see\n```\n"),
        ('{"title": "<think>no</think>", "score": 1,}', "<think>no</think>"),
        ('{"title": "it’s", "score": 1,}', "it’s"),
        ("{“title”: “it’s”, “score”: 1}", "it’s"),
        ("{“title”: “a, b: c”, “score”: 1}", "a, b: c"),
    ],
)
def test_repair_leaves_the_inside_of_strings_alone(text: str, title: str) -> None:
    assert form(text) == ({"title": title, "score": 1}, True)


@pytest.mark.parametrize(
    "text",
    [
        "Angina, five points.",
        "Here you are: " + GOOD,
        GOOD + " I hope that helps!",
        GOOD + GOOD,
        "```json\n" + GOOD,
        "{'title': 'Angina', 'score': 5}",
        '{title: "Angina", score: 5}',
        '{"title": "Angina" "score": 5}',
        '{"title": "Angina", "score": }',
        '{"title": "Angina",, "score": 5}',
        '{"title": "Ang',
        '{"title": "Angina", "score": 5',
        '{"title": "Angina “, "score": 5}',
        "I'm sorry, I can't do better than this: " + GOOD,
        '{"title": "he said “go”, then left", "score": 5, oops}',
        "{“title”: “he said “go”, then left”, “score”: 5}",
        "{",
        "[" * 100_000,
        '{"title": "Angina", "score": ' + "9" * 10_000 + "}",
        "9" * 10_000,
        "```json\n" + '{"title": "Angina", "score": ' + "9" * 10_000 + ",}\n```",
    ],
    ids=range(21),
)
def test_anything_else_is_not_json(text: str) -> None:
    error = bad(text)
    assert error.reason == "not_json"
    assert not error.final
    assert error.detail
    assert len(error.detail.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"title": "Angina", "score": 9}', "score"),
        ('{"title": "Angina", "score": "5"}', "score"),
        ('{"title": "Angina"}', "score: Field required"),
        ('{"title": null, "score": 5}', "title"),
        ('{"title": "Angina", "score": 5, "mood": "good"}', "mood"),
        ('{"title": "Angina", "score": 5, "notes": ["a", 7]}', "notes.1"),
        ('{"title": "Angina", "score": 5, "notes": ["a", "b", "c", "d"]}', "notes"),
        ("[]", "the reply"),
        ("5", "the reply"),
        ("null", "the reply"),
        ('"Angina"', "the reply"),
    ],
)
def test_json_of_another_shape_names_the_place(text: str, says: str) -> None:
    error = bad(text)
    assert error.reason == "schema"
    assert says in error.detail
    assert not error.final


@pytest.mark.parametrize(
    "obj", [{f"key {n}": n for n in range(1000)}, {"x" * 100_000: 1}, {"a\nb\u2028c": 1}, {"lone \ud800": 1}]
)
def test_errors_of_shape_stay_short_and_on_one_line(obj: dict[str, int]) -> None:
    detail = bad(json.dumps(obj)).detail
    assert len(detail) <= 300
    assert len(detail.splitlines()) == 1
    detail.encode("utf-8")


def test_half_an_emoji_reaches_no_value_and_a_whole_one_does() -> None:
    assert form('{"title": "a\\ud83d b", "score": 1}') == ({"title": "a? b", "score": 1}, False)
    assert form('{"title": "\\ud83d\\udc8a", "score": 1}') == ({"title": "💊", "score": 1}, False)


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_an_empty_reply(text: str) -> None:
    assert bad(text).reason == "empty"
    assert bad(text, None).reason == "empty"


# --- cut replies


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "Angina", "score": 5',
        '{"title": "Angina", "score": 5,',
        '{"title": "Angina", "sc',
        "```json\n" + GOOD,
        "```json\n" + GOOD + "\n```",
        GOOD[:-1] + ",}",
        "{“title”: “Angina”, “score”: 5}",
        "Let me think about",
        "I'm sorry, but I can't",
        "[" * 100_000,
        '{"title": "Angina", "score": ' + "9" * 10_000,
    ],
    ids=range(11),
)
def test_a_cut_reply_is_truncated_and_never_repaired(text: str) -> None:
    assert bad(text, finish_reason="length").reason == "truncated"


@pytest.mark.parametrize("tail", ["", " ", "\n" * 5000])
def test_a_reply_that_was_cut_after_its_end_is_complete(tail: str) -> None:
    """Small models go on with white space until they are stopped."""
    assert parse(reply(GOOD + tail, "length"), Form).value.title == "Angina"


def test_a_cut_text_is_truncated() -> None:
    assert bad("The heart is a muscle that", None, "length").reason == "truncated"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
OBJECT = st.fixed_dictionaries({"value": JSON})


@given(OBJECT, st.booleans(), st.sampled_from([None, 1, 2]))
def test_valid_json_round_trips(obj: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(obj, ensure_ascii=ascii_only, indent=indent)
    assert parse(reply(text), Anything) == Parsed(Anything(**obj), repaired=False)


@given(OBJECT, st.data())
def test_what_is_cut_gives_the_whole_value_or_none(obj: dict[str, Any], data: st.DataObject) -> None:
    """Every prefix of a reply that the server calls cut: the value of the whole one, or truncated."""
    text = json.dumps(obj, ensure_ascii=False) + data.draw(st.sampled_from(["", "\n", "  \n\n"]))
    prefix = text[: data.draw(st.integers(1, len(text)))]
    try:
        parsed = parse(reply(prefix, "length"), Anything)
    except BadReply:
        assert bad(prefix, Anything, "length").reason == "truncated"
    else:
        assert parsed.value == Anything(**obj)
        assert prefix.rstrip() == text.rstrip()


def with_trailing_commas(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + "".join(f"{json.dumps(k)}: {with_trailing_commas(v)} , " for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "".join(f"{with_trailing_commas(v)},\n" for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


SLIPPERY = st.text(st.sampled_from(list('a,]}"\\“”:{[ \n`')), max_size=12)


@given(
    st.fixed_dictionaries({"value": st.lists(SLIPPERY | st.dictionaries(SLIPPERY, SLIPPERY, max_size=2), max_size=4)})
)
@example({"value": [",]", ',"]', "\\"]})
def test_trailing_commas_go_and_the_value_stays(obj: dict[str, Any]) -> None:
    parsed = parse(reply(with_trailing_commas(obj)), Anything)
    assert parsed == Parsed(Anything(**obj), repaired=True)


@given(OBJECT, st.sampled_from(["json", "", "JSON"]), st.sampled_from(["\n", "\n\n", "\r\n"]))
def test_fences_go_and_the_value_stays(obj: dict[str, Any], language: str, end: str) -> None:
    text = f"```{language}{end}{json.dumps(obj, ensure_ascii=False)}{end}```"
    assert parse(reply(text), Anything) == Parsed(Anything(**obj), repaired=True)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters='"“”\\', exclude_categories=["Cc", "Cs"]), max_size=10)


@given(st.dictionaries(WORDS, WORDS | st.integers(), min_size=1, max_size=4))
def test_typographic_quotes_go_and_the_value_stays(inner: dict[str, Any]) -> None:
    text = '{"value": ' + json.dumps(inner, ensure_ascii=False) + "}"
    for number, piece in enumerate(pieces := text.split('"')):
        pieces[number] = piece + ("“" if number % 2 == 0 else "”") if number < len(pieces) - 1 else piece
    parsed = parse(reply("".join(pieces)), Anything)
    assert parsed == Parsed(Anything(value=inner), repaired=True)


@given(
    st.text(st.sampled_from(list('{}[]",:“”`\\ \n1ajson<think>/')), max_size=40), st.sampled_from(["stop", "length"])
)
def test_any_text_is_a_value_or_a_bad_reply(text: str, finish_reason: str) -> None:
    for model in (Anything, Form, None):
        try:
            parsed = parse(reply(text, finish_reason), model)
        except BadReply:
            assert bad(text, model, finish_reason).reason in ("refusal", "truncated", "empty", "not_json", "schema")
        else:
            assert model is None or isinstance(parsed.value, model)
            assert not (parsed.repaired and finish_reason == "length")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "```" + "\n" * 20_000 + "x",
        "```json\n{" + "\n" * 20_000,
        "```json\n{" + " \n" * 20_000 + "``",
        "{" + ", " * 20_000,
        "{" + "," + " " * 20_000,
        '{"' + '\\"' * 10_000,
        "{" + "“ " * 20_000,
        "<think>" * 5_000,
        "\n" * 20_000 + "x",
    ],
    ids=range(9),
)
def test_endless_repetition_is_judged_in_no_time(text: str) -> None:
    assert bad(text).reason == "not_json"


# --- plain text and refusals


def test_a_plain_text_is_stripped() -> None:
    assert parse(reply("\n The heart. \n"), None) == Parsed("The heart.", repaired=False)


REFUSALS = [
    "I'm sorry, but I can't help with that request.",
    "I’m sorry, I can’t provide medical advice.",
    "I am sorry, but I cannot assist with that.",
    "I'm very sorry, but I am unable to answer this.",
    "Sorry, I can't do that.",
    "I apologize, but I cannot fulfil this request.",
    "I cannot provide medical advice. Please consult a qualified professional.",
    "I can't help with that.",
    "I'm not able to provide a diagnosis.",
    "I am unable to assist with this.",
    "I'm unable to help with this.",
    "As an AI, I am not able to assist with this.",
    "As an AI language model, I do not give advice.",
    "  \n I'm sorry, but I can't help with that.",
]


@pytest.mark.parametrize("text", REFUSALS)
@pytest.mark.parametrize("model", [None, Form])
def test_refusals_are_seen_and_final(text: str, model: type[BaseModel] | None) -> None:
    error = bad(text, model)
    assert error.reason == "refusal"
    assert error.final
    assert error.detail == " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "Patients often say: I'm sorry, I can't sleep.",
        "I cannot sleep at night, doctor.",
        "I can't breathe when I climb stairs.",
        "I'm sorry to hear that. Where does it hurt?",
        "Sorry to keep you waiting. What brings you here?",
        "Aspirin cannot help with a fracture.",
        "Angina is chest pain. " + "It comes with effort. " * 20 + "I'm sorry, but I can't help with that.",
    ],
)
def test_what_patients_and_doctors_say_is_no_refusal(text: str) -> None:
    assert parse(reply(text), None).value == text


def test_a_json_reply_may_hold_a_patient_who_apologizes() -> None:
    text = '{"title": "I am sorry, but I can\'t help with that", "score": 1}'
    assert parse(reply(text), Form).value.score == 1
    assert bad(text[:-1]).reason == "not_json"


IN_FORMS = [
    *REFUSALS,
    "I'm sorry, I can't answer your questions in this moment.",
    "As an AI language model, I have no opinion.",
    "I'm just an AI, and this is for doctors.",
    "<think>They want a drug.</think> I'm sorry, but I can't help with that.",
]
HARMLESS = [
    "I can't breathe when I lie down.",
    "I'm sorry to hear that you cannot sleep.",
    "I'm sorry to hear that you cannot sleep. Does anything help?",
    "I'm sorry, I can't say yet what it is. Let me take an ECG.",
    "As an aid to diagnosis, which test is best?",
    "I can't help but think of angina.",
]


@pytest.mark.parametrize("text", IN_FORMS)
def test_a_refusal_inside_a_form_is_a_refusal(text: str) -> None:
    forms: list[tuple[dict[str, object], type[BaseModel]]] = [
        ({"questions": [text]}, questions_form(1)),
        ({"answers": ["Rest a while.", text]}, answers_form(2, 4096)),
        ({"thought": "I weigh it.", "summarization": text}, sections_form(4096)),
        ({"answer": text}, Recovered),
        (DOCTOR | {"say": text}, doctor_form(("ask",))),
    ]
    for value, form in forms:
        error = bad(json.dumps(value), form)
        assert (error.reason, error.final) == ("refusal", True)
    assert parse(reply(json.dumps({"say": text})), PatientTurn).value.say == text.strip()  # patients may say so


DOCTOR: dict[str, object] = {
    "thought": "It may be angina.",
    "differential": [{"diagnosis": "Angina", "probability": 0.5}],
    "action": "ask",
    "argument": "onset",
}


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_words_in_a_form_are_no_refusal(text: str) -> None:
    said = parse(reply(json.dumps(DOCTOR | {"say": text, "thought": text})), doctor_form(("ask",))).value
    assert said.say == said.thought == text


def test_a_refusal_after_its_reasoning_is_one() -> None:
    text = "<think>They ask for a dose.</think>\nI'm sorry, but I can't help with that."
    assert bad(text, None).reason == "refusal"
    assert parse(reply("<think>I cannot help with that? I can.</think> Rest."), None).value.endswith("Rest.")


def test_who_must_diagnose_may_speak_longer() -> None:
    say = "This is angina. " * 80
    closing = parse(reply(json.dumps(DOCTOR | {"action": "diagnose", "say": say})), doctor_form(("diagnose",)))
    assert len(closing.value.say) > 1000
    assert bad(json.dumps(DOCTOR | {"say": say}), doctor_form(("ask", "diagnose"))).reason == "schema"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"say": "…"}, "turn_empty"),
        ({"say": " \n"}, "turn_empty"),
        ({"say": "?"}, "turn_empty"),
        ({"say": "5"}, "schema"),
        ({"say": "是"}, "schema"),
        ({"say": None}, "schema"),
        ({"say": "…", "argument": "?"}, "schema"),
        ({"say": "Since when?", "thought": "…"}, "schema"),
    ],
)
def test_a_turn_that_says_nothing_has_a_reason_of_its_own(changes: dict[str, object], reason: str) -> None:
    error = bad(json.dumps(DOCTOR | changes), doctor_form(("ask",)))
    assert (error.reason, error.final) == (reason, False)


def test_a_refusal_by_the_server_goes_before_the_text() -> None:
    error = bad(GOOD, refusal="Policy. " * 100)
    assert (error.reason, error.final) == ("refusal", True)
    assert len(error.detail) == 300


def test_a_content_filter_goes_before_the_text() -> None:
    for model in (Form, None):
        error = bad(GOOD, model, "content_filter")
        assert (error.reason, error.final) == ("content_filter", True)


@pytest.mark.parametrize("reason", ["truncated", "empty", "not_json", "schema"])
def test_other_bad_replies_are_worth_another_question(reason: str) -> None:
    assert not BadReply(reason, "…").final


# --- reasoning


@pytest.mark.parametrize(
    ("text", "field", "parts"),
    [
        # in a field
        ("Angina.", "First, the heart.", ("First, the heart.", "Angina.")),
        ("\nAngina. ", " First.\n", ("First.", "Angina.")),
        ("<think>\n</think>\nAngina.", "First.", ("First.", "Angina.")),
        ("", "First.", None),
        (" \n", "First.", None),
        ("<think>again", "First.", None),
        # inline
        ("<think>First.</think>Angina.", None, ("First.", "Angina.")),
        ("\n<think>\nFirst.\n\nThen.\n</think>\n\nAngina.", None, ("First.\n\nThen.", "Angina.")),
        ("<think>First.</think>Angina.", "", ("First.", "Angina.")),
        ("<think>First.</think>Angina.", "  ", ("First.", "Angina.")),
        ("<think></think>Angina.", None, None),
        ("<think> \n </think>Angina.", None, None),
        ("<think>First.</think>", None, None),
        ("<think>First.</think> \n", None, None),
        ("<think>First, the heart. Then", None, None),
        # the block was opened by the chat template
        ("First.\n</think>\n\nAngina.", None, ("First.", "Angina.")),
        ("</think>Angina.", None, None),
        ("First.</think>", None, None),
        # no reasoning
        ("Angina.", None, None),
        ("", None, None),
        ("Angina. <think>late</think> Really.", None, None),
    ],
)
def test_split_reasoning(text: str, field: str | None, parts: tuple[str, str] | None) -> None:
    assert split_reasoning(text, field) == parts


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["field", "inline", "opened"]))
def test_all_three_forms_of_reasoning_give_the_same(thought: str, answer: str, where: str) -> None:
    assume("<" not in thought + answer)
    assume(thought.strip() and answer.strip())
    forms = {
        "field": (answer, thought),
        "inline": (f"<think>{thought}</think>{answer}", None),
        "opened": (f"{thought}</think>{answer}", None),
    }
    assert split_reasoning(*forms[where]) == (thought.strip(), answer.strip())


@given(st.text(max_size=20), st.text(max_size=20) | st.none(), st.integers(0, 40))
def test_a_chain_that_was_cut_has_no_answer(thought: str, field: str | None, at: int) -> None:
    assume("<" not in thought)
    text = f"<think>{thought}</think>"
    assert split_reasoning(text[: max(at, len("<think>"))], None) is None


# --- schema


def test_the_schema_has_no_titles_or_descriptions_but_keeps_fields_of_those_names() -> None:
    class Titled(BaseModel):
        """A docstring, which pydantic turns into a description."""

        title: str = Field(max_length=5, description="what it is called", title="Name")
        description: list[Form]

    schema = json_schema(Titled)
    assert schema["properties"]["title"] == {"maxLength": 5, "type": "string"}
    assert set(schema["properties"]) == {"title", "description"}
    assert schema["required"] == ["title", "description"]
    assert "docstring" not in json.dumps(schema)
    assert set(schema["$defs"]["Form"]["properties"]) == {"title", "score", "notes"}
    assert schema["$defs"]["Form"]["additionalProperties"] is False
