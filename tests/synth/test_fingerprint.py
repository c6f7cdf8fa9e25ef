"""The fingerprint of a run: every field of the spec either changes it or is named here as one that must not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from synth.errors import UserError
from synth.fingerprint import asking_fingerprint, read_lock, write_lock
from synth.spec import Spec
from synth.spec_errors import model_at
from synth.spec_load import load_spec

BASE: dict[str, Any] = {
    "name": "a",
    "seeds": {"source": "/one/seeds.jsonl"},
    "models": {
        "generator": {"engine": "local"},
        "judge": {"engine": "openai", "model": "m", "base_url": "http://h/v1", "price": {"input": 1, "output": 2}},
    },
    "produce": {
        "questions": {},
        "answers": {},
        "reasoning": {"hardest": 0.5},
        "dialogues": {},
        "preferences": {"from": ["reward"]},
    },
    "sampling": {"score": {}},
}
HASHES = {"finemed/questions": "aa", "finemed/score": "bb"}

COUNTS: dict[str, Any] = {
    "name": "b",
    "seed": 1,
    "language": "de",
    "license": "mit",
    "shard_size": 1,
    "seeds.source": "hf://owner/name",
    "seeds.kind": "items",
    "seeds.text": "x",
    "seeds.id": None,
    "seeds.license": None,
    "seeds.origin": None,
    "seeds.max_tokens": 32,
    "seeds.limit": 1,
    "seeds.split": "x",
    "seeds.config": "x",
    "seeds.revision": "x",
    "models.generator.model": "owner/name:file.gguf",
    "models.generator.path": "/x/model.gguf",
    "models.generator.context": 256,
    "models.generator.extra_body": {"x": 1},
    "models.judge.model": "n",
    "models.judge.extra_body": {"x": 1},
    "models.reasoner": {"engine": "local"},
    "models.doctor": {"engine": "local"},
    "models.patient": {"engine": "local"},
    "models.weak": {"engine": "local"},
    "models.reward": {"engine": "reward", "model": "m"},
    "produce.questions.per_seed": 1,
    "produce.answers.styles": 3,
    "produce.reasoning.difficulty_above": 8,
    "produce.reasoning.hardest": 0.4,
    "produce.reasoning.chains": 1,
    "produce.reasoning.trace": "sections",
    "produce.reasoning.verify": True,
    "produce.reasoning.search": {"tries": 1},
    "produce.reasoning.agreement": {"samples": 3},
    "produce.reasoning.pass_rate": {"samples": 3},
    "produce.reasoning.thinking_tokens": {"max": 100},
    "produce.dialogues.per_seed": 2,
    "produce.dialogues.max_turns": 2,
    "produce.dialogues.personas": "/x/personas.yaml",
    "produce.dialogues.review": True,
    "produce.dialogues.rubric.criteria": 5,
    "produce.dialogues.rubric.written": 1,
    "produce.preferences.from": ["dialogue_outcome"],
    "produce.preferences.length_ratio": 1.5,
    "filters.dedup.ngram": "char:5",
    "filters.dedup.questions": 0.5,
    "filters.dedup.rows": 0.5,
    "filters.dedup.num_perm": 64,
    "filters.decontaminate": {"against": ["/one/test.jsonl"]},
    "filters.encoder": "owner/encoder",
    "filters.paraphrases": 0.9,
    "filters.phi.mode": "mask",
    "filters.phi.kinds": ["email"],
    "filters.rules": {"refusals": False},
    "filters.quotas": {"department": {"Surgery": 5}},
    "filters.quality.votes": 3,
    "filters.quality.min_quality": 2,
    "filters.quality.min_complexity": 2,
    "sampling.score.temperature": 0.1,
    "sampling.score.top_p": 0.1,
    "sampling.score.max_tokens": 1,
    "reasks": 0,
    "taxonomy": "/x/taxonomy.yaml",
    "export.validation": 0,
    "export.rows_per_file": 1,
}
DOES_NOT: dict[str, Any] = {
    "models.generator.slots": 1,
    "models.generator.threads": 1,
    "models.generator.cache_prompt": False,
    "models.judge.engine": "vllm",
    "models.judge.deadline": 1,
    "models.judge.max_outage": 1,
    "models.judge.base_url": "https://elsewhere/v1",
    "models.judge.api_key_env": "X",
    "models.judge.max_in_flight": 1,
    "models.judge.timeout": 1,
    "models.judge.retries": 0,
    "models.judge.structured": "none",
    "models.judge.send_seed": False,
    "models.judge.price": None,
    "models.judge.price.input": 5,
    "models.judge.price.output": 5,
    "budget.requests": 1,
    "budget.tokens": 1,
    "budget.usd": 1,
    "prompts": "/x/prompts",
    "max_failed": 0.5,
    "seeds.source": "/two/seeds.jsonl",
}


def changed(key: str = "", value: Any = None) -> Spec:
    plain = Spec.model_validate(BASE).model_dump(mode="json", by_alias=True)
    inner = plain
    *way, last = key.split(".")
    for part in way:
        inner = inner[part]
    if key:
        inner[last] = value
    return Spec.model_validate(plain)


def print_of(spec: Spec) -> str:
    return asking_fingerprint(spec, HASHES, "s")


@pytest.mark.parametrize("key", COUNTS)
def test_what_is_asked_or_exported_changes_it(key: str) -> None:
    assert print_of(changed(key, COUNTS[key])) != print_of(changed())


@pytest.mark.parametrize("key", DOES_NOT)
def test_how_requests_travel_does_not(key: str) -> None:
    spec = changed(key, DOES_NOT[key])
    assert spec != changed()
    assert print_of(spec) == print_of(changed())


def test_no_field_is_forgotten_here() -> None:
    def leaves(value: Any, loc: tuple[str, ...]) -> set[str]:
        model = model_at(loc, plain)
        if isinstance(value, dict) and (model is not None or loc == ("sampling",)):
            return {leaf for key, inner in value.items() for leaf in leaves(inner, (*loc, key))}
        return {".".join(loc)}

    plain = changed().model_dump(mode="json", by_alias=True)
    assert leaves(plain, ()) - {"models.generator.engine"} == (COUNTS.keys() | DOES_NOT.keys()) - {
        "models.judge.price"
    }


def test_it_is_the_same_in_every_process() -> None:
    code = "from tests.synth.test_fingerprint import changed, print_of; print(print_of(changed()))"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        assert done.stdout.strip() == print_of(changed())


def test_templates_and_seeds_count_and_their_order_does_not() -> None:
    spec = changed()
    same = asking_fingerprint(spec, dict(reversed(HASHES.items())), "s")
    assert same == print_of(spec)
    assert len({same, asking_fingerprint(spec, HASHES, "t"), asking_fingerprint(spec, HASHES | {"x": "y"}, "s")}) == 3


def test_keys_at_their_default_are_as_if_left_out() -> None:
    assert print_of(Spec.model_validate(BASE)) == print_of(Spec.model_validate(BASE | {"seed": 0, "license": None}))


@pytest.mark.parametrize("key", ["taxonomy", "produce.dialogues.personas"])
def test_files_count_by_their_contents(tmp_path: Path, key: str) -> None:
    prints = []
    for folder, text in (("one", "a: 1"), ("two", "a: 1"), ("three", "a: 2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.yaml").write_text(text)
        prints.append(print_of(changed(key, str(tmp_path / folder / "x.yaml"))))
    assert prints[0] == prints[1] != prints[2]


def test_a_gguf_counts_by_its_name() -> None:
    one, two, other = (
        print_of(changed("models.generator.path", path)) for path in ("/a/x.gguf", "/b/x.gguf", "/a/y.gguf")
    )
    assert one == two != other


LOCK = {"fingerprint": "f" * 64, "template_hashes": HASHES, "seeds_digest": "s", "versions": {"pyarrow": "26.0.1"}}


def test_a_lock_comes_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "spec.lock.yaml"
    assert read_lock(path) is None
    for spec in (changed(), changed("license", "no")):
        write_lock(path, spec, **LOCK)  # type: ignore[arg-type]
        lock = read_lock(path)
        assert lock == {**LOCK, "spec": spec.model_dump(mode="json", by_alias=True)}
        assert Spec.model_validate(lock["spec"]) == spec
    assert os.listdir(tmp_path) == ["spec.lock.yaml"]


def test_the_spec_in_a_lock_loads_as_a_spec(tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_text("{}\n")
    spec = changed("seeds.source", str(tmp_path / "seeds.jsonl"))
    write_lock(tmp_path / "spec.lock.yaml", spec, **LOCK)  # type: ignore[arg-type]
    text = (tmp_path / "spec.lock.yaml").read_text()
    (tmp_path / "s.yaml").write_text(textwrap.dedent(text[text.index("  name:") : text.index("seeds_digest")]))
    assert load_spec(str(tmp_path / "s.yaml")).spec == spec


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@example(text="\x85", body={})
@example(text="a\u2028b\n c\t ", body={"\x85 ": " \x01\ufeff\n\n x"})
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    body=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text("no1e5: -#'\"\n"),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text("ab<~", max_size=3), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        max_size=4,
    ),
)
def test_any_text_and_body_survives_a_lock(tmp_path: Path, text: str, body: dict[str, Any]) -> None:
    path = tmp_path / "spec.lock.yaml"
    spec = Spec.model_validate(
        BASE
        | {"license": text}
        | {"models": {"generator": {"engine": "vllm", "model": "m", "base_url": "http://h/v1", "extra_body": body}}}
    )
    write_lock(path, spec, **LOCK)  # type: ignore[arg-type]
    lock = read_lock(path)
    assert lock is not None
    assert Spec.model_validate(lock["spec"]) == spec


def test_a_lock_cut_anywhere_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "spec.lock.yaml"
    write_lock(path, changed(), **LOCK)  # type: ignore[arg-type]
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="damaged") as caught:
            read_lock(path)
        assert "\n" not in str(caught.value)


def test_a_lock_with_a_key_twice_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "spec.lock.yaml"
    write_lock(path, changed(), **LOCK)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes().replace(b"  seed: 0\n", b"  seed: 0\n  seed: 1\n"))
    with pytest.raises(UserError, match="damaged"):
        read_lock(path)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"[1]", b"spec: {}\n", b"a: [\n"])
def test_damaged_locks(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "spec.lock.yaml"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"spec\.lock\.yaml"):
        read_lock(path)


def test_a_lock_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    path = tmp_path / "spec.lock.yaml"
    write_lock(path, changed(), **LOCK)  # type: ignore[arg-type]
    before = path.read_bytes()
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from synth.errors import UserError; from synth.fingerprint import write_lock; from synth.spec import Spec\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"spec = Spec.model_validate({BASE!r})\n"
        "try: write_lock(Path(sys.argv[1]), spec, fingerprint='', template_hashes={}, seeds_digest='', versions={})\n"
        "except UserError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: cannot be written: File too large\n"
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["spec.lock.yaml"]
    with pytest.raises(UserError, match="cannot be written"):
        write_lock(tmp_path / "gone" / "spec.lock.yaml", changed(), **LOCK)  # type: ignore[arg-type]
