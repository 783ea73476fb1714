"""Open a base in a worker (this module imports torch): safetensors only, no code that came with the model, a pad token
for sure. Whatever goes wrong becomes a :class:`ModelError` that says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from studio.core.errors import ModelError, RunError, StudioError
from studio.models.weights import weight_files, weights_hash

__all__ = ["load_causal_lm", "load_sequence_classifier", "load_tokenizer", "weights_hash"]

_PAD_TOKENS = ("<|finetune_right_pad_id|>", "<|pad|>", "<pad>", "[PAD]", "<|padding|>")
"""Tokens that models reserve for padding without naming them so (Llama 3 among others)."""


def load_tokenizer(path: Path | str) -> PreTrainedTokenizerBase:
    """A model folder's tokenizer. Where it names no pad token, one that is there already stands in (a reserved one,
    unknown, end of sequence): the vocabulary never grows, so the base's embeddings still fit.

    Raises:
        ModelError: it cannot be read, or has no token that could pad.
    """
    folder = Path(path)
    with _in_words(folder, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if tokenizer.pad_token_id is None:
        known = tokenizer.get_vocab()
        reserved = next((token for token in _PAD_TOKENS if token in known), None)
        stand_in = reserved or tokenizer.unk_token or tokenizer.eos_token
        if stand_in is None:
            raise ModelError(
                "The tokenizer has no token to pad with",
                f"{folder.name} names neither a pad, an unknown nor an end token.",
                "Add a pad_token to its tokenizer_config.json.",
            )
        tokenizer.pad_token = stand_in
    return tokenizer


def load_causal_lm(path: Path | str, dtype: Any = None, quantised: bool = False) -> PreTrainedModel:
    """A model that writes the next token, on the processor (or, quantised, on the graphics card), in eval mode.

    Args:
        dtype: ``torch.float32``, ``torch.bfloat16`` …; float32 when None.
        quantised: In 4 bit (NF4 with double quantisation, Dettmers et al. 2023), for QLoRA.

    Raises:
        ModelError: the folder holds no safetensors, another kind of model, or cannot be read.
        RunError: it does not fit into memory (``code="out_of_memory"``).
    """
    folder = _checked(path)
    with _in_words(folder, "model"):
        model = AutoModelForCausalLM.from_pretrained(folder, **_arguments(dtype, quantised))
    return model.eval()


def load_sequence_classifier(
    path: Path | str, labels: Sequence[str], dtype: Any = None, quantised: bool = False
) -> PreTrainedModel:
    """A model that gives each text one of ``labels``, from an encoder or a decoder base. A head that the folder does not
    hold (or holds for other labels) starts from random numbers: set torch's seed before, for the same start.

    ``pad_token_id`` is set to the tokenizer's, because a decoder reads its answer at the last token that is not padding.

    Raises:
        ModelError: as for :func:`load_causal_lm`, or fewer than two labels.
    """
    if len(labels) < 2:
        raise ModelError(
            "There is only one label", "A model can only choose between two or more.", "Add rows of other labels."
        )
    folder = _checked(path)
    names = {index: str(label) for index, label in enumerate(labels)}
    with _in_words(folder, "model"):
        model = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=len(names),
            id2label=names,
            label2id={label: index for index, label in names.items()},
            ignore_mismatched_sizes=True,
            **_arguments(dtype, quantised),
        )
    model.config.problem_type = "single_label_classification"
    pad = load_tokenizer(folder).pad_token_id
    model.config.pad_token_id = pad
    text_config = model.config.get_text_config()
    if text_config is not model.config:
        text_config.pad_token_id = pad
    return model.eval()


def _arguments(dtype: Any, quantised: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "dtype": dtype or torch.float32,
        "use_safetensors": True,
        "trust_remote_code": False,
        "local_files_only": True,
    }
    if quantised:
        if not torch.cuda.is_available() or not find_spec("bitsandbytes"):
            raise ModelError(
                "QLoRA is not possible here",
                "It needs an NVIDIA graphics card and the package bitsandbytes.",
                "Use LoRA, or install it with pip install 'tailor-studio[qlora]'.",
            )
        from transformers import BitsAndBytesConfig

        arguments["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype or torch.bfloat16,
        )
        arguments["device_map"] = {"": torch.cuda.current_device()}
    return arguments


def _checked(path: Path | str) -> Path:
    folder = Path(path)
    if not weight_files(folder):
        raise ModelError(
            "There are no safetensors weights here",
            f"{folder.name} holds no model.safetensors.",
            "Download or copy the model again.",
        )
    return folder


@contextmanager
def _in_words(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except StudioError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise RunError(
            "There is not enough memory",
            f"{folder.name} does not fit.",
            "Choose a smaller base, or close other programs.",
            code="out_of_memory",
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise ModelError(
            f"The {what} cannot be opened",
            f"{folder.name}: {reason}.",
            "Download or copy the model again, or choose another base.",
        ) from error
    except Exception as error:  # safetensors and tokenizers raise kinds of their own
        raise ModelError(
            f"The {what} cannot be opened",
            f"{folder.name} is damaged ({type(error).__name__}).",
            "Download or copy the model again.",
        ) from error
