"""A disk that fills up or cannot be written: sending stops first, nothing acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth.fault_server import FaultOptions, serving
from tests.runs import asked, data_files, generate, hits, write_spec

IN_FLIGHT = 64


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip(f"may not mount a small disk: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_stops_the_sending_and_space_lets_the_run_go_on(tmp_path: Path, small_disk: Path) -> None:
    with serving(FaultOptions(latency_ms=10)) as server:
        spec = write_spec(tmp_path, server.url, limit=8, shard_size=4)
        assert generate("--spec", spec, "--out", tmp_path / "run").code == 0
        needed = hits(server)
    with serving(FaultOptions(latency_ms=10)) as server:
        spec = write_spec(tmp_path / "again", server.url, limit=8, shard_size=4)
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"0" * 2_500_000)
        stopped = generate("--spec", spec, "--out", small_disk / "run")
        assert stopped.code == 1, stopped
        assert "free space" in stopped.err
        assert "Traceback" not in stopped.err
        sent, safe = hits(server), len(asked(small_disk / "run"))
        assert sent < needed
        assert sent - safe <= IN_FLIGHT, "what was not journalled was in flight when the disk refused"
        ballast.unlink()
        assert generate("--spec", spec, "--out", small_disk / "run").code == 0
        assert hits(server) - sent == needed - safe, "nothing that was acknowledged is asked again"
        assert data_files(small_disk / "run") == data_files(tmp_path / "run")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can look into: root steps down to nobody for the test."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_read_only_folder_is_refused_before_the_first_request(open_folder: Path) -> None:
    with serving() as server:
        spec = write_spec(open_folder / "specs", server.url)
        closed = open_folder / "closed"
        closed.mkdir(mode=0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            refused = generate("--spec", spec, "--out", closed / "run")
        finally:
            os.seteuid(user)
        assert refused.code == 2, refused
        assert "cannot write the run folder" in refused.err
        assert server.stats()["hits"] == 0
