"""Base and tuned side by side: the same dice, one batch, and proof of which weights spoke."""

import json
import re
import shutil
from itertools import islice

import pytest
import torch

from studio.core.errors import ModelError, RunError
from studio.inference import dialogue
from studio.inference.pair import Pair
from studio.inference.types import Sampling
from studio.models.weights import weights_hash

ASK = [{"role": "user", "content": "What should a lamp cost?"}]
LONG_TALK = [
    {"role": "user", "content": "Tell me about lamps."},
    {"role": "assistant", "content": "Lamps give light. " * 12},
    {"role": "user", "content": "And what should one cost?"},
]


def said(pair, base, tuned, sampling):
    texts = {"base": "", "tuned": ""}
    last = None
    for chunk in pair.stream(base, tuned, sampling):
        texts["base"] += chunk.base
        texts["tuned"] += chunk.tuned
        last = chunk
    return texts, last


@pytest.fixture(scope="module")
def adapter_pair(adapter_run, base_path):
    return Pair.open(adapter_run, base_path)


@pytest.fixture(scope="module")
def full_pair(full_run, base_path):
    return Pair.open(full_run, base_path)


@pytest.mark.parametrize("temperature", [0.0, 0.8, 1.5])
def test_equal_weights_and_prompts_draw_equal_tokens(same_run, base_path, temperature):
    pair = Pair.open(same_run, base_path)
    texts, _ = said(pair, ASK, ASK, Sampling(temperature=temperature, top_p=0.95, max_new_tokens=40))
    assert texts["base"] == texts["tuned"] != ""


@pytest.mark.parametrize("kind", ["adapter_pair", "full_pair"])
def test_different_weights_answer_differently_and_both_end(kind, request):
    texts, last = said(request.getfixturevalue(kind), ASK, ASK, Sampling(max_new_tokens=30))
    assert texts["base"] != texts["tuned"]
    assert last.base_done
    assert last.tuned_done
    assert 0 < last.base_tokens <= 30


@pytest.mark.parametrize("kind", ["adapter_pair", "full_pair"])
def test_the_same_seed_repeats_an_answer_and_another_does_not(kind, request):
    pair = request.getfixturevalue(kind)
    first, _ = said(pair, ASK, ASK, Sampling(max_new_tokens=24, seed=1, temperature=1.0))
    again, _ = said(pair, ASK, ASK, Sampling(max_new_tokens=24, seed=1, temperature=1.0))
    other, _ = said(pair, ASK, ASK, Sampling(max_new_tokens=24, seed=2, temperature=1.0))
    assert first == again
    assert first["base"] != other["base"]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0, max_new_tokens=24),
        Sampling(temperature=0.9, max_new_tokens=24, repetition_penalty=1.3),
    ],
    ids=["greedy", "sampled"],
)
def test_one_batch_says_what_each_would_say_alone(adapter_pair, sampling):
    """Left padding and the neighbour's adapter change nothing, even when the conversations differ in length."""
    texts, _ = said(adapter_pair, LONG_TALK, ASK, sampling)
    base_alone, _ = said(adapter_pair, LONG_TALK, LONG_TALK, sampling)
    tuned_alone, _ = said(adapter_pair, ASK, ASK, sampling)
    assert texts["base"] == base_alone["base"]
    assert texts["tuned"] == tuned_alone["tuned"]


def test_the_base_pane_is_the_base_alone(adapter_pair, full_pair):
    """The base of an adapter run (adapter off, in a mixed batch) and an untouched base loaded by itself agree."""
    sampling = Sampling(max_new_tokens=24, temperature=0.9)
    assert said(adapter_pair, ASK, ASK, sampling)[0]["base"] == said(full_pair, ASK, ASK, sampling)[0]["base"]


def test_identities_name_the_weights_on_disk(adapter_pair, full_pair, adapter_run, full_run, base_path):
    base = weights_hash(base_path, 6)
    assert adapter_pair.identity() == {
        "base": f"adapter off · seedling-5m {base}",
        "tuned": f"adapter support-3 · {weights_hash(adapter_run / 'model', 6)}",
    }
    assert full_pair.identity() == {
        "base": f"untouched · seedling-5m {base}",
        "tuned": f"full weights full-1 · {weights_hash(full_run / 'model', 6)}",
    }


@pytest.mark.parametrize("kind", ["adapter_pair", "full_pair"])
def test_cancelling_ends_both_answers(kind, request):
    pair = request.getfixturevalue(kind)
    chunks = list(pair.stream(ASK, ASK, Sampling(max_new_tokens=400), lambda: True))
    assert chunks[-1].base_done
    assert chunks[-1].tuned_done
    assert chunks[-1].base_tokens <= 1


def test_closing_the_stream_ends_the_generation(adapter_pair):
    stream = adapter_pair.stream(ASK, ASK, Sampling(max_new_tokens=900, temperature=1.5))
    list(islice(stream, 1))
    stream.close()
    texts, _ = said(adapter_pair, ASK, ASK, Sampling(max_new_tokens=4))
    assert texts["base"]


def test_a_table_gives_each_prompt_the_answer_it_gets_alone(adapter_pair):
    prompts = ["What is a lamp?", "Who sells the most beautiful and the cheapest lamps of all?", "Hello"]
    sampling = Sampling(max_new_tokens=12, temperature=0.8)
    rows = list(adapter_pair.answers(prompts, sampling, "You sell lamps."))
    assert [row.prompt for row in rows] == prompts
    for row in rows:
        asked = [{"role": "system", "content": "You sell lamps."}, {"role": "user", "content": row.prompt}]
        alone, _ = said(adapter_pair, asked, asked, sampling)
        assert (row.base, row.tuned) == (alone["base"], alone["tuned"])


def test_a_cancelled_table_ends_early(adapter_pair):
    assert list(adapter_pair.answers(["Hi"] * 20, Sampling(max_new_tokens=200), cancelled=lambda: True)) == []


def test_the_oldest_turns_are_left_out_when_the_context_is_full(adapter_pair):
    talk = [{"role": "system", "content": "Be brief."}]
    for number in range(60):
        talk += [
            {"role": "user", "content": f"Question {number}: " + "lamp " * 20},
            {"role": "assistant", "content": "Answer. " * 10},
        ]
    talk.append({"role": "user", "content": "And now?"})
    chunks = list(adapter_pair.stream(talk, ASK, Sampling(max_new_tokens=6)))
    assert re.search(r"oldest messages were left out", chunks[0].notes[0])


def test_a_message_longer_than_the_context_is_refused(adapter_pair):
    with pytest.raises(RunError, match="too long"):
        list(adapter_pair.stream([{"role": "user", "content": "lamp " * 3000}], ASK, Sampling()))


@pytest.mark.parametrize("talk", [[], [{"role": "user", "content": "  "}], [{"role": "assistant", "content": "Yes."}]])
def test_there_must_be_a_question(adapter_pair, talk):
    with pytest.raises(RunError, match="nothing to answer"):
        list(adapter_pair.stream(talk, ASK, Sampling()))


def test_classes_of_base_and_tuned(classifier_run, base_path):
    pair = Pair.open(classifier_run, base_path)
    answer = pair.classify("My lamp is broken.")
    assert answer["labels"] == ["praise", "complaint", "question"]
    for side in ("base", "tuned"):
        assert sum(answer[side]) == pytest.approx(1, abs=1e-5)
    assert answer["base"] != answer["tuned"]
    again = pair.classify("My lamp is broken.")
    assert (again["base"], again["tuned"]) == (pytest.approx(answer["base"]), pytest.approx(answer["tuned"]))


def test_the_untuned_classifier_is_the_one_training_began_with(classifier_run, base_path):
    """Its label layer is random, but always the same: drawn with the run's seed."""
    torch.manual_seed(999)
    first = Pair.open(classifier_run, base_path).classify("Hello")
    torch.manual_seed(5)
    again = Pair.open(classifier_run, base_path).classify("Hello")
    assert again["base"] == pytest.approx(first["base"], rel=1e-4)


def test_questions_of_the_wrong_kind_are_refused(adapter_pair, classifier_run, base_path):
    with pytest.raises(RunError, match="chats"):
        adapter_pair.classify("Hello")
    classifier = Pair.open(classifier_run, base_path)
    with pytest.raises(RunError, match="sorts texts"):
        list(classifier.stream(ASK, ASK, Sampling()))
    with pytest.raises(RunError, match="empty"):
        classifier.classify("  ")


def test_a_run_without_a_model_says_so(adapter_run, base_path, tmp_path):
    shutil.copy(adapter_run / "recipe.yaml", tmp_path / "recipe.yaml")
    with pytest.raises(RunError, match="no tuned model yet"):
        Pair.open(tmp_path, base_path)


def test_an_adapter_for_another_base_is_refused(adapter_run, base_path, tmp_path):
    run = shutil.copytree(adapter_run, tmp_path / "run")
    config = json.loads((run / "model" / "adapter_config.json").read_text())
    config["r"] = 8
    (run / "model" / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="does not fit"):
        Pair.open(run, base_path)


def test_the_end_mark_is_the_one_the_loss_saw(adapter_pair, base_path):
    assert adapter_pair._ends.ids == {2}  # <|im_end|>


def test_an_end_mark_of_several_tokens_becomes_a_stop_text():
    class Renderer:
        def segments(self, messages, max_length):
            from studio.data.render import Segment

            return [Segment("user: Is it?\n", False, False), Segment("Yes<|im_end|>\n", True, False)]

    class Tokenizer:
        eos_token_id, unk_token_id = 0, 0

        def convert_tokens_to_ids(self, token):
            return 0

        def decode(self, ids):
            return "<unk>"

    ends = dialogue.ends_of(Renderer(), Tokenizer(), None)
    assert ends == dialogue.Ends(frozenset({0}), ("<|im_end|>",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": -1}, "temperature"),
        ({"max_new_tokens": 0}, "max new tokens"),
        ({"top_p": 2}, "top p"),
        ({"temperature": "hot"}, "temperature"),
        ({"colour": 1}, "colour"),
    ],
)
def test_settings_out_of_range_are_named(values, message):
    with pytest.raises(RunError, match=message):
        Sampling.from_dict(values)


def test_settings_left_open_take_their_defaults():
    assert Sampling.from_dict({"seed": 7.0, "top_p": None}) == Sampling(seed=7)
