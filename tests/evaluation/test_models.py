"""Text and likelihoods from a tiny model, against what the library gives for one row alone."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

import pytest

from evaluation.extract import extract
from evaluation.generate import generate, readable, render
from evaluation.lm_eval_tasks import export_lm_eval
from evaluation.loglik import score
from evaluation.models import Loaded, chat_form, load, run_name, weights_id
from evaluation.prompting import continuations, plain
from evaluation.runner import Ask, Settings, from_scores
from evaluation.tasks import Question, load_task
from synth.errors import UserError
from tests.evaluation.tiny import write_data, write_model

pytestmark = pytest.mark.train
pytest.importorskip("transformers")

CHATS = [[{"role": "user", "content": text}] for text in ("Hi", "A much longer question than the first one?", "So")]
PROMPTS = ["Question: x\nAnswer:", "Question: something that is a good deal longer\nAnswer:", "Q:"]
OPTIONS = [[" A", " B"], [" A", " B", " yes it is"], [" no", " n"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Loaded:
    return load(str(folder))


def test_a_batch_writes_what_each_row_alone_would(tiny: Loaded) -> None:
    together = generate(tiny.model, tiny.tokenizer, CHATS, max_new_tokens=12)
    alone = [generate(tiny.model, tiny.tokenizer, [chat], max_new_tokens=12)[0] for chat in CHATS]
    assert [(one.text, one.truncated, one.tokens_out) for one in together] == [
        (one.text, one.truncated, one.tokens_out) for one in alone
    ]
    assert [one.tokens_in for one in together] == [
        len(tiny.tokenizer(render(tiny.tokenizer, chat))["input_ids"]) for chat in CHATS
    ]


def test_cut_replies_are_told_row_by_row(tiny: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    chats = CHATS * 4
    whole = generate(tiny.model, tiny.tokenizer, chats, max_new_tokens=8, temperature=1.0, seed=1)
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", list(range(2, 30)))
    rows = generate(tiny.model, tiny.tokenizer, chats, max_new_tokens=8, temperature=1.0, seed=1)
    ended = [row for row in rows if not row.truncated]
    assert 0 < len(ended) < len(rows)
    assert all(row.tokens_out == 8 for row in rows if row.truncated)
    assert min(row.tokens_out for row in ended) < 8
    assert all(all_.text.startswith(row.text) for all_, row in zip(whole, rows, strict=True))


def test_sampling_is_seeded(tiny: Loaded) -> None:
    first, again, other = (
        [
            one.text
            for one in generate(tiny.model, tiny.tokenizer, CHATS, max_new_tokens=20, temperature=1.0, seed=seed)
        ]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_prompt_without_room_fails_alone(tmp_path: Path) -> None:
    small = load(str(write_model(tmp_path, context=80)))
    rows = generate(
        small.model, small.tokenizer, [CHATS[0], [{"role": "user", "content": "x" * 100}]], max_new_tokens=10
    )
    assert rows[0].failure is None
    assert rows[1].failure is not None
    assert "leaves no room for 10 tokens in the model's context of 80" in rows[1].failure


def test_reasoning_opened_by_the_template_stays_reasoning(tmp_path: Path) -> None:
    template = "{{ messages[0]['content'] }}{% if add_generation_prompt %}<think>\n{% endif %}"
    model = load(str(write_model(tmp_path, template=template)))
    assert generate(model.model, model.tokenizer, CHATS[:1], max_new_tokens=4)[0].text.startswith("<think>")


@pytest.mark.parametrize(
    ("written", "letter", "shown"),
    [
        ("<|channel|>analysis<|message|>Answer: A<|end|><|start|>assistant<|channel|>final<|message|>Answer: B", "B",
         "<|channel|>analysis<|message|>Answer: Aassistant<|channel|>final<|message|>Answer: B"),
        ("<|channel|>analysis<|message|>So the line would be\nAnswer: A", None, None),
        ("[THINK]Answer: A[/THINK]Answer: B", "B", "[THINK]Answer: A[/THINK]Answer: B"),
        ("[THINK]So\nAnswer: A", None, "[THINK]So\nAnswer: A"),
        ("Answer: A<|end|><|im_start|>", "A", "Answer: A"),
        ("<|pad|>Answer: A<|pad|>", "A", "Answer: A"),
    ],
)  # fmt: skip
def test_special_tokens_that_mark_reasoning_stay_in_the_text(
    tiny: Loaded, written: str, letter: str | None, shown: str | None
) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    names = ["<|channel|>", "<|message|>", "<|end|>", "<|start|>", "[THINK]", "[/THINK]"]
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", *names]})
    text = readable(tokenizer, tokenizer(written, add_special_tokens=False)["input_ids"])
    assert shown is None or text == shown
    assert extract(text, {"A": "Gout", "B": "Angina"}).letter == letter


@pytest.mark.parametrize("opened", ["<think>", "<think>\n", "[THINK]", "<|channel|>analysis<|message|>"])
def test_reasoning_opened_by_any_mark_in_the_prompt_stays_reasoning(tmp_path: Path, opened: str) -> None:
    template = "{{ messages[0]['content'] }}{% if add_generation_prompt %}" + opened + "{% endif %}"
    model = load(str(write_model(tmp_path, template=template)))
    [got] = generate(model.model, model.tokenizer, CHATS[:1], max_new_tokens=4)
    assert got.text.startswith(opened.strip())


def test_scores_are_those_of_each_sequence_alone(tiny: Loaded) -> None:
    import torch

    found = score(tiny.model, tiny.tokenizer, PROMPTS, OPTIONS, batch_size=3)
    for prompt, options, scores in zip(PROMPTS, OPTIONS, found, strict=True):
        for option, value in zip(options, scores, strict=True):
            ids = torch.tensor([tiny.tokenizer(prompt + option)["input_ids"]])
            begin = len(tiny.tokenizer(prompt)["input_ids"])
            logits = torch.log_softmax(tiny.model(ids).logits[0].float(), -1)
            wanted = sum(float(logits[at - 1, ids[0, at]]) for at in range(begin, ids.shape[1]))
            assert value == pytest.approx(wanted, abs=1e-4)


def test_scores_of_a_model_with_recurrent_layers(tiny: Loaded) -> None:
    """What such layers keep of a prompt cannot be shared by its continuations."""
    import torch
    from transformers import Lfm2Config, Lfm2ForCausalLM

    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=len(tiny.tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, layer_types=["conv", "full_attention"],
    )  # fmt: skip
    model = Lfm2ForCausalLM(config).eval()
    [together] = score(model, tiny.tokenizer, PROMPTS[1:2], [[" yes it is", " no"]])
    alone = [score(model, tiny.tokenizer, PROMPTS[1:2], [[option]])[0][0] for option in (" yes it is", " no")]
    assert together == pytest.approx(alone, abs=1e-4)


def test_the_form_of_a_chat_does_not_change_by_the_day(tiny: Loaded) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    # microseconds of the clock stand in for days
    tokenizer.chat_template = "{{ strftime_now('%f') }} {{ messages[0]['content'] }}"
    first = chat_form(tokenizer)
    assert chat_form(tokenizer) == first
    tokenizer.chat_template = "{{ strftime_now('%f') }}: {{ messages[0]['content'] }}"
    assert chat_form(tokenizer) != first


def test_a_continuation_of_nothing(tiny: Loaded) -> None:
    with pytest.raises(ValueError, match="adds no token"):
        score(tiny.model, tiny.tokenizer, ["x"], [[""]])


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="needs the extra `eval`")
def test_lm_eval_chooses_the_same(tiny: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    task = load_task("medqa", write_data(tmp_path / "data", 100))
    name = export_lm_eval(task, tmp_path / "tasks")
    ours = score(
        tiny.model, tiny.tokenizer, [plain(item) for item in task.items], [continuations(item) for item in task.items]
    )
    theirs = lm_eval.simple_evaluate(
        HFLM(pretrained=tiny.model, tokenizer=tiny.tokenizer, batch_size=8),
        tasks=[name],
        task_manager=TaskManager(include_path=str(tmp_path / "tasks")),
        bootstrap_iters=0,
    )
    samples = sorted(theirs["samples"][name], key=lambda sample: sample["doc_id"])
    assert [sample["doc"]["id"] for sample in samples] == [item.id for item in task.items]
    for scores, sample in zip(ours, samples, strict=True):
        assert scores == pytest.approx([resp[0][0] for resp in sample["resps"]], abs=1e-4)
        other = [resp[0][0] for resp in sample["resps"]]
        assert scores.index(max(scores)) == other.index(max(other))
    golds = [list(item.options).index(item.gold) for item in task.items]
    right = sum(scores.index(max(scores)) == gold for scores, gold in zip(ours, golds, strict=True))
    assert theirs["results"][name]["acc,none"] == pytest.approx(right / 100)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("packaged", "packaged"),
        ("out/sft", "sft"),
        ("out/sft/", "sft"),
        ("out/sft/checkpoint-30", "sft-checkpoint-30"),
        ("owner/Model-1.5B", "Model-1.5B"),
        ("models/gpt.yaml", "gpt"),
        ("/", "model"),
        ("a b", "a-b"),
    ],
)
def test_names_of_runs(given: str, name: str) -> None:
    assert run_name(given) == name


def test_other_weights_are_another_run(folder: Path, tmp_path: Path) -> None:
    assert weights_id(str(folder)) == weights_id(str(folder))
    assert weights_id(str(folder)) != weights_id(str(write_model(tmp_path, seed=1)))
    assert weights_id("packaged") is None


@pytest.mark.parametrize("given", ["nowhere", "a/b/c"])
def test_no_such_model(given: str) -> None:
    with pytest.raises(UserError, match=r"no such folder; name one, a Hub repository, a model's YAML, or packaged"):
        load(given)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--model: .*no tokenizer to be had"):
        load(str(tmp_path))


def test_texts_of_options_are_weighed_by_their_bytes() -> None:
    options = {"A": "gout", "B": "angina pectoris"}
    question = Question(id="q", cluster="q", question="Which?", context="", options=options, gold="B",
                        order=["A", "B"], subject="")  # fmt: skip
    found = from_scores("medqa", Ask(0, question), [-10.0, -16.0], "model", method="cloze")
    assert found.answer == "B"  # one nat a byte against two
    assert found.scores == [-2.0, -1.0]
    assert found.nll_per_byte == 1.0
    assert from_scores("medqa", Ask(0, question), [-10.0, -16.0], "model").answer == "A"
    assert len({Settings(method=method).prompt_hash for method in ("generate", "loglik", "cloze")}) == 3
