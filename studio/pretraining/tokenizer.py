"""The vocabulary: byte-level BPE with single digits, ChatML marks as special tokens, and the chat template.

The special tokens have the numbers they had in the placeholder base, so that nothing that was built on it has to change.
Digits are split (as in StarCoder and SmolLM), which small models need for numbers, and which runtimes already know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from studio.pretraining.corpus import Document, document_text, read_documents

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
END_OF_TEXT, IM_START, IM_END, PAD = range(4)

CHAT_TEMPLATE = """\
{% for m in messages %}<|im_start|>{{ m['role'] }}
{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}\
{% else %}{{ m['content'] }}<|im_end|>{% endif %}

{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE tokenizer with ``vocabulary`` entries learned from ``texts``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def sample_texts(folder: Path, shares: dict[str, float], characters: int) -> Iterator[str]:
    """Training texts of each source up to its share of ``characters``."""
    total = sum(shares.values())
    for name, share in shares.items():
        left = int(characters * share / total)
        for document in read_documents(folder / name / "train.jsonl"):
            text = document_text(document)[: max(left, 0)]
            if not text:
                break
            left -= len(text)
            yield text


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """The three files that a model folder needs to be used for chat."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "backend": "tokenizers",
        "bos_token": SPECIAL[END_OF_TEXT],
        "eos_token": SPECIAL[IM_END],
        "extra_special_tokens": [SPECIAL[IM_START]],
        "model_max_length": context,
        "pad_token": SPECIAL[PAD],
        "tokenizer_class": "TokenizersBackend",
        "unk_token": SPECIAL[END_OF_TEXT],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")


def load_tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def render(document: Document) -> str:
    """A document as the model sees it in pre-training: plain text, or ChatML as the template writes it."""
    if "text" in document:
        return str(document["text"])
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in document["messages"])
