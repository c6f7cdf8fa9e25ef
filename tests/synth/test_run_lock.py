from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from synth.errors import UserError
from synth.run_lock import LOCK_FILE, RunLock

ROOT = Path(__file__).resolve().parents[2]
HOST = socket.gethostname()
HOLD = """
import sys
from pathlib import Path
from synth.errors import UserError
from synth.run_lock import RunLock
try:
    with RunLock(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
        print("held", flush=True)
        sys.stdin.read()
except UserError as error:
    print("refused:", error, flush=True)
"""


@contextmanager
def holder(folder: Path, mode: str = "exclusive", says: str = "held\n") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(folder), mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == says
        yield process


def refused(folder: Path, *, shared: bool = False) -> str:
    with pytest.raises(UserError) as caught, RunLock(folder, shared=shared):
        pass
    assert str(caught.value).startswith(f"{folder}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_folder_is_created_and_the_file_names_its_holder(tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "cardiology"
    with RunLock(folder):
        assert (folder / LOCK_FILE).read_text() == f"{os.getpid()} {HOST}\n"
    with RunLock(folder):
        pass


@pytest.mark.parametrize("mode", ["exclusive", "shared"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_second_process_is_refused_by_name_unless_both_share(tmp_path: Path, mode: str, shared: bool) -> None:
    with holder(tmp_path, mode) as other:
        if mode == "shared" and shared:
            with RunLock(tmp_path, shared=True):
                pass
        else:
            assert f"in use by pid {other.pid} on {HOST};" in refused(tmp_path, shared=shared)
    with RunLock(tmp_path, shared=shared):  # it ended by itself
        pass


def test_all_who_share_are_named_but_not_those_who_have_gone(tmp_path: Path) -> None:
    with holder(tmp_path, "shared") as first, holder(tmp_path, "shared") as second:
        with holder(tmp_path, "shared"):
            pass
        assert f"in use by pid {first.pid} on {HOST}, pid {second.pid} on {HOST};" in refused(tmp_path)


def test_the_other_process_hears_of_us(tmp_path: Path) -> None:
    says = f"refused: {tmp_path}: in use by pid {os.getpid()} on {HOST}; wait for its end, or stop it and run the same"
    with RunLock(tmp_path), holder(tmp_path, says=f"{says} command again\n"):
        pass


@pytest.mark.parametrize("mode", ["exclusive", "shared"])
def test_kill_9_frees_the_lock(tmp_path: Path, mode: str) -> None:
    with holder(tmp_path, mode) as other:
        other.kill()
        other.wait()
        assert str(other.pid) in (tmp_path / LOCK_FILE).read_text()
        with RunLock(tmp_path):
            assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()} {HOST}\n"


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_the_same_process_twice_is_refused_and_the_first_goes_on(tmp_path: Path, first: bool, second: bool) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "run")
    with RunLock(tmp_path / "run", shared=first):
        assert f"this process (pid {os.getpid()})" in refused(tmp_path / "run", shared=second)
        assert f"this process (pid {os.getpid()})" in refused(link, shared=second)
        with holder(
            tmp_path / "run", "shared" if first else "exclusive", says="held\n" if first else _refusal(tmp_path)
        ):
            pass
    with RunLock(tmp_path / "run", shared=second):
        pass


def _refusal(tmp_path: Path) -> str:
    holds = f"in use by pid {os.getpid()} on {HOST}"
    return f"refused: {tmp_path / 'run'}: {holds}; wait for its end, or stop it and run the same command again\n"


def test_another_lock_file_is_another_lock_and_named_when_taken(tmp_path: Path) -> None:
    with (
        RunLock(tmp_path),
        RunLock(tmp_path, name="00000.lock"),
        RunLock(tmp_path, name="00001.lock"),
        pytest.raises(UserError, match=r"00001\.lock: .*works in this run folder already"),
        RunLock(tmp_path, name="00001.lock"),
    ):
        pass
    with RunLock(tmp_path, name="00001.lock"):
        pass


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        _ = 1 / 0
    with holder(tmp_path):
        pass


def test_a_forked_child_neither_frees_nor_keeps_the_lock(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with RunLock(tmp_path) as lock:
        child = os.fork()
        if child == 0:  # lives on after the parent has let go
            lock.__exit__(None, None, None)
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        with holder(tmp_path, says=_refusal(tmp_path).replace(str(tmp_path / "run"), str(tmp_path))):
            pass
    with holder(tmp_path):
        pass
    os.close(writer)
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0


def test_a_holder_that_has_not_written_its_name_yet(tmp_path: Path) -> None:
    with holder(tmp_path):
        (tmp_path / LOCK_FILE).write_text("")
        assert "in use by another process;" in refused(tmp_path)
        (tmp_path / LOCK_FILE).write_bytes(b"\xff\0 nonsense\n999999999999999999999 x\n12 other-host\n")
        assert "in use by pid 12 on other-host;" in refused(tmp_path)


# --- places where nothing can be written --------------------------------------------------------------------------


def a_file_in_its_place(tmp_path: Path) -> Path:
    (tmp_path / "run").write_text("a file")
    return tmp_path / "run"


def a_file_above(tmp_path: Path) -> Path:
    return a_file_in_its_place(tmp_path) / "deep" / "er"


def a_folder_as_lock_file(tmp_path: Path) -> Path:
    (tmp_path / "run" / LOCK_FILE).mkdir(parents=True)
    return tmp_path / "run"


def a_dangling_link(tmp_path: Path) -> Path:
    (tmp_path / "run").symlink_to(tmp_path / "nowhere")
    return tmp_path / "run"


def a_name_too_long(tmp_path: Path) -> Path:
    return tmp_path / ("x" * 300)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (a_file_in_its_place, "/run is not a folder; move it away or choose another --out"),
        (a_file_above, "/run is not a folder; move it away or choose another --out"),
        (a_folder_as_lock_file, "Is a directory .*run.lock.*--out"),
        (a_dangling_link, "/run is not a folder"),
        (a_name_too_long, "File name too long.*--out"),
    ],
)
def test_no_folder_to_be_had(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    folder = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert re.search(says, refused(folder))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that this process can look into but not write; root steps down to nobody for the test."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_folder_without_permission(readable_folder: Path) -> None:
    for folder in (readable_folder, readable_folder / "cardiology"):
        assert re.search(r"cannot write the run folder: .*permi.*choose another --out", refused(folder), re.IGNORECASE)


def test_a_lock_file_left_in_a_folder_that_lost_its_permission(tmp_path: Path, readable_folder: Path) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    readable_folder.chmod(0o755)
    (readable_folder / LOCK_FILE).touch()
    (readable_folder / LOCK_FILE).chmod(0o666)
    readable_folder.chmod(0o555)
    os.seteuid(user)
    assert "no permission to write" in refused(readable_folder)
