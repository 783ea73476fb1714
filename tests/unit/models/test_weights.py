import json
import os
import struct

import pytest

from studio.core.errors import ModelError
from studio.models import weights


def test_counts_weights_from_the_header_alone(make_folder):
    assert weights.parameters(make_folder()) == 8192 * 16 + 2 * (16 * 16 + 16 * 32) + 16


def test_a_repeated_output_layer_is_not_counted_twice(tmp_path, safetensors_file):
    safetensors_file(tmp_path / "model.safetensors", {"embed_tokens.weight": (100, 8), "lm_head.weight": (100, 8)})
    assert weights.parameters(tmp_path, tied_embeddings=True) == 800
    assert weights.parameters(tmp_path, tied_embeddings=False) == 1600


def test_names_the_layers_an_adapter_can_sit_on(make_folder):
    assert weights.linear_names(make_folder()) == ("down_proj", "q_proj")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 4, b"\xff" * 64, struct.pack("<Q", 5) + b"hello", struct.pack("<Q", 2) + b"[]",
     struct.pack("<Q", 14) + b'{"a": {"b":1}}', struct.pack("<Q", 10**12) + b"{}"],
)  # fmt: skip
def test_a_file_that_is_not_safetensors_is_named(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors is not a safetensors file"):
        weights.tensors(tmp_path)


def test_a_file_that_was_cut_short_is_told(tmp_path, safetensors_file):
    safetensors_file(tmp_path / "model.safetensors", {"a": (10, 10)}, cut=1)
    with pytest.raises(ModelError, match="cut short"):
        weights.tensors(tmp_path)


def test_parts_are_added_up_and_a_missing_one_is_named(tmp_path, safetensors_file):
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (tmp_path / weights.INDEX).write_text(json.dumps(index))
    safetensors_file(tmp_path / names[0], {"a": (3, 3)})
    with pytest.raises(ModelError, match=names[1]):
        weights.weight_files(tmp_path)
    safetensors_file(tmp_path / names[1], {"b": (2, 2)})
    assert weights.parameters(tmp_path) == 13


def test_an_index_that_leads_outside_the_folder_is_refused(tmp_path, safetensors_file):
    folder = tmp_path / "model"
    folder.mkdir()
    safetensors_file(tmp_path / "secret.safetensors", {"a": (1,)})
    (folder / weights.INDEX).write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(ModelError, match="outside"):
        weights.weight_files(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": [1]}}'])
def test_an_unreadable_index_is_told(tmp_path, text):
    (tmp_path / weights.INDEX).write_text(text)
    with pytest.raises(ModelError):
        weights.weight_files(tmp_path)


def test_the_hash_names_the_bytes(tmp_path, safetensors_file):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        safetensors_file(tmp_path / name / "model.safetensors", {"a": (4, 4)})
    first = weights.weights_hash(tmp_path / "one")
    assert first == weights.weights_hash(tmp_path / "two")
    assert len(first) == 12
    file = tmp_path / "two" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    os.utime(file, ns=(1, 1))
    assert weights.weights_hash(tmp_path / "two") != first


def test_a_folder_without_weights_has_no_hash(tmp_path):
    with pytest.raises(ModelError, match="no safetensors"):
        weights.weights_hash(tmp_path)
