"""The vocabulary and the template."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer

from studio.core.assets import assets_dir
from studio.pretraining.tokenizer import SPECIAL, load_tokenizer, render

CHAT = [
    {"role": "user", "content": "Where is the fox?"},
    {"role": "assistant", "content": "By the tree."},
]


def test_special_tokens_have_the_numbers_of_the_placeholder(tiny_work: Path) -> None:
    mine, placeholder = load_tokenizer(tiny_work / "tokenizer"), load_tokenizer(assets_dir() / "base" / "seedling-5m")
    for token in SPECIAL:
        assert mine.token_to_id(token) == placeholder.token_to_id(token)


def test_any_text_survives_and_digits_stand_alone(tiny_work: Path) -> None:
    tokenizer = load_tokenizer(tiny_work / "tokenizer")
    text = "Ça coûte 1234 €, naïve fox\n\t🦊"
    encoding = tokenizer.encode(text)
    assert tokenizer.decode(encoding.ids) == text
    assert {"1", "2", "3", "4"} <= set(encoding.tokens)


def test_the_template_writes_what_pretraining_saw_and_marks_the_answer(tiny_work: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_work / "tokenizer")
    assert tokenizer.apply_chat_template(CHAT, tokenize=False) == render({"messages": CHAT})
    encoded = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    learned = [i for i, m in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(learned) == "By the tree.<|im_end|>"


def test_the_template_is_the_placeholders() -> None:
    from studio.pretraining.tokenizer import CHAT_TEMPLATE

    placeholder = (assets_dir() / "base" / "seedling-5m" / "chat_template.jinja").read_text(encoding="utf-8")
    assert placeholder.split() == CHAT_TEMPLATE.split()
