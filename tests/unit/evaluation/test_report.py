"""The report card on real (tiny) models: base against tuned, and every way it can have little to say."""

import copy
import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from studio.core.assets import assets_dir
from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.data.types import Splits
from studio.evaluation import answers, report
from studio.evaluation.metrics import CAUSAL_LM_METRICS, CLASSIFICATION_METRICS
from studio.training.types import TrainJob, TrainResult

BASE = assets_dir() / "base" / "seedling-5m"


def conversations(count, start=0):
    return [
        {
            "row": i,
            "messages": [
                {"role": "user", "content": f"How much is lamp number {i}?"},
                {"role": "assistant", "content": f"Lamp {i} costs {i % 7 + 3} pounds, dear friend."},
            ],
        }
        for i in range(start, start + count)
    ]


def texts(count):
    words = {"billing": "invoice money paid", "repair": "broken lamp fix", "delivery": "parcel late post"}
    return [
        {"row": i, "text": f"{words[label]} {i}", "label": label}
        for i, label in zip(range(count), list(words) * count, strict=False)
    ]


def make_job(tmp_path, splits, kind="full", task="chat"):
    recipe = Recipe(task=task)
    recipe.method.kind = kind
    recipe.training.max_length = 128
    events = []
    job = TrainJob(recipe, BASE, splits, tmp_path, lambda kind, **fields: events.append((kind, fields)))
    return job, events


def result_of(model, labels=()):
    return TrainResult(
        outcome="finished", steps=10, best_step=10, best_validation_loss=1.0, seconds=1, tokens=1, fast_path=True,
        model=model.eval(), tokenizer=AutoTokenizer.from_pretrained(BASE), labels=list(labels),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def short_answers_without_hurry(monkeypatch):
    monkeypatch.setattr(answers, "TOKENS", 6)
    monkeypatch.setattr(answers, "SECONDS", 300)


@pytest.fixture(scope="module")
def base():
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)


@pytest.fixture(scope="module")
def tuned(base):
    """A few steps on rows of the same kind; enough to be better beyond doubt."""
    torch.manual_seed(0)
    model = copy.deepcopy(base)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    texts = [tokenizer.apply_chat_template(e["messages"], tokenize=False) for e in conversations(16, 100)]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(8):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def test_a_better_model_is_called_better_and_rows_are_kept(tmp_path, tuned):
    job, events = make_job(tmp_path, Splits(test=conversations(32)))
    card = report.evaluate_causal_lm(job, result_of(tuned))
    loss = card["metrics"]["loss"]
    assert card["verdict"].startswith("Clearly better.")
    assert card["headline"] == "loss"
    assert loss["tuned"]["high"] < loss["base"]["low"]
    assert loss["difference"]["high"] < 0
    assert set(card["metrics"]) == set(CAUSAL_LM_METRICS)
    assert card["rows"] == 32
    assert "rough" not in card["verdict"]
    lines = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == list(range(32))
    assert lines[3]["reference"] == "Lamp 3 costs 6 pounds, dear friend."
    assert "How much is lamp number 3?" in lines[3]["prompt"]
    total = sum(line["tuned_loss"] * line["tokens"] for line in lines) / sum(line["tokens"] for line in lines)
    assert total == pytest.approx(loss["tuned"]["value"], rel=1e-4)
    assert sum("tuned_answer" in line for line in lines) == 20
    assert events[-1][0] == "status"
    json.dumps(card, allow_nan=False)


def test_answers_that_take_too_long_are_left_out(tmp_path, base, monkeypatch):
    monkeypatch.setattr(answers, "SECONDS", 1e-6)
    job, _ = make_job(tmp_path, Splits(test=conversations(6)))
    assert "chrf" not in report.evaluate_causal_lm(job, result_of(base))["metrics"]


def test_identical_models_are_no_proof_of_a_gain(tmp_path, base):
    job, _ = make_job(tmp_path, Splits(test=conversations(12)))
    card = report.evaluate_causal_lm(job, result_of(base))
    difference = card["metrics"]["loss"]["difference"]
    assert card["verdict"].startswith("No proof of a gain.")
    assert difference["low"] <= 0 <= difference["high"]
    assert "Only 12 rows were held back" in card["verdict"]


def test_one_row_is_too_few_to_say_and_has_no_interval(tmp_path, tuned):
    card = report.evaluate_causal_lm(make_job(tmp_path, Splits(test=conversations(1)))[0], result_of(tuned))
    assert card["verdict"].startswith("Too few rows to say")
    for metric in card["metrics"].values():
        assert metric["difference"]["value"] is not None
        assert metric["difference"]["low"] is metric["difference"]["high"] is None


@pytest.mark.parametrize(("rate", "told"), [(1.0, "1,000 times the suggested 0.001"), (1e-3, "")])
def test_the_verdict_names_the_likely_cause_when_a_setting_was_far_off(tmp_path, base, rate, told):
    job, _ = make_job(tmp_path, Splits(train=conversations(40, 50), test=conversations(30)))
    job.recipe.training.learning_rate, job.recipe.training.batch_size, job.recipe.training.epochs = rate, 4, 10
    verdict = report.evaluate_causal_lm(job, result_of(base))["verdict"]
    assert verdict.startswith("No proof of a gain.")
    assert ("Likely cause" in verdict) == bool(told)
    assert told in verdict


def test_the_base_of_an_adapter_is_the_same_model_with_the_adapter_off(tmp_path, base):
    adapted = get_peft_model(copy.deepcopy(base), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    torch.manual_seed(1)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    rows = Splits(test=conversations(10))
    card = report.evaluate_causal_lm(make_job(tmp_path, rows, "lora")[0], result_of(adapted))
    plain = report.evaluate_causal_lm(make_job(tmp_path, rows)[0], result_of(base))
    assert card["metrics"]["loss"]["base"] == pytest.approx(plain["metrics"]["loss"]["base"], rel=1e-4)
    assert card["verdict"].startswith("Worse.")


def test_validation_rows_stand_in_and_it_says_so(tmp_path, base):
    job, _ = make_job(tmp_path, Splits(validation=conversations(6)))
    card = report.evaluate_causal_lm(job, result_of(base))
    assert card["rows"] == 6
    assert "validation rows" in card["notes"][0]


@pytest.mark.parametrize("evaluate", [report.evaluate_causal_lm, report.evaluate_classifier])
def test_without_rows_there_is_a_sentence_and_no_number(tmp_path, base, evaluate):
    job, _ = make_job(tmp_path, Splits(train=conversations(3)))
    card = evaluate(job, result_of(base, ["a"]))
    assert card["rows"] == 0
    assert card["metrics"] == {}
    assert "held back" in card["verdict"]


def test_a_model_of_nan_is_told_and_does_not_crash(tmp_path, base):
    broken = copy.deepcopy(base)
    with torch.no_grad():
        broken.model.norm.weight.fill_(float("nan"))
    job, _ = make_job(tmp_path, Splits(test=conversations(8)))
    card = report.evaluate_causal_lm(job, result_of(broken))
    assert "NaN" in card["verdict"]
    assert card["metrics"]["loss"]["tuned"]["value"] is None
    assert card["metrics"]["loss"]["base"]["value"] > 0
    json.dumps(card, allow_nan=False)


def test_rows_without_an_answer_are_left_out_and_counted(tmp_path, base):
    unanswered = {"row": 99, "messages": [{"role": "user", "content": "Hello?"}]}
    job, _ = make_job(tmp_path, Splits(test=[*conversations(6), unanswered]))
    card = report.evaluate_causal_lm(job, result_of(base))
    assert card["rows"] == 6
    assert "1 of 7 rows" in card["notes"][0]


def test_a_paused_run_has_nothing_to_evaluate(tmp_path, base):
    job, _ = make_job(tmp_path, Splits(test=conversations(2)))
    with pytest.raises(RunError, match="no model"):
        report.evaluate_causal_lm(job, TrainResult("paused", 1, None, None, 1, 1, True))


# -- labels ------------------------------------------------------------------------------------------------------------

LABELS = ["billing", "delivery", "repair"]


def classifier():
    torch.manual_seed(42)
    return AutoModelForSequenceClassification.from_pretrained(
        BASE, dtype=torch.float32, num_labels=3, id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)}
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned_classifier():
    model = classifier()
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    rows = texts(48)
    batch = tokenizer([e["text"] for e in rows], return_tensors="pt", padding=True, padding_side="right")
    batch.pop("token_type_ids", None)
    labels = torch.tensor([LABELS.index(e["label"]) for e in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(8):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def test_a_classifier_is_measured_against_the_most_frequent_label(tmp_path, tuned_classifier):
    job, _ = make_job(tmp_path, Splits(train=texts(60), test=texts(45)), task="text_classification")
    card = report.evaluate_classifier(job, result_of(tuned_classifier, LABELS))
    assert card["verdict"].startswith("Clearly better")
    assert card["labels"] == LABELS
    assert sum(map(sum, card["confusion"]["base"])) == sum(map(sum, card["confusion"]["tuned"])) == 45
    assert card["metrics"]["accuracy"]["tuned"]["value"] > 0.9
    assert set(card["metrics"]) == set(CLASSIFICATION_METRICS)
    assert any("chance level" in note for note in card["notes"])
    assert any("most frequent" in note for note in card["notes"])
    assert [line["label"] for line in card["per_class"]] == LABELS
    first = json.loads((tmp_path / "predictions.jsonl").read_text().splitlines()[0])
    assert first["reference"] == first["tuned_label"] == "billing"
    assert 0 < first["base_probability"] <= 1
    json.dumps(card, allow_nan=False)


def test_an_untrained_classifier_is_no_proof_of_a_gain(tmp_path):
    job, _ = make_job(tmp_path, Splits(train=texts(60), test=texts(45)), task="text_classification")
    card = report.evaluate_classifier(job, result_of(classifier(), LABELS))
    difference = card["metrics"]["accuracy"]["difference"]
    assert difference["low"] <= 0 <= difference["high"]
    assert card["verdict"].startswith("No proof of a gain")


def test_labels_never_learned_count_as_missed(tmp_path, tuned_classifier):
    rows = [*texts(9), {"row": 50, "text": "something else", "label": "weather"}]
    job, _ = make_job(tmp_path, Splits(train=texts(30), test=rows), task="text_classification")
    card = report.evaluate_classifier(job, result_of(tuned_classifier, LABELS))
    assert card["labels"] == [*LABELS, "weather"]
    assert sum(card["confusion"]["tuned"][3]) == 1
    assert any("never occur" in note for note in card["notes"])


def test_a_classifier_of_nan_is_told_and_does_not_crash(tmp_path, tuned_classifier):
    broken = copy.deepcopy(tuned_classifier)
    with torch.no_grad():
        broken.score.weight.fill_(float("nan"))
    job, _ = make_job(tmp_path, Splits(train=texts(30), test=texts(9)), task="text_classification")
    card = report.evaluate_classifier(job, result_of(broken, LABELS))
    assert "NaN" in card["verdict"]
    assert card["metrics"]["accuracy"]["tuned"]["value"] is None
    assert json.loads((tmp_path / "predictions.jsonl").read_text().splitlines()[0])["tuned_label"] is None
