import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

from studio.core.assets import assets_dir
from studio.core.errors import ModelError
from studio.models import load as loading
from studio.models.load import load_causal_lm, load_sequence_classifier, load_tokenizer, weights_hash

SEEDLING = assets_dir() / "base" / "seedling-5m"


def save(model, folder: Path) -> Path:
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(SEEDLING / name, folder / name)
    return folder


@pytest.fixture
def decoder(tmp_path):
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        vocab_size=8192, max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    return save(LlamaForCausalLM(config), tmp_path / "decoder")


@pytest.fixture
def encoder(tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=8192,
        max_position_embeddings=64, pad_token_id=3,
    )  # fmt: skip
    return save(BertModel(config), tmp_path / "encoder")


def change_tokenizer(folder, **changes):
    path = folder / "tokenizer_config.json"
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def test_the_tokenizer_can_always_pad(decoder):
    assert load_tokenizer(decoder).pad_token == "<|pad|>"
    change_tokenizer(decoder, pad_token=None)
    assert load_tokenizer(decoder).pad_token == "<|pad|>"


def test_without_a_reserved_token_another_one_pads(decoder, monkeypatch):
    monkeypatch.setattr(loading, "_PAD_TOKENS", ())
    change_tokenizer(decoder, pad_token=None)
    tokenizer = load_tokenizer(decoder)
    assert tokenizer.pad_token == tokenizer.unk_token
    assert len(tokenizer) <= 8192


def test_a_tokenizer_that_cannot_pad_is_told(decoder, monkeypatch):
    monkeypatch.setattr(loading, "_PAD_TOKENS", ())
    change_tokenizer(decoder, pad_token=None, unk_token=None, eos_token=None, bos_token=None)
    with pytest.raises(ModelError, match="pad"):
        load_tokenizer(decoder)


def test_a_decoder_writes(decoder):
    model = load_causal_lm(decoder)
    assert model.dtype == torch.float32
    assert not model.training
    assert model(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, 8192)
    assert load_causal_lm(decoder, dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_both_kinds_can_sort(kind, request):
    model = load_sequence_classifier(request.getfixturevalue(kind), ["good", "bad", "neither"])
    assert model.config.id2label == {0: "good", 1: "bad", 2: "neither"}
    assert model.config.label2id["bad"] == 1
    assert model.config.pad_token_id == 3
    batch = torch.tensor([[5, 6, 7], [5, 3, 3]])
    assert model(input_ids=batch, attention_mask=(batch != 3).long()).logits.shape == (2, 3)


def test_a_head_for_other_labels_is_replaced(encoder, tmp_path):
    first = load_sequence_classifier(encoder, ["a", "b"])
    again = save(first, tmp_path / "again")
    assert load_sequence_classifier(again, ["x", "y", "z"]).config.num_labels == 3


def test_a_saved_classifier_comes_back_the_same(encoder, tmp_path):
    first = load_sequence_classifier(encoder, ["a", "b"])
    again = load_sequence_classifier(save(first, tmp_path / "again"), ["a", "b"])
    batch = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(first(batch).logits, again(batch).logits)


def test_one_label_is_no_choice(encoder):
    with pytest.raises(ModelError, match="two or more"):
        load_sequence_classifier(encoder, ["only"])


def test_pickled_weights_are_not_opened(decoder):
    (decoder / "model.safetensors").rename(decoder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        load_causal_lm(decoder)


def test_code_that_came_with_a_model_is_not_run(decoder, tmp_path):
    (decoder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass C: pass\n")
    config = json.loads((decoder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.C"}}
    (decoder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load_causal_lm(decoder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["model.safetensors", "config.json"])
def test_damaged_files_become_words(decoder, damage):
    (decoder / damage).write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00damaged, sorry..")
    with pytest.raises(ModelError) as error:
        load_causal_lm(decoder)
    assert error.value.what_to_do


def test_a_damaged_tokenizer_becomes_words(decoder):
    (decoder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="tokenizer"):
        load_tokenizer(decoder)


def test_an_encoder_does_not_write(encoder):
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps({**config, "model_type": "distilbert"}))
    with pytest.raises(ModelError):
        load_causal_lm(encoder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a graphics card is here")
def test_quantised_without_a_graphics_card_says_what_to_do(decoder):
    with pytest.raises(ModelError, match="Use LoRA"):
        load_causal_lm(decoder, quantised=True)


def test_the_embedded_base_opens():
    assert load_causal_lm(SEEDLING, dtype=torch.bfloat16).config.vocab_size == 8192
    assert len(weights_hash(SEEDLING)) == 12
