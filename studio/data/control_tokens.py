"""Markers such as ``<|im_start|>`` inside the texts. A tokenizer turns them into the very tokens that begin and end a
turn, so one in a question can end it early, or put words into another speaker's mouth.

Only markers that nobody writes by accident are looked for. ``<s>`` and ``</s>`` are control tokens of some bases too, but
in texts from the web they strike words through.
"""

from __future__ import annotations

import re

_MARKER = r"""(?:
    <[|｜][A-Za-z][\w▁-]{1,40}[|｜]>                    # <|im_end|>, <|eot_id|>, <|endoftext|>, <｜User｜>
  | <(?:start|end)_of_turn>                            # Gemma
  | \[/?INST\] | <</?SYS>>                             # Llama 2, Mistral
  | <(?:bos|eos|pad|unk)>
)"""
_ROLE = r"(?:system|developer|user|assistant|model|tool)"
_SPOKEN = rf"""
    <\|(?:im_start|start_header_id)\|>[ ]*{_ROLE}[ ]*(?:<\|(?:im_sep|end_header_id)\|>\n*|\n)   # a marker with the name of
  | <start_of_turn>[ ]*{_ROLE}[ ]*\n                                                           # who speaks is one sign
"""
_FIND = re.compile(_MARKER, re.VERBOSE)
_REMOVE = re.compile(rf"[ ]?(?:{_SPOKEN}|{_MARKER})", re.VERBOSE)


def find(text: str) -> list[str]:
    """The markers in a text, in their order."""
    return _FIND.findall(text) if "<" in text or "[" in text else []


def strip(text: str) -> str:
    """The text without markers and the speakers' names that belong to them; the very same object when there are none."""
    if not find(text):
        return text
    plain = _REMOVE.sub("", text)
    # One marker inside another leaves a new one behind; with a space in its place nothing can grow together.
    return _FIND.sub(" ", plain).strip()
