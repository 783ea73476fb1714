import json

import pytest

from studio.core.assets import assets_dir
from studio.core.errors import ModelError
from studio.models.folder import inspect_folder


def test_reads_a_model_without_loading_it(make_folder):
    card = inspect_folder(make_folder())
    assert (card.hidden_size, card.layers, card.vocabulary, card.context) == (16, 2, 8192, 64)
    assert card.architecture == "decoder"
    assert card.tasks == ("chat", "text_classification")
    assert card.parameters == 132_624
    assert card.licence == "not stated"


def test_the_embedded_base_states_its_licence():
    assert inspect_folder(assets_dir() / "base" / "seedling-5m").licence == "cc-by-sa-4.0"


def test_an_encoder_sorts_texts_and_does_not_chat(make_folder):
    card = inspect_folder(make_folder(model_type="roberta", architectures=["RobertaForMaskedLM"], pad_token_id=1,
                                      max_position_embeddings=514))  # fmt: skip
    assert card.architecture == "encoder"
    assert card.tasks == ("text_classification",)
    assert card.context == 512


def test_a_type_without_a_classifier_only_chats(make_folder):
    assert inspect_folder(make_folder(model_type="granite", architectures=["GraniteForCausalLM"])).tasks == ("chat",)


def test_settings_one_level_down_are_found(make_folder):
    inner = {"hidden_size": 16, "num_hidden_layers": 7, "vocab_size": 8192, "max_position_embeddings": 32}
    folder = make_folder(
        model_type="gemma3", architectures=["Gemma3ForConditionalGeneration"], text_config=inner, num_hidden_layers=None
    )
    assert inspect_folder(folder).layers == 7


def test_a_known_type_may_carry_code_that_is_never_run(make_folder):
    assert inspect_folder(make_folder(auto_map={"AutoConfig": "x.Y"})).architecture == "decoder"


def test_older_names_of_settings_are_understood(make_folder):
    folder = make_folder(
        model_type="gpt2", architectures=["GPT2LMHeadModel"], hidden_size=None, num_hidden_layers=None,
        max_position_embeddings=None, n_embd=16, n_layer=3, n_positions=48,
    )  # fmt: skip
    card = inspect_folder(folder)
    assert (card.hidden_size, card.layers, card.context) == (16, 3, 48)


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"model_type": "own-thing", "auto_map": {"AutoModel": "m.M"}}, "This model needs code of its own"),
        ({"model_type": "own-thing"}, "This kind of model is not known"),
        ({"model_type": "vit"}, "This kind of model is not known"),
        ({"model_type": None}, "This is not a language model"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "This kind of model cannot be tuned here yet"),
        ({"model_type": "bart", "is_encoder_decoder": True}, "This kind of model cannot be tuned here yet"),
        ({"quantization_config": {"quant_method": "gptq"}}, "These weights are already compressed"),
    ],
)
def test_what_cannot_be_tuned_is_refused_with_its_reason(make_folder, changes, title):
    with pytest.raises(ModelError) as error:
        inspect_folder(make_folder(**changes))
    assert error.value.title == title
    assert error.value.what_to_do


def test_pickled_weights_are_never_opened(make_folder):
    folder = make_folder(without=("model.safetensors",))
    (folder / "pytorch_model.bin").write_bytes(b"not opened")
    with pytest.raises(ModelError) as error:
        inspect_folder(folder)
    assert error.value.title == "Only pickled weights"
    assert "safetensors" in error.value.what_to_do


@pytest.mark.parametrize(
    ("without", "extra", "title"),
    [
        (("tokenizer.json",), {}, "The tokenizer is missing"),
        (("tokenizer.json",), {"vocab.txt": "a"}, "The tokenizer is missing"),
        (("model.safetensors",), {}, "There are no weights here"),
        (("config.json", "model.safetensors"), {"x.gguf": ""}, "GGUF weights cannot be tuned"),
        (("config.json",), {"adapter_config.json": '{"base_model_name_or_path": "a/b"}'}, "This is an adapter, not a base"),
        (("config.json",), {}, "This is not a model folder"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(make_folder, without, extra, title):
    folder = make_folder(without=without)
    for name, text in extra.items():
        (folder / name).write_text(text)
    with pytest.raises(ModelError) as error:
        inspect_folder(folder)
    assert error.value.title == title


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00\x01"])
def test_an_unreadable_config_is_told(make_folder, text):
    folder = make_folder()
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        inspect_folder(folder)


def test_a_file_or_nothing_is_not_a_folder(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(ModelError):
            inspect_folder(path)


def test_the_licence_of_the_model_card_is_read(make_folder):
    folder = make_folder()
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# Hello")
    assert inspect_folder(folder).licence == "apache-2.0"


def test_a_shorter_limit_of_the_tokenizer_counts(make_folder):
    folder = make_folder(max_position_embeddings=4096)
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 48}))
    assert inspect_folder(folder).context == 48
