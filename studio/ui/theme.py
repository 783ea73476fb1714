"""The look: paper, ink, one thread of colour. Only the system's own fonts; nothing is fetched from another host."""

from __future__ import annotations

import gradio as gr

from studio.core.assets import assets_dir
from studio.ui.views import terms

Pair = tuple[str, str]
"""A colour in light and in dark. The colours of meaning (base, good, caution, stop) are those of the style sheets."""

TUNED = "#D55E00"
PAPER: Pair = ("#FBFAF7", "#14161A")
INK: Pair = ("#1B1F27", "#E9E7E1")
SOFT: Pair = ("#5F5C55", "#A9A69E")
CARD: Pair = ("#FFFFFF", "#1B1E24")
LINE: Pair = ("#E4E0D7", "#2E323A")
EDGE: Pair = ("#CFCABF", "#3B3F48")
CLEAR: Pair = ("transparent", "transparent")

SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Helvetica Neue", "Noto Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]


def theme() -> gr.themes.Base:
    """Gradio's plain theme in the studio's colours."""
    ink = gr.themes.Color(
        name="ink", c50="#F6F4EF", c100="#ECE9E2", c200="#DDD9CF", c300="#C4BFB3", c400="#9B978D",
        c500="#716E67", c600="#55534E", c700="#3B3C40", c800="#24272D", c900="#1B1F27", c950="#14161A",
    )  # fmt: skip
    thread = gr.themes.Color(
        name="thread", c50="#FFF4EC", c100="#FFE6D3", c200="#FFCBA6", c300="#FFA86B", c400="#F5822F",
        c500="#D55E00", c600="#B85000", c700="#964100", c800="#743200", c900="#552500", c950="#381800",
    )  # fmt: skip
    made = gr.themes.Base(
        primary_hue=thread, secondary_hue=ink, neutral_hue=ink, font=SANS, font_mono=MONO,
        radius_size=gr.themes.sizes.radius_md, text_size=gr.themes.sizes.text_md,
    )  # fmt: skip
    return made.set(
        **_both(
            body_background_fill=PAPER,
            body_text_color=INK,
            body_text_color_subdued=SOFT,
            background_fill_primary=CARD,
            background_fill_secondary=("#F5F3EE", "#191C21"),
            block_background_fill=CARD,
            block_border_color=LINE,
            border_color_primary=LINE,
            block_label_background_fill=CLEAR,
            block_label_text_color=("*body_text_color_subdued", "*body_text_color_subdued"),
            input_background_fill=("#FFFFFF", "#14161A"),
            input_border_color=EDGE,
            button_primary_background_fill=INK,
            button_primary_background_fill_hover=("#363B46", "#FFFFFF"),
            button_primary_text_color=("#FFFFFF", "#14161A"),
            button_primary_border_color=INK,
            button_secondary_background_fill=CLEAR,
            button_secondary_background_fill_hover=("#F0EDE6", "#262A31"),
            button_secondary_border_color=EDGE,
            button_secondary_text_color=INK,
            color_accent_soft=("#FFF4EC", "#3A2413"),
            slider_color=INK,
            link_text_color=("#0B5C8C", "#6DB8E3"),
        ),
        block_shadow="none",
        block_label_border_width="0px",
        block_title_text_weight="500",
        input_border_width="1px",
        button_border_width="1px",
        color_accent=TUNED,
    )


def _both(**pairs: Pair) -> dict[str, str]:
    """Gradio's variables: each name as it is for light, with ``_dark`` for dark."""
    light = {name: pair[0] for name, pair in pairs.items()}
    return light | {f"{name}_dark": pair[1] for name, pair in pairs.items()}


def css() -> str:
    sheets = [assets_dir() / "ui" / name for name in ("studio.css", "screens.css")]
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


def head() -> str:
    """What goes into the page's head: the glossary and the studio's small scripts, inline."""
    scripts = [(assets_dir() / "ui" / name).read_text(encoding="utf-8") for name in ("studio.js", "messages.js")]
    return "".join(f"<script>{script}</script>" for script in (terms.script(), *scripts))
