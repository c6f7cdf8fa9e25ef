"""An adapter merged into its base: a folder of weights that transformers and vLLM take by itself.

    python -m training.merge runs/cardiology/adapter --out runs/cardiology/merged

A spec's ``generator: {engine: vllm, model: runs/cardiology/merged}`` then writes the next rows with it. Merging
happens in the base's own type of numbers; an adapter trained beside 4-bit weights is merged into the whole ones, which
answer a little differently from what it was trained beside.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from synth.errors import ClinsynthError, UserError
from synth.staging import disk_errors, replace_folder, temporary
from training.run import QUIET


def merge(adapter: Path, out: Path, *, dtype: str = "auto") -> Path:
    """Write base and adapter as one model to ``out``, with the adapter's tokenizer and card; returns ``out``.

    ``dtype``: ``auto`` (the base's own), ``bfloat16``, ``float16`` or ``float32``.

    Raises:
        UserError: not an adapter of a causal language model, its base is not to be had, or ``out`` is not empty.
    """
    try:
        facts = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        base = str(facts["base_model_name_or_path"])
    except (OSError, ValueError, KeyError):
        raise UserError(f"{adapter}: not an adapter: name the folder with adapter_config.json") from None
    if facts.get("task_type") != "CAUSAL_LM":
        raise UserError(f"{adapter}: not an adapter of a causal language model")
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out}: not empty: name another folder")
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    except (OSError, ValueError) as error:
        raise UserError(f"{adapter}: its base {base} is not to be had: {' '.join(str(error).split())[:200]}") from None
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(out), temporary(out) as work:
        merged.save_pretrained(work)
        AutoTokenizer.from_pretrained(adapter).save_pretrained(work)
        if (adapter / "README.md").is_file():
            card = (adapter / "README.md").read_text(encoding="utf-8")
            (work / "README.md").write_text(card.replace("library_name: peft", "library_name: transformers"), "utf-8")
        replace_folder(work, out)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.merge", description="Merge an adapter into its base.")
    parser.add_argument("adapter", type=Path, help="folder of the adapter")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--dtype", default="auto", choices=["auto", "bfloat16", "float16", "float32"])
    arguments = parser.parse_args(argv)
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    try:
        print(merge(arguments.adapter, arguments.out, dtype=arguments.dtype))
    except ClinsynthError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
