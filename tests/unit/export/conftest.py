"""Small finished runs, made the way a worker leaves them: LoRA and full, chat and labels, on the embedded base."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from studio.core.assets import assets_dir
from studio.core.recipe import AppliedFix, Recipe, Source

BASE = assets_dir() / "base" / "seedling-5m"
LABELS = ["billing", "delivery", "late <b>repair</b>"]


def _recipe(task, method):
    recipe = Recipe(name="Support *answers* <script>", task=task)
    recipe.method.kind = method
    recipe.base.id, recipe.base.path = BASE.name, str(BASE)
    recipe.training.max_length = 128
    recipe.training.learning_rate = 2e-4
    recipe.reasons = {"training.learning_rate": "2e-4: suggested for LoRA on 40 rows"}
    recipe.data.sources = [Source(path="/somewhere/private/Q|A [draft].csv", sha256="ab" * 32)]
    recipe.data.fixes = [AppliedFix(check="exact_duplicates", fix="drop_duplicates")]
    recipe.data.fingerprint = "0123456789abcdef"
    return recipe


def _chat_rows(count):
    return [
        {
            "row": i,
            "messages": [
                {"role": "user", "content": f"What does lamp number {i} cost?"},
                {"role": "assistant", "content": f"It costs {i} pounds."},
            ],
        }
        for i in range(count)
    ]


def _label_rows(count):
    return [{"row": i, "text": f"my parcel number {i}", "label": LABELS[i % 3]} for i in range(count)]


def _model(task, method):
    torch.manual_seed(7)
    if task == "chat":
        model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            BASE, dtype=torch.float32, num_labels=3, id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)}
        )  # fmt: skip
        model.config.pad_token_id = 3
    if method == "full":
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.01)
        return model
    kind = "CAUSAL_LM" if task == "chat" else "SEQ_CLS"
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type=kind))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return model


def _write_run(path, task, method):
    model_dir, data = path / "model", path / "data"
    data.mkdir(parents=True)
    model = _model(task, method)
    model.save_pretrained(model_dir)
    AutoTokenizer.from_pretrained(BASE).save_pretrained(model_dir)
    tailor = {"method": method, "base_id": "seedling-5m", "base_path": str(BASE), "best_step": 20}
    if task != "chat":
        tailor["labels"] = LABELS
    (model_dir / "tailor.json").write_text(json.dumps(tailor))
    _recipe(task, method).save(path / "recipe.yaml")
    rows = _chat_rows if task == "chat" else _label_rows
    for name, count in (("train", 40), ("validation", 5), ("test", 6)):
        (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(count)))
    entry = {"title": "Held-out loss", "higher_is_better": False, "base": {"value": 3.2, "low": 3.0, "high": 3.4}, "tuned": {"value": None, "low": None, "high": None}}  # fmt: skip
    report = {"task": task, "rows": 6, "headline": "loss", "metrics": {"loss": entry}, "verdict": "A little better.", "notes": ["Rough."]}  # fmt: skip
    (path / "report.json").write_text(json.dumps(report))
    (path / "predictions.jsonl").write_text('{"row": 0}\n')
    events = [{"v": 1, "seq": n, "kind": "metric", "step": n, "loss": 3 - n / 50} for n in range(1, 41)]
    events += [
        {"v": 1, "seq": 40 + n, "kind": "metric", "step": 2 * n, "validation_loss": 3 - n / 40} for n in range(1, 21)
    ]
    (path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"torn')


@pytest.fixture(scope="session")
def _originals(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def make_run(_originals, tmp_path):
    """``make_run(task, method)`` → a run folder of the test's own."""

    def make(task="chat", method="lora"):
        original = _originals / f"{task}-{method}"
        if not original.exists():
            _write_run(original, task, method)
        copy = tmp_path / "support-3"
        shutil.copytree(original, copy)
        return copy

    return make
