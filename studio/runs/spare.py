"""The spare worker: everything imported and tried once, waiting for a run, so that Start answers at once.

It reads one line from stdin. When the app ends, that pipe closes and the spare ends with it; once it has a job it has
nothing to do with the app any more.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

HEAVY = (
    "studio.models.load",
    "studio.training.causal_lm",
    "studio.training.sequence_classification",
    "studio.evaluation.report",
)


def wait_for_job() -> Path | None:
    """Warm up, say "ready", wait. None when the app went away without a job."""
    try:
        warm_up()
    except Exception:  # noqa: BLE001 (a spare that is not warm still trains; the reason is in its log)
        traceback.print_exc()
    try:
        print("ready", flush=True)
        line = sys.stdin.readline()
    except (OSError, ValueError):
        return None
    if not line.endswith("\n"):
        return None
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return Path(json.loads(line)["run_dir"])


def warm_up() -> None:
    """Import what a run needs and take one step with a tiny random model: libraries load much only at first use."""
    import peft
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer  # noqa: F401

    from studio.tasks import base

    for name in HEAVY:
        import_module(name)
    base.registry()
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=32, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    model = peft.get_peft_model(LlamaForCausalLM(config), peft.LoraConfig(r=2, target_modules="all-linear"))
    ids = torch.arange(16).reshape(1, 16)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), fused=True)
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    model.eval().generate(input_ids=ids[:, :4], max_new_tokens=2, do_sample=False)
