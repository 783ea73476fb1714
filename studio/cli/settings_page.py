"""assets/help/settings.md: every setting of a run as a table, from the one declaration of each (contract 1).

python -m studio.cli.settings_page      (or ``make docs``) writes the page; a test tells when it is out of date
"""

from __future__ import annotations

from studio.cli.flags import PANELS, flag
from studio.core.assets import assets_dir
from studio.core.options import OptionInfo, bounds_in_words, describe
from studio.core.recipe import SECTIONS

PAGE = assets_dir() / "help" / "settings.md"
_HEAD = """# Settings

Every setting of a run. The form under Model, the flags of `studio train` and the check of a recipe come from the same declarations
(`studio/core/recipe.py`), and so does this page: `make docs` writes it. The words in italics are explained in the [glossary](glossary.md).
Where the default is empty, the studio computes the value from your data, the base and the machine, unless the sentence says otherwise;
the form and the recipe of a run show which value it is and why.
"""
_COLUMNS = ("setting", "what it does", "values", "default", "flag", "in a recipe")


def page() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD]
    for section, model in SECTIONS.items():
        shown = [info for info in describe(model) if info.tier != "internal"]
        for group in dict.fromkeys(info.group for info in shown):
            title = PANELS[section] if group in ("", PANELS[section]) else f"{PANELS[section]}: {group.lower()}"
            rows = [_row(section, info) for info in shown if info.group == group]
            parts.append("\n".join([f"## {title}", "", _line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *rows, ""]))
    return "\n".join(parts)


def _row(section: str, info: OptionInfo) -> str:
    name = f"{info.title} · *{info.term}*" if info.term else info.title
    path = f"{section}.{info.name}"
    return _line([name, info.help, _values(info), _default(info), f"`{flag(path)}`", f"`{path}`"])


def _values(info: OptionInfo) -> str:
    if info.choices:
        return ", ".join(f"`{choice}`" for choice in info.choices)
    if info.kind == "bool":
        return "`true`, `false`"
    if info.kind == "list":
        return "texts; the flag may be repeated"
    if info.kind == "str":
        return "text"
    unit = f" {info.unit}" if info.unit else ""
    return f"{bounds_in_words(_number(info.minimum), _number(info.maximum), info)}{unit}"


def _default(info: OptionInfo) -> str:
    return "empty" if info.default in (None, "", []) else f"`{info.default}`"


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
