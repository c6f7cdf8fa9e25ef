"""Publishing against a local Hub, by processes of their own: what arrives, what never leaves, kinds of trouble."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.runs import ROOT, Ran
from tests.servers.hub import TOKEN, Hub, serving
from tests.synth.publishing import (
    REPO,
    SECRET,
    command,
    files_of,
    make_run,
    on_hub,
    publish,
    rows_of,
    without_token,
)

SOON = """
import sys
from synth import publish
from synth.publishing import hub
hub.TIMEOUT = 1.0
sys.exit(publish.main(sys.argv[1:]))
"""
"""The command with less patience."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub()) as one:
        yield one


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("published") / "run")


def one_line(ran: Ran, code: int) -> str:
    """What a failed command said beside the warning that these tests allow."""
    assert ran.code == code, ran.err
    said = [line for line in ran.complaints if not line.startswith("allowed: ")]
    assert len(said) == 1, ran.err
    assert TOKEN not in ran.out + ran.err
    return said[0]


def test_what_arrives_and_what_never_leaves(hub: Hub, run: Path) -> None:
    ran = publish(hub, run, "--tag", "v1.0")
    assert ran.code == 0, ran.err
    assert on_hub(hub) == files_of(run)
    held = hub.repository(REPO)
    assert held.private
    assert held.tags == {"v1.0": held.commits[-1].oid}
    assert len(held.commits) == 2
    assert "sft         train" in held.commits[-1].message
    assert ran.out.splitlines()[-1] == f"{hub.url}/datasets/{REPO}"
    sent = b"".join(hub.received)
    for secret in (SECRET.encode(), b"SQLite", TOKEN.encode(), str(run).encode()):
        assert secret not in sent
    assert TOKEN not in ran.out + ran.err
    for path, data in files_of(run).items():
        if path.endswith(".parquet"):
            assert data in hub.received


def test_again_makes_no_second_commit(hub: Hub, run: Path) -> None:
    for _ in range(2):
        ran = publish(hub, run, "--tag", "v1.0")
        assert ran.code == 0, ran.err
    assert "nothing has changed since commit" in ran.out
    assert len(hub.repository(REPO).commits) == 2
    assert hub.count("^POST .*/commit/") == 1


def test_a_dry_run_sends_nothing(hub: Hub, run: Path) -> None:
    assert publish(hub, run, "--dry-run").code == 0
    assert hub.requests == []


def test_a_later_version_shows_what_changed_and_leaves_nothing_old(hub: Hub, tmp_path: Path) -> None:
    first = make_run(tmp_path / "one", rows_of(12), export={"validation": 0.4, "rows_per_file": 2})
    second = make_run(tmp_path / "two", rows_of(15))
    assert publish(hub, first, "--tag", "v1.0").code == 0
    before = hub.repository(REPO).commits[-1].oid
    ran = publish(hub, second, "--tag", "v1.0")
    assert "--tag v1.0: names an earlier version" in one_line(ran, 2)
    assert hub.repository(REPO).commits[-1].oid == before
    ran = publish(hub, second, "--tag", "v2.0")
    assert ran.code == 0, ran.err
    assert on_hub(hub) == files_of(second)
    assert len(files_of(first)) > len(files_of(second))
    changes = re.findall(r"sft +(\w+) +(\d+) +\(was (\d+), \+(\d+)\)", ran.out)
    assert changes
    for _, now, was, more in changes:
        assert int(now) - int(was) == int(more)
    assert sum(int(more) for *_, more in changes) == 3
    assert hub.repository(REPO).tags["v1.0"] == before != hub.repository(REPO).tags["v2.0"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"manifest.json": json.dumps({"name": "oncology", "counts": {}}).encode()}, "holds the data set `oncology`"),
        ({"manifest.json": b"[]"}, "holds another manifest.json"),
        ({"README.md": b"# mine", "data/train.parquet": b"PAR1"}, "holds files that no version of this data set put"),
    ],
)
def test_other_data_are_not_overwritten(hub: Hub, run: Path, files: dict[str, bytes], says: str) -> None:
    hub.add(REPO, files)
    assert says in one_line(publish(hub, run), 2)
    assert len(hub.repository(REPO).commits) == 1


def test_a_repository_that_is_public_already(hub: Hub, run: Path) -> None:
    hub.add(REPO, {}, private=False)
    assert "that repository is public: nothing was sent" in one_line(publish(hub, run), 2)
    assert hub.puts == []


def test_a_repository_that_becomes_public_by_surprise(run: Path) -> None:
    with serving(Hub(always_public=True)) as hub:
        assert "that repository is public: nothing was sent" in one_line(publish(hub, run), 2)
        assert hub.puts == []
        assert hub.count("/commit/") == 0


def test_public_needs_the_name_again(hub: Hub, run: Path) -> None:
    assert f"confirm it with --confirm {REPO}" in one_line(publish(hub, run, "--public"), 2)
    assert hub.requests == []
    assert publish(hub, run, "--public", "--confirm", REPO).code == 0
    assert not hub.repository(REPO).private
    assert on_hub(hub) == files_of(run)


def test_a_private_repository_is_not_opened(hub: Hub, run: Path) -> None:
    hub.add(REPO, {})
    assert "exists and is private" in one_line(publish(hub, run, "--public", "--confirm", REPO), 2)
    assert hub.repository(REPO).private


@pytest.mark.parametrize(
    ("pattern", "status", "code", "says"),
    [
        ("/api/repos/create", 401, 4, "does not accept the token (401)"),
        ("/api/repos/create|GET /api/datasets", 403, 4, "may not write there (403)"),
        ("/tree/", 404, 1, "not found (404)"),
        ("/commit/", 409, 1, "changed by somebody else meanwhile (409)"),
        ("/commit/", 500, 1, "the Hub is in trouble (500)"),
        ("/commit/", 403, 4, "may not write there (403): no *** for you"),
    ],
)
def test_refusals_of_the_hub_are_one_line(
    hub: Hub, run: Path, pattern: str, status: int, code: int, says: str
) -> None:
    hub.fail(pattern, status, message=f"no {TOKEN} for you")
    assert says in one_line(publish(hub, run), code)
    assert all(len(held.commits) == 1 for held in hub.repositories.values())


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, 4, "does not accept the token (401)"),
        (403, 4, "may not write there (403)"),
        (404, 1, "not found (404)"),
    ],
)
def test_refusals_of_xet_are_one_line_too(
    hub: Hub, run: Path, tmp_path: Path, status: int, code: int, says: str
) -> None:
    """The way large files travel where hf_xet is installed; its logs under HF_HOME hold no token either."""
    pytest.importorskip("hf_xet")
    hub.fail("/xet-write-token/", status, message=f"no {TOKEN} for you")
    assert says in one_line(publish(hub, run, home=tmp_path, HF_HUB_DISABLE_XET="0"), code)
    assert hub.count("/xet-write-token/")
    assert hub.count("/commit/") == 0
    assert hub.puts == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_the_same_command_after_trouble(hub: Hub, run: Path) -> None:
    hub.fail("/commit/", 500, times=1)
    assert publish(hub, run).code == 1
    arrived = list(hub.puts)
    assert publish(hub, run).code == 0
    assert on_hub(hub) == files_of(run)
    assert len(hub.repository(REPO).commits) == 2
    assert hub.puts == arrived, "what had arrived was sent again"


def test_a_wrong_token_and_none(hub: Hub, run: Path) -> None:
    assert "does not accept the token (401)" in one_line(publish(hub, run, HF_TOKEN="hf_anotherToken"), 4)
    assert "no token: set HF_TOKEN" in one_line(publish(hub, run, **without_token()), 4)
    assert hub.repositories == {}


def test_a_token_from_the_login(hub: Hub, run: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    assert publish(hub, run, HF_TOKEN="", HF_TOKEN_PATH=str(tmp_path / "token")).code == 0


def test_no_network(run: Path) -> None:
    with serving(Hub()) as hub:
        pass
    assert "no connection to the Hub" in one_line(publish(hub, run), 1)
    assert "HF_HUB_OFFLINE is set" in one_line(publish(hub, run, HF_HUB_OFFLINE="1"), 2)


def test_a_hub_that_does_not_answer(hub: Hub, run: Path) -> None:
    held = hub.hold("/api/repos/create")
    done = subprocess.run(
        [sys.executable, "-c", SOON, *command(run)[3:]], cwd=ROOT, env=hub.environment(run.parent / "hf"),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    held.set()
    assert "does not answer in time" in one_line(Ran(done.returncode, done.stdout, done.stderr), 1)


def test_a_lost_answer_to_the_commit_is_no_failure(hub: Hub, run: Path) -> None:
    hub.lose("/commit/")
    ran = publish(hub, run, "--tag", "v1.0")
    assert ran.code == 0, ran.err
    assert on_hub(hub) == files_of(run)
    assert len(hub.repository(REPO).commits) == 2
    assert hub.repository(REPO).tags == {"v1.0": hub.repository(REPO).commits[-1].oid}


@pytest.mark.parametrize("moment", ["PUT /lfs/", "/commit/"])
def test_a_kill_in_the_middle(hub: Hub, run: Path, moment: str) -> None:
    held = hub.hold(moment)
    process = subprocess.Popen(command(run), cwd=ROOT, env=hub.environment(run.parent / "hf"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 60
    while not hub.count(moment):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    held.set()
    assert on_hub(hub) == {}
    arrived = len(hub.puts)
    assert publish(hub, run).code == 0
    assert on_hub(hub) == files_of(run)
    assert len(hub.repository(REPO).commits) == 2
    assert len(hub.puts) == len(set(hub.puts)), "what had arrived was sent again"
    assert arrived <= len(hub.puts)


def test_the_hub_refuses_a_card(hub: Hub, run: Path) -> None:
    hub.fail("/validate-yaml", 400, message="license: unheard of")
    assert "license: unheard of" in one_line(publish(hub, run), 1)
    assert hub.puts == []


def test_the_card_passes_the_hubs_own_check(hub: Hub, run: Path) -> None:
    check = """
import sys
from huggingface_hub import DatasetCard
card = DatasetCard.load(sys.argv[1])
card.validate()
print(card.data.license, card.data.pretty_name, len(card.data.dataset_info or card.data.to_dict()["dataset_info"]))
"""
    card = run / "export" / "README.md"
    environment = hub.environment(run.parent / "hf")
    done = subprocess.run([sys.executable, "-c", check, str(card)], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["cc-by-4.0", "cardiology", "4"], done.stderr
    assert hub.count("POST /api/validate-yaml") == 1
    card.with_name("bad.md").write_text(card.read_text().replace('license: "cc-by-4.0"', 'license: "cc-by"', 1))
    try:
        bad = subprocess.run([sys.executable, "-c", check, str(card.with_name("bad.md"))], env=environment,
                             capture_output=True, text=True)  # fmt: skip
    finally:
        card.with_name("bad.md").unlink()
    assert bad.returncode != 0
    assert '"license" must be one of' in bad.stderr


def test_every_config_and_split_loads_from_the_hub(hub: Hub, run: Path) -> None:
    pytest.importorskip("datasets")
    assert publish(hub, run).code == 0
    front = yaml.safe_load((run / "export" / "README.md").read_text().split("---\n")[1])
    pairs = [(one["config_name"], file["split"]) for one in front["configs"] for file in one["data_files"]]
    assert len(pairs) == 8
    done = subprocess.run(
        [sys.executable, "-c", LOAD, REPO, str(run / "export"), json.dumps(pairs)], cwd=ROOT, timeout=120,
        env=hub.environment(run.parent / "loaded"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["8"]


LOAD = """
import glob, json, sys
import pyarrow as pa, pyarrow.parquet as pq
from datasets import Features, get_dataset_config_names, load_dataset
repo, export, pairs = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
assert set(get_dataset_config_names(repo)) == {kind for kind, _ in pairs}
equal = 0
for kind, split in pairs:
    loaded = load_dataset(repo, kind, split=split)
    stored = pa.concat_tables(pq.read_table(path) for path in sorted(glob.glob(f"{export}/{kind}/{split}-*.parquet")))
    assert loaded.features == Features.from_arrow_schema(stored.schema), loaded.features
    assert loaded.to_list() == stored.to_pylist()
    equal += 1
print(equal)
"""
