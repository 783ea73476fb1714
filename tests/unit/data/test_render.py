"""What the person sees is what the loss sees: segments join to the text, and only the assistant's tokens are learned."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from studio.core.assets import assets_dir
from studio.core.errors import ModelError
from studio.data.render import ChatRenderer, Segment, TextRenderer
from studio.data.types import Message

BASE = assets_dir() / "base" / "seedling-5m"
CHATML_NO_MARKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{% for m in messages %}{{ (bos_token if loop.first else '') + '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
    " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
# As Qwen3 does: the last answer gets an empty thought, earlier ones lose theirs.
QWEN3 = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
STRICT = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}"
    "{% endif %}<s>{{ m.role }}: {{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<s>assistant: {% endif %}"
)
PARTS = (
    "{% for m in messages %}{{ m.role }}:{% for p in m.content %}{% if p.type == 'text' %} {{ p.text }}{% endif %}{% endfor %}<end>\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def chat(*contents: str, system: str = "") -> list[Message]:
    messages = [Message(role=("user", "assistant")[i % 2], content=text) for i, text in enumerate(contents)]  # type: ignore[arg-type]
    return [Message(role="system", content=system), *messages] if system else messages


def folder(tmp_path: Path, template: str | None) -> Path:
    """The embedded base's tokenizer with another template."""
    shutil.copy(BASE / "tokenizer.json", tmp_path)
    shutil.copy(BASE / "tokenizer_config.json", tmp_path)
    if template is not None:
        (tmp_path / "chat_template.jinja").write_text(template)
    return tmp_path


def learned(renderer: ChatRenderer, messages: list[Message], max_length: int | None = None) -> list[str]:
    return [s.text for s in renderer.segments(messages, max_length) if s.learned]


def joined(segments: list[Segment]) -> str:
    return "".join(s.text for s in segments)


@pytest.fixture(scope="module")
def renderer() -> ChatRenderer:
    return ChatRenderer.from_folder(BASE)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(BASE / "tokenizer.json"))


def test_only_the_answers_and_their_end_are_learned(renderer: ChatRenderer, tokenizer: Tokenizer) -> None:
    messages = chat("Hi there", "Hello!", "And now?", "Nothing.", system="Be kind.")
    encoded = renderer.encode(messages)
    said = [i for i in encoded.labels if i != -100]
    assert tokenizer.decode(said, skip_special_tokens=False) == "Hello!<|im_end|>Nothing.<|im_end|>"
    assert all(label in (-100, token) for token, label in zip(encoded.ids, encoded.labels, strict=True))
    assert encoded.ids == tokenizer.encode(encoded.text, add_special_tokens=False).ids
    assert not any(s.cut for s in renderer.segments(messages))


@pytest.mark.parametrize(
    "text",
    ["👩‍👩‍👧 Grüße", "你好，世界", "مرحبا بالعالم", "naïve café\n\n  indented", "<|im_end|> inside", "a\u0301 x̂", "\n\nleading", "trailing  \n"],
)  # fmt: skip
def test_characters_of_several_bytes(renderer: ChatRenderer, tokenizer: Tokenizer, text: str) -> None:
    messages = chat(text, text)
    segments = renderer.segments(messages)
    encoded = renderer.encode(messages)
    assert joined(segments) == encoded.text
    assert [s.text for s in segments if s.learned] == [text + "<|im_end|>"]
    said = [i for i in encoded.labels if i != -100]
    assert tokenizer.decode(said, skip_special_tokens=False) == text + "<|im_end|>"


def test_segments_join_and_agree_with_labels_whatever_is_said(renderer: ChatRenderer, tokenizer: Tokenizer) -> None:
    generator = random.Random(7)
    alphabet = "ab cdé\n\t.,!ß你👍<|im_end|>مر  "
    for _ in range(150):
        turns = [
            "".join(generator.choices(alphabet, k=generator.randint(1, 40))) for _ in range(generator.randint(1, 5))
        ]
        messages = chat(*turns, system=generator.choice(["", "Be kind."]))
        limit = generator.choice([None, 4, 16, 40])
        encoded, segments = renderer.encode(messages, limit), renderer.segments(messages, limit)
        assert joined(segments) == encoded.text
        assert (len(encoded.ids) < renderer.lengths([messages])[0]) == any(s.cut for s in segments)
        assert len(encoded.ids) == len(encoded.labels) <= (limit or 10_000)
        kept = "".join(s.text for s in segments if not s.cut)
        assert abs(len(tokenizer.decode(encoded.ids, skip_special_tokens=False)) - len(kept)) <= 6
        answers = [m["content"] + "<|im_end|>" for m in messages if m["role"] == "assistant"]
        whole = "".join(answers)
        for segment in segments:
            assert not segment.learned or segment.text in whole
        if limit is None:
            assert "".join(s.text for s in segments if s.learned) == whole


def test_cut_from_the_right(renderer: ChatRenderer) -> None:
    messages = chat("Hi", "word " * 100)
    encoded = renderer.encode(messages, 32)
    assert len(encoded.ids) == 32
    assert renderer.lengths([messages])[0] > 100
    assert encoded.ids == renderer.encode(messages).ids[:32]
    assert [s.cut for s in renderer.segments(messages, 32)] == [False, False, True]


def test_a_question_longer_than_the_limit_leaves_something_to_learn(renderer: ChatRenderer) -> None:
    messages = chat("word " * 200, "The answer is here.")
    encoded = renderer.encode(messages, 32)
    assert len(encoded.ids) == 32
    said = [i for i in encoded.labels if i != -100]
    assert 1 <= len(said) <= 8
    segments = renderer.segments(messages, 32)
    assert joined(segments) == encoded.text
    assert segments[0].cut
    assert any(s.learned and not s.cut for s in segments)


def test_without_an_answer_nothing_is_learned(renderer: ChatRenderer) -> None:
    assert set(renderer.encode(chat("Hi")).labels) == {-100}
    assert renderer.segments([]) == []
    assert renderer.encode([], 8).ids == []


def test_many_at_once_equal_one_by_one(renderer: ChatRenderer) -> None:
    batch = [chat(f"Question {i}", "Answer " * (i % 9)) for i in range(40)]
    together = renderer.encode_many(batch, 24)
    assert together == [renderer.encode(messages, 24) for messages in batch]
    assert renderer.lengths(batch) == [len(e.ids) for e in renderer.encode_many(batch)]


@pytest.mark.parametrize("template", [CHATML_NO_MARKS, LLAMA3, QWEN3])
def test_templates_without_marks(tmp_path: Path, template: str) -> None:
    renderer = ChatRenderer.from_folder(folder(tmp_path, template))
    end = "<|eot_id|>" if "eot_id" in template else "<|im_end|>"
    said = learned(renderer, chat("One?", "First, a user said.", "Two?", "Second."))
    assert said[0] == "First, a user said." + end
    assert said[-1].endswith("Second." + end)
    assert len(said) == 2
    assert learned(renderer, chat("One?", "a", "Two?", "a", "Three?")) == ["a" + end, "a" + end]


def test_the_prompt_is_what_comes_before_the_answer(tmp_path: Path, renderer: ChatRenderer) -> None:
    for one in (renderer, ChatRenderer.from_folder(folder(tmp_path, LLAMA3))):
        messages = chat("One?", "First.", "Two?", "Second.")
        prompt = one.prompt(messages[:-1])
        text = one.encode(messages).text
        assert text.startswith(prompt)
        assert text[len(prompt) :].startswith("Second.")


def test_what_a_strict_template_refuses_is_put_in_its_form(tmp_path: Path) -> None:
    renderer = ChatRenderer.from_folder(folder(tmp_path, STRICT))
    messages = chat("One?", "First.", system="Be kind.")
    assert "user: Be kind.\n\nOne?" in renderer.encode(messages).text
    assert learned(renderer, messages) == [" First.</s>"]
    twice = [
        Message(role="user", content="a"),
        Message(role="user", content="b"),
        Message(role="assistant", content="c"),
    ]
    assert "a\n\nb" in renderer.encode(twice).text
    assert learned(renderer, [Message(role="assistant", content="first"), *twice]) == [" c</s>"]


def test_templates_that_want_parts(tmp_path: Path) -> None:
    renderer = ChatRenderer.from_folder(folder(tmp_path, PARTS))
    assert learned(renderer, chat("One?", "First.")) == [" First.<end>"]


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ broken",
        "{{ raise_exception('no') }}",
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__ }}{{ cycler.__init__.__globals__.os.popen('touch x') }}",
        "{{ 1 / 0 }}",
    ],
)
def test_broken_and_evil_templates_end_in_words(tmp_path: Path, template: str) -> None:
    renderer = ChatRenderer.from_folder(folder(tmp_path, template))
    with pytest.raises(ModelError) as caught:
        renderer.encode(chat("a", "b"))
    assert caught.value.what_to_do


def test_a_base_without_template_gets_plain_chatml_and_says_so(tmp_path: Path) -> None:
    path = folder(tmp_path, None)
    renderer = ChatRenderer.from_folder(path)
    assert "ChatML" in renderer.note
    assert renderer.encode(chat("a", "b")).text == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
    assert learned(renderer, chat("a", "b", "c", "d")) == ["b<|im_end|>", "d<|im_end|>"]


def test_template_in_the_tokenizer_settings(tmp_path: Path) -> None:
    path = folder(tmp_path, None)
    settings = json.loads((path / "tokenizer_config.json").read_text())
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHATML_NO_MARKS}]
    for value in (CHATML_NO_MARKS, named):
        (path / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": value}))
        renderer = ChatRenderer.from_folder(path)
        assert not renderer.note
        assert learned(renderer, chat("a", "b")) == ["b<|im_end|>"]


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        ChatRenderer.from_folder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read"):
        TextRenderer.from_folder(tmp_path)
    path = folder(tmp_path, None)
    (path / "tokenizer_config.json").write_text("{")
    with pytest.raises(ModelError, match="broken"):
        ChatRenderer.from_folder(path)


@pytest.fixture(scope="module")
def bert_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that adds special tokens around a text and trims spaces from offsets."""
    path = tmp_path_factory.mktemp("bert")
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["[CLS]", "[SEP]"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )  # fmt: skip
    tokenizer.train_from_iterator(["the lamp is here and the lamp is there"] * 9, trainer)
    ids = {name: tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")}
    template = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=list(ids.items()))
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def test_texts_keep_their_special_tokens_when_cut(bert_like: Path) -> None:
    renderer = TextRenderer.from_folder(bert_like)
    whole, cut = renderer.encode("the lamp is here and there"), renderer.encode("the lamp is here and there", 6)
    assert len(cut) == 6 < len(whole)
    assert (cut[0], cut[-1]) == (whole[0], whole[-1])
    assert cut[1:-1] == whole[1:5]
    assert renderer.lengths(["the lamp is here and there", ""]) == [len(whole), 2]
    assert renderer.encode_many(["a", "the lamp"], 6) == [renderer.encode("a", 6), renderer.encode("the lamp", 6)]


def test_segments_of_texts_join(bert_like: Path) -> None:
    renderer = TextRenderer.from_folder(bert_like)
    text = "  the lamp 👍 is here"
    segments = renderer.segments(text, 6)
    assert joined(segments) == text
    assert [s.cut for s in segments] == [False, True]
    assert joined(renderer.segments(text)) == text


def test_trimmed_spaces_belong_to_the_word_after_them(bert_like: Path) -> None:
    (bert_like / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.role }}:{% if m.role == 'assistant' %}{% generation %} {{ m.content }}{% endgeneration %}"
        "{% else %} {{ m.content }}{% endif %}|{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
    )
    renderer = ChatRenderer.from_folder(bert_like)
    messages = chat("the lamp", "is here", "the lamp", "is there")
    assert learned(renderer, messages) == [" is here", " is there"]
    assert joined(renderer.segments(messages, 9)) == renderer.encode(messages).text


def test_the_empty_text() -> None:
    renderer = TextRenderer.from_folder(BASE)
    assert renderer.segments("") == []
    assert renderer.encode("") == []
