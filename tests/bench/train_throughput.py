"""How fast, and in how much memory, the studio's engine learns beside what people would use otherwise.

    python -m tests.bench.train_throughput [--size 30m] [--method full|lora] [--rows 160] [--repeats 3]

Contenders: this engine, TRL's SFTTrainer with its defaults, transformers' Trainer with length grouping. Same rows
(lognormal lengths, about half of each learned), same randomly initialised model, same batch of eight rows. Every
contender runs in a process of its own, in turns; medians are told. Real tokens a second count no padding and leave
the first two steps out. Memory is the process's peak. Nothing is asserted: a measurement is not a test.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONTENDERS = ("studio", "trl", "trainer")
SIZES: dict[str, dict[str, int]] = {
    "10m": {"vocab_size": 8192, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 10, "num_attention_heads": 4, "num_key_value_heads": 2},
    "30m": {"vocab_size": 16384, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 14, "num_attention_heads": 6, "num_key_value_heads": 2},
    "135m": {"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3},
}  # fmt: skip
BATCH = 8
MAX_LENGTH = 512
WARM_UP = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="30m")
    parser.add_argument("--method", choices=("full", "lora"), default="full")
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    parser.add_argument("--only", choices=CONTENDERS, nargs="*", default=list(CONTENDERS))
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rows < BATCH * (WARM_UP + 2):
        parser.error(f"--rows must be {BATCH * (WARM_UP + 2)} or more: the first {WARM_UP} steps are not counted")
    if options.contender:
        print(json.dumps(contend(options)))
        return
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in options.only}
    for turn in range(options.repeats):
        for name in options.only:
            results[name].append(run_apart(name, options))
            last = results[name][-1]
            print(
                f"  {turn + 1}/{options.repeats} {name:8} {last['tokens_per_second']:9.1f} tok/s  {last['peak_gib']:.2f} GiB",
                flush=True,
            )
    report(results, options)


def run_apart(name: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "tests.bench.train_throughput", "--contender", name, "--size", options.size,
        "--method", options.method, "--rows", str(options.rows), "--precision", options.precision,
    ]  # fmt: skip
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2])
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def report(results: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> None:
    print(f"{options.size}, {options.method}, {options.rows} rows, {BATCH} at once; medians of {options.repeats}:")
    medians = {
        name: {
            key: statistics.median(turn[key] for turn in turns) for key in ("tokens_per_second", "peak_gib", "net_gib")
        }
        for name, turns in results.items()
    }
    ours = medians.get("studio")
    for name, values in medians.items():
        line = f"  {name:8} {values['tokens_per_second']:9.1f} real tok/s   peak {values['peak_gib']:.2f} GiB, {values['net_gib']:.2f} without the libraries"
        if ours and name != "studio":
            line += (
                f"   studio: {ours['tokens_per_second'] / values['tokens_per_second']:.2f} x the speed,"
                f" {ours['peak_gib'] / values['peak_gib']:.2f} x the memory ({ours['net_gib'] / values['net_gib']:.2f} net)"
            )
        print(line)
    if ours:
        print(f"  loss packed against rows one by one, float32: {results['studio'][0]['loss_difference']:.1e} relative")


# -- one contender, in its own process ------------------------------------------------------------------------------------


def contend(options: argparse.Namespace) -> dict[str, Any]:
    import datasets  # noqa: F401 - all libraries of all contenders are loaded before memory is looked at
    import peft  # noqa: F401
    import torch
    import transformers
    import trl

    from studio.core.hardware import detect
    from studio.training import engine, parity  # noqa: F401

    _ = trl.SFTTrainer, transformers.Trainer  # lazy modules: asking for them loads them
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", detect().cpu_cores)))
    transformers.logging.set_verbosity_error()
    rows = make_rows(options.rows, SIZES[options.size]["vocab_size"])
    run = {"studio": run_studio, "trl": run_trl, "trainer": run_trainer}[options.contender]
    libraries = resident_gib()
    with tempfile.TemporaryDirectory() as folder:
        result = run(rows, options, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    if torch.cuda.is_available():
        peak, libraries = torch.cuda.max_memory_allocated() / 1024**3, 0.0
    if options.contender == "studio":
        result["loss_difference"] = loss_difference(rows, options)
    return {**result, "peak_gib": peak, "net_gib": peak - libraries}


def resident_gib() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1024**3


def make_rows(count: int, vocabulary: int) -> list[tuple[list[int], list[int]]]:
    """Lengths as in instruction data: lognormal, 24 to 512 tokens; between a third and two thirds is learned."""
    import random

    rng = random.Random(1)
    rows = []
    for _ in range(count):
        length = max(24, min(MAX_LENGTH, int(rng.lognormvariate(4.7, 0.7))))
        ids = [rng.randrange(4, vocabulary) for _ in range(length)]
        asked = int(length * rng.uniform(0.33, 0.67))
        rows.append((ids, [-100] * asked + ids[asked:]))
    return rows


def make_model(options: argparse.Namespace, dtype: Any) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        **SIZES[options.size], head_dim=64, max_position_embeddings=1024, tie_word_embeddings=True, pad_token_id=3,
        bos_token_id=0, eos_token_id=2, rms_norm_eps=1e-5,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).to(dtype)


def lora_config() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")


def clock() -> Any:
    """A callback that times the steps after the warm-up."""
    import transformers

    class Clock(transformers.TrainerCallback):
        seconds = 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            import torch

            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if state.global_step > WARM_UP:
                self.seconds += time.perf_counter() - self.started

    return Clock()


class TokenCount:
    """Real tokens of the batches after the warm-up, counted as the collator makes them."""

    def __init__(self, collate: Any) -> None:
        self._collate, self.seen, self.batches = collate, 0, 0

    def __call__(self, items: Any) -> Any:
        batch = self._collate(items)
        self.batches += 1
        if self.batches > WARM_UP:
            mask = batch.get("attention_mask")
            self.seen += int(mask.sum()) if mask is not None else batch["input_ids"].numel()
        return batch


def run_studio(rows: Any, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from studio.core.recipe import Recipe
    from studio.data.types import Splits
    from studio.training import engine, setup
    from studio.training.adapters import apply_method, base_dtype
    from studio.training.packing import Rows
    from studio.training.parity import next_token_path
    from studio.training.progress import Progress
    from studio.training.types import TrainJob

    recipe = Recipe.from_dict(
        {
            "method": {"kind": options.method, "rank": 16},
            "training": {
                "epochs": 1, "learning_rate": 2e-5, "batch_size": BATCH, "max_length": MAX_LENGTH,
                "precision": options.precision, "evaluation_interval": 10**6,
            },
        }
    )  # fmt: skip
    dtype = setup.compute_dtype(recipe.training.precision)
    model = make_model(options, base_dtype(recipe.method, dtype)).to(setup.device())
    model = apply_method(model, recipe.method, "causal_lm")
    packed = Rows(rows)
    path = next_token_path(model, packed, smoothing=0.0, dtype=dtype)
    if not path.packed:
        sys.exit(path.reason)
    job = TrainJob(recipe, folder, Splits(), folder, emit=lambda kind, **fields: None)
    work = engine.Work(model, None, path, packed, None, True, dtype)
    plan = engine.make_plan(work, recipe)
    pace = engine.make_pace(work, plan, recipe)
    progress = Progress(pace, job.emit, job.requested, folder, None, None)
    trainer = engine.make_trainer(work, plan, job, progress)
    timer = clock()
    trainer.add_callback(timer)
    trainer.remove_callback(Progress)
    trainer.train()
    return {"tokens_per_second": int(pace.tokens_by_step[-1] - pace.tokens_by_step[WARM_UP]) / timer.seconds}


def loss_difference(rows: Any, options: argparse.Namespace) -> float:
    """Packed against one row at a time, float32, relative, on two dozen rows."""
    import torch
    import torch.nn.functional as F

    from studio.training import setup
    from studio.training.packing import Rows, flat_batch
    from studio.training.parity import next_token_path

    few = sorted(rows, key=lambda row: len(row[0]))[:: max(1, len(rows) // 16)][:16]
    model = make_model(options, torch.float32).to(setup.device()).eval()
    alone = 0.0
    with torch.no_grad():
        for ids, labels in few:
            logits = model(torch.tensor([ids], device=model.device)).logits[0, :-1].float()
            target = torch.tensor(labels[1:], device=model.device)
            alone += float(F.cross_entropy(logits, target, ignore_index=-100, reduction="sum"))
        packed = Rows(few)
        path = next_token_path(model, packed, smoothing=0.0, dtype=torch.float32)
        batch = flat_batch(packed, range(len(few)), next_token=True)
        batch = {k: v.to(model.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        labels = batch.pop("labels")
        together = float(path.loss.sum(model(**batch, use_cache=False), labels))
    return abs(together - alone) / abs(alone)


def run_trl(rows: Any, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import datasets
    import torch
    import transformers
    from trl import SFTConfig, SFTTrainer

    from studio.core.assets import assets_dir

    tokenizer = transformers.AutoTokenizer.from_pretrained(assets_dir() / "base" / "seedling-5m")
    arguments = SFTConfig(
        output_dir=str(folder), num_train_epochs=1, save_strategy="no", report_to=[], disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(), **({"bf16": False} if options.precision == "float32" else {}),
    )  # fmt: skip
    timer = clock()
    trainer = SFTTrainer(
        model=make_model(options, torch.float32),
        args=arguments,
        train_dataset=datasets.Dataset.from_list([{"input_ids": ids, "labels": labels} for ids, labels in rows]),
        processing_class=tokenizer,
        peft_config=lora_config() if options.method == "lora" else None,
        callbacks=[timer],
    )
    count = TokenCount(trainer.data_collator)
    trainer.data_collator = count
    trainer.train()
    return {"tokens_per_second": count.seen / timer.seconds}


def run_trainer(rows: Any, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import datasets
    import torch
    import transformers
    from peft import get_peft_model

    from studio.training import setup
    from studio.training.packing import Rows, padded_batch

    def collate(items: list[dict[str, Any]]) -> dict[str, Any]:
        batch = Rows([(item["input_ids"], item["labels"]) for item in items])
        return padded_batch(batch, range(len(items)), pad_id=3)

    model = make_model(options, torch.float32)
    if options.method == "lora":
        model = get_peft_model(model, lora_config())
    timer, count = clock(), TokenCount(collate)
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=str(folder), num_train_epochs=1, per_device_train_batch_size=BATCH, save_strategy="no",
            report_to=[], disable_tqdm=True, train_sampling_strategy="group_by_length",
            use_cpu=not torch.cuda.is_available(), bf16=setup.compute_dtype(options.precision) == torch.bfloat16,
        ),
        train_dataset=datasets.Dataset.from_list([{"input_ids": ids, "labels": labels} for ids, labels in rows]),
        data_collator=count,
        callbacks=[timer],
    )  # fmt: skip
    trainer.train()
    return {"tokens_per_second": count.seen / timer.seconds}


if __name__ == "__main__":
    main()
