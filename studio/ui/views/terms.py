"""Technical words on the screens, each with its sentence from the glossary at hand. No UI toolkit here.

A word that is marked here, and every word in italics under a field or small print beside a heading, is found by the page's script
(assets/ui/studio.js), which shows the sentence when the word is pointed at, tapped or reached with the keyboard.
"""

from __future__ import annotations

import json
import re

from studio.core.glossary import explain, glossary, key
from studio.ui.views.html import Safe, join, tag

_NAMED = re.compile(r"(?s)(.*)\(([^()]*)\)")


def term(word: str) -> Safe:
    """The word with its explanation at hand; the plain word when the glossary has none."""
    return tag("span", word, class_="ts-term", tabindex="0", role="term") if explain(word) else join(word)


def explained(title: str) -> Safe:
    """A title with the field's own words in brackets at its end: ``Rows sorted right (accuracy)``."""
    named = _NAMED.fullmatch(title)
    if not named:
        return join(title)
    words = [term(word) for word in named[2].split(", ")]
    return join(named[1], "(", *[part for word in words for part in (", ", word)][1:], ")")


def words_line(*words: str) -> Safe:
    """The words of a picture in which none can be marked."""
    return tag("p", *[part for word in words for part in (" · ", term(word))][1:], class_="ts-words")


def script() -> str:
    """The glossary for the page's script."""
    words = {key(name): sentence for name, sentence in glossary().items()}
    return f"window.tailorGlossary={json.dumps(words, ensure_ascii=False).replace('<', chr(92) + 'u003c')};"
