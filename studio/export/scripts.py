"""The small text files of an export: ``try_it.py`` (ten lines that ask the model) and ``environment.txt``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from studio import __version__

PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "datasets")
LOCAL_BASE = "base"
"""The folder, beside an adapter, where its base lies when it is not on the Hub."""

_CHAT = '''\
"""Ask the tuned model:  python try_it.py "Your question"   (needs: pip install torch transformers{needs})"""

import sys
from pathlib import Path

{imports}

here = Path(__file__).resolve().parent{folder}
tokenizer = AutoTokenizer.from_pretrained(here)
model = {model}
question = " ".join(sys.argv[1:]) or "What can you help me with?"
messages = {messages}
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
output = model.generate(**inputs, max_new_tokens=200, do_sample=False)
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
'''
_CLASSIFY = '''\
"""Sort a text:  python try_it.py "Your text"   (needs: pip install torch transformers{needs})"""

import sys
from pathlib import Path

{imports}

here = Path(__file__).resolve().parent{folder}
tokenizer = AutoTokenizer.from_pretrained(here)
model = {model}
text = " ".join(sys.argv[1:]) or "Where is my order?"
inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
probabilities = model(**inputs).logits.softmax(-1)[0].tolist()
for number, probability in sorted(enumerate(probabilities), key=lambda pair: -pair[1]):
    print(f"{{probability:6.1%}}  {{model.config.id2label[number]}}")
'''


def try_it(
    *, adapter: bool, labels: list[str] | None, base: str | None, dtype: str, system: str | None, folder: str = ""
) -> str:
    """A script that loads what lies beside it and asks one question.

    Args:
        labels: The labels of a classifier, or None for a chat model.
        base: The base's Hub id; None when it lies in ``base/`` beside the adapter. Only read for adapters.
        dtype: Number format to load in ("float32").
        system: The system prompt, or None.
        folder: Where the model lies, relative to the script.
    """
    auto = "AutoModelForSequenceClassification" if labels is not None else "AutoModelForCausalLM"
    imports = f"from transformers import {auto}, AutoTokenizer"
    model = f'{auto}.from_pretrained(here, dtype="{dtype}")'
    if adapter:
        imports = f"from peft import PeftModel\n{imports}"
        place = repr(base) if base else f'here / "{LOCAL_BASE}"'
        heads = ""
        if labels is not None:
            heads = f", id2label=dict(enumerate({labels!r}))"
        model = f'PeftModel.from_pretrained({auto}.from_pretrained({place}, dtype="{dtype}"{heads}), here)'
        if labels is not None:
            model += "\nmodel.config.pad_token_id = tokenizer.pad_token_id"
    messages = '[{"role": "user", "content": question}]'
    if system:
        messages = f'[{{"role": "system", "content": {system!r}}}, {{"role": "user", "content": question}}]'
    template = _CLASSIFY if labels is not None else _CHAT
    return template.format(
        needs=" peft" if adapter else "", imports=imports, model=model, messages=messages,
        folder=f' / "{folder}"' if folder else "",
    )  # fmt: skip


def environment() -> dict[str, str]:
    """Name → version of what decides how a model computes."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "tailor-studio": __version__}


def environment_txt() -> str:
    """One ``name==version`` a line; python's own as a comment, so that pip can read the file."""
    lines = []
    for name, number in environment().items():
        plain = number.partition("+")[0]  # a build tag such as +cpu is not on every index
        lines.append(
            f"# python {number}"
            if name == "python"
            else f"# studio {number}"
            if name == "tailor-studio"
            else f"{name}=={plain}"
        )
    return "\n".join(lines) + "\n"
