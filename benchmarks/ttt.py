"""Test-time training: what it costs beside its floor and beside the published procedure, and what it does to answers.

    python -m benchmarks.ttt --part cost
    python -m benchmarks.ttt --part evaluation
    python -m benchmarks.ttt --part reference
    python -m benchmarks.ttt --part effect --pool datasets_out/cardiology --data DATA --tasks medqa medmcqa --items 100
    python -m benchmarks.ttt --part positive --data DATA --tasks medqa --items 50

``cost``: the packaged model, one neighbour and one step a question. The floor is one forward and backward of the
neighbour, unpadded, by transformers alone.
``evaluation``: the same model writes 256 tokens for each of eight questions, with and without.
``reference``: a random Llama of 19 million weights, for the padded step takes minutes on larger ones. Copy all
weights, pad to 6,144 tokens, new Adam over all weights, one step, copy back; against ours on the same neighbour.
``effect``: log-likelihood answers of the packaged model as it is, with test-time training, and with random rows.
``positive``: the same with a pool of the test items themselves, near-copies kept: what must help if anything does.

``cost``, ``evaluation`` and ``reference`` take their rows from a run over the fault server unless ``--pool`` names
one.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import save
from benchmarks.train_sft import made_rows
from training.run import QUIET

TARGET_STEP = 1.2
TARGET_RESET = 0.02
TARGET_MEMORY = 1.1
TARGET_REFERENCE = 20
TARGET_EVALUATION = 2.0
TOKENS = 400
"""Length of the neighbour, as near to it as the pool has one."""
NEW_TOKENS = 256
QUESTIONS = 8
ROUNDS = 3
PADDED = 6144
LORA = "lora={r: 8, lora_alpha: 16, lora_dropout: 0.0}"


def learner(pool: Path, work: Path, *changes: str) -> Any:
    """The packaged model, ready to adapt."""
    from training.adapt import Learner
    from training.config import load_config
    from training.ttt_config import TttConfig
    from training.ttt_setup import preflight

    given = (f"data.path={pool}", "model.name=packaged", f"output={work / 'ttt'}", "steps=1", *changes)
    loaded = load_config(TttConfig, "ttt", given)
    return Learner(loaded, preflight(loaded))


def neighbours(ours: Any, count: int) -> list[str]:
    """The ids of the rows that are nearest to :data:`TOKENS` tokens long."""
    pool = ours.ready.pool
    sizes = {name: len(pool.row(name).input_ids) for name in pool.ids}
    return sorted(sizes, key=lambda name: (abs(sizes[name] - TOKENS), name))[:count]


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def plain_step(model: Any, ids: list[int], labels: list[int]) -> Callable[[], None]:
    """One forward and backward by transformers alone."""
    import torch

    inputs = {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}

    def step() -> None:
        model.train()
        model(**inputs, use_cache=False).loss.backward()
        model.zero_grad(set_to_none=True)

    return step


def training(ours: Any) -> dict[str, Any]:
    """Adapting against its floor, in turn; resetting; memory beside the weights."""
    name = neighbours(ours, 1)[0]
    row = ours.ready.pool.row(name)
    floor = plain_step(ours.model, row.input_ids, row.labels)
    floor(), ours.adapt([name])
    times: dict[str, list[float]] = {"floor": [], "adapt": [], "reset": []}
    for _ in range(ROUNDS):
        times["floor"].append(timed(floor))
        times["adapt"].append(timed(lambda: ours.adapt([name])))
        times["reset"].append(timed(ours.reset))
    medians = {what: statistics.median(values) for what, values in times.items()}
    weights = sum(part.numel() * part.element_size() for part in ours.model.parameters())
    extra = 5 * 4 * ours.trained  # the adapter, its copy, its gradient, two moments of Adam, in float32
    return {
        "tokens": len(row.input_ids),
        "seconds": medians,
        "over_floor": statistics.median(a / f for a, f in zip(times["adapt"], times["floor"], strict=True)),
        "reset_share": medians["reset"] / medians["adapt"],
        "trained": ours.trained,
        "memory_over_weights": 1 + extra / weights if ours.ready.lora is not None else extra / weights,
    }


def generating(ours: Any) -> dict[str, Any]:
    """Eight questions, 256 tokens each, with and without; adapting included."""
    import torch
    from transformers import GenerationConfig

    from training.stacked import stacked

    tokenizer, names = ours.tokenizer, neighbours(ours, QUESTIONS)
    chats = [ours.ready.pool.messages(name)[:-1] for name in names]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
    wanted = GenerationConfig(max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False,
                              pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)  # fmt: skip

    def generate() -> Any:
        with torch.inference_mode():
            return ours.model.generate(**batch, generation_config=wanted)

    def without() -> None:
        ours.reset()
        with ours.model.disable_adapter():
            generate()

    def adapting() -> list[Any]:
        adapters = []
        for name in names:
            ours.adapt([name])
            adapters.append(ours.weights())
        return adapters

    seconds = {"without": timed(without)}
    began = time.perf_counter()
    adapters = adapting()
    seconds["adapting"] = time.perf_counter() - began
    with stacked(ours.model, adapters):
        seconds["generating"] = timed(generate)
    seconds["without_again"] = timed(without)
    plain = (seconds["without"] + seconds["without_again"]) / 2
    return {"seconds": seconds, "ratio": (seconds["adapting"] + seconds["generating"]) / plain}


def cost(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    pool = arguments.pool or made_rows(work)
    found = {
        "lora": training(learner(pool, work, LORA)),
        "full": training(learner(pool, work, "lora=null", "trl.learning_rate=1e-5")),
    }
    met = {
        "step": all(one["over_floor"] <= TARGET_STEP for one in found.values()),
        "reset": all(one["reset_share"] <= TARGET_RESET for one in found.values()),
        "memory": found["lora"]["memory_over_weights"] <= TARGET_MEMORY,
    }
    return found | {"targets_met": met}


def evaluation(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    found = generating(learner(arguments.pool or made_rows(work), work, LORA))
    return found | {"target_met": found["ratio"] <= TARGET_EVALUATION}


def random_llama(work: Path) -> Path:
    """Eight layers with the packaged model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from training.convert import convert, packaged_gguf

    tokenizer = AutoTokenizer.from_pretrained(convert(packaged_gguf()))
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=688, num_hidden_layers=8, num_attention_heads=4,
        max_position_embeddings=8192, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(work / "llama")
    tokenizer.save_pretrained(work / "llama")
    return work / "llama"


def reference(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForCausalLM

    pool, folder = arguments.pool or made_rows(work), random_llama(work)
    ours = learner(pool, work, LORA, f"model.name={folder}")
    name = neighbours(ours, 1)[0]
    row = ours.ready.pool.row(name)
    ours.adapt([name])
    seconds = statistics.median(timed(lambda: (ours.adapt([name]), ours.reset())) for _ in range(ROUNDS))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    short = PADDED - len(row.input_ids)
    inputs = {
        "input_ids": torch.tensor([row.input_ids + [ours.tokenizer.pad_token_id] * short]),
        "labels": torch.tensor([row.labels + [-100] * short]),
        "attention_mask": torch.tensor([[1] * len(row.input_ids) + [0] * short]),
    }

    def published() -> None:
        kept = copy.deepcopy(model.state_dict())
        adam = torch.optim.Adam(model.parameters(), lr=1e-5)
        model.train()
        model(**inputs, use_cache=False).loss.backward()
        adam.step()
        adam.zero_grad()
        model.load_state_dict(kept)

    theirs = timed(published)
    return {"tokens": len(row.input_ids), "seconds": {"ours": seconds, "published": theirs},
            "cheaper": theirs / seconds, "target_met": theirs / seconds >= TARGET_REFERENCE}  # fmt: skip


def answers(arguments: argparse.Namespace, work: Path, pool: Path, *changes: str) -> dict[str, Any]:
    """Accuracy, and log-likelihood of the right option, by task and control."""
    from evaluation.answers import read_answers
    from evaluation.runner import Ask, Settings
    from evaluation.tasks import load_task
    from evaluation.ttt_answers import answer_task, open_bench
    from training.config import load_config
    from training.ttt_config import TttConfig

    given = (f"data.path={pool}", "model.name=packaged", f"output={work / 'ttt'}", LORA, *changes)
    settings = Settings(method="loglik", batch_size=4)
    bench = open_bench(load_config(TttConfig, "ttt", given), work / "out", "packaged", "packaged", settings)
    found: dict[str, Any] = {}
    for task in arguments.tasks:
        items = load_task(task, arguments.data, limit=arguments.items).items
        for control in ("none", "ttt", "random"):
            run = answer_task(bench, task, [Ask(0, item) for item in items], control, settings.about())
            table = read_answers(work / "out", run, task)
            rows = table.to_pylist()
            found.setdefault(task, {})[control] = {
                "items": len(rows),
                "accuracy": statistics.mean(row["correct"] for row in rows),
                "nll_per_byte": statistics.mean(row["nll_per_byte"] for row in rows),
                "seconds": sum(row["seconds"] for row in rows),
                "similarity": statistics.mean(row["similarity"] or 0 for row in rows),
            }
    return found


def effect(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    return answers(arguments, work, arguments.pool or made_rows(work))


def positive(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The pool: each item as the plain prompt and its right letter, so that what is learnt is what is asked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from evaluation.prompting import continuations, plain
    from evaluation.tasks import load_task

    rows = []
    for task in arguments.tasks:
        for item in load_task(task, arguments.data, limit=arguments.items).items:
            right = continuations(item)[list(item.options).index(item.gold)].strip()
            said = f"{right}. {item.options[item.gold]}"
            rows.append({"id": item.id, "messages": [{"role": "user", "content": plain(item)},
                                                     {"role": "assistant", "content": said}]})  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), work / "items.parquet")
    found = answers(arguments, work, work / "items.parquet", "retrieval.near_copies=keep", "retrieval.floor=-1",
                    "data.kinds=[sft]")  # fmt: skip
    gains = {task: by["ttt"]["accuracy"] - by["none"]["accuracy"] for task, by in found.items()}
    return found | {"gain": gains, "target_met": all(gain > 0 for gain in gains.values())}


PARTS = {"cost": cost, "evaluation": evaluation, "reference": reference, "effect": effect, "positive": positive}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--pool", type=Path, help="a run folder; default: one made with the fault server")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of benchmarks")
    parser.add_argument("--tasks", nargs="+", default=["medqa"])
    parser.add_argument("--items", type=int, default=100)
    arguments = parser.parse_args()
    os.environ.update(QUIET | {"HF_HUB_OFFLINE": "1"})
    with tempfile.TemporaryDirectory() as folder:
        result = PARTS[arguments.part](arguments, Path(folder))
    save(f"ttt_{arguments.part}", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
