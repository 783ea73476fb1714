"""The look: paper, ink, one thread of colour. Only the system's own fonts; nothing is fetched from another host."""

from __future__ import annotations

import gradio as gr

from studio.core.assets import assets_dir

BASE = "#0072B2"
TUNED = "#D55E00"
GOOD = "#009E73"
CAUTION = "#E69F00"
STOP = "#CC3311"
PAPER, NIGHT = "#FBFAF7", "#14161A"
INK, MOON = "#1B1F27", "#E9E7E1"
DASH = {"training": "solid", "validation": "dash", "forgetting": "dot"}
"""Plotly's names of the line styles: what is drawn solid, dashed, dotted."""

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
        body_background_fill=PAPER,
        body_background_fill_dark=NIGHT,
        body_text_color=INK,
        body_text_color_dark=MOON,
        body_text_color_subdued="#5F5C55",
        body_text_color_subdued_dark="#A9A69E",
        background_fill_primary="#FFFFFF",
        background_fill_primary_dark="#1B1E24",
        background_fill_secondary="#F5F3EE",
        background_fill_secondary_dark="#191C21",
        block_background_fill="#FFFFFF",
        block_background_fill_dark="#1B1E24",
        block_border_color="#E4E0D7",
        block_border_color_dark="#2E323A",
        border_color_primary="#E4E0D7",
        border_color_primary_dark="#2E323A",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="500",
        block_label_text_color="*body_text_color_subdued",
        block_label_text_color_dark="*body_text_color_subdued",
        input_background_fill="#FFFFFF",
        input_background_fill_dark="#14161A",
        input_border_width="1px",
        input_border_color="#CFCABF",
        input_border_color_dark="#3B3F48",
        button_primary_background_fill=INK,
        button_primary_background_fill_hover="#363B46",
        button_primary_background_fill_dark=MOON,
        button_primary_background_fill_hover_dark="#FFFFFF",
        button_primary_text_color="#FFFFFF",
        button_primary_text_color_dark=NIGHT,
        button_primary_border_color=INK,
        button_primary_border_color_dark=MOON,
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="#F0EDE6",
        button_secondary_background_fill_hover_dark="#262A31",
        button_secondary_border_color="#CFCABF",
        button_secondary_border_color_dark="#3B3F48",
        button_secondary_text_color=INK,
        button_secondary_text_color_dark=MOON,
        button_border_width="1px",
        color_accent=TUNED,
        color_accent_soft="#FFF4EC",
        color_accent_soft_dark="#3A2413",
        slider_color=INK,
        slider_color_dark=MOON,
        link_text_color="#0B5C8C",
        link_text_color_dark="#6DB8E3",
    )


def css() -> str:
    sheets = [assets_dir() / "ui" / name for name in ("studio.css", "screens.css")]
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


def head() -> str:
    """What goes into the page's head: the studio's small script, inline."""
    return f"<script>{(assets_dir() / 'ui' / 'studio.js').read_text(encoding='utf-8')}</script>"
