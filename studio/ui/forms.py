"""Inputs generated from the one declaration of each setting (contract 1): no widget is named by hand.

A :class:`SettingsForm` is made from groups of settings (``studio.core.recipe.SECTIONS``), draws the simple ones and,
apart, the advanced ones under their headings, shows computed values with their reasons, collects what the person typed,
and shows every problem at its field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.core.errors import FieldProblem
from studio.core.options import OptionInfo, Options, describe
from studio.ui.views.fields import field_note, is_computed, placeholder, widget_kind

GROUPS = ("Method", "Steps", "Adapter", "Regularisation", "Memory", "Evaluation")
"""The order of headings; a new one comes after these by itself."""
AUTO = ""
"""What a dropdown holds while its value is computed."""
SLIDER_STEP = 0.01


@dataclass(frozen=True)
class FormField:
    """One setting of one section."""

    section: str
    info: OptionInfo

    @property
    def path(self) -> str:
        return f"{self.section}.{self.info.name}"


class SettingsForm:
    """The inputs of several groups of settings.

    Args:
        sections: Dotted place in the recipe → the group's model.
        skip: Dotted fields that are shown in another way (the preset is three buttons).
    """

    def __init__(self, sections: Mapping[str, type[Options]], skip: Sequence[str] = ()) -> None:
        self.fields = [
            field
            for section, model in sections.items()
            for field in (FormField(section, info) for info in describe(model))
            if info_is_shown(field.info) and field.path not in skip
        ]
        self._components: dict[str, Any] = {}

    # -- drawing ------------------------------------------------------------------------------------------------------

    def simple(self) -> None:
        """Draw the simple settings into the current layout."""
        with gr.Row(elem_classes=["ts-fields"]):
            for field in self.fields:
                if field.info.tier == "simple":
                    self._draw(field)

    def advanced(self) -> None:
        """Draw the other settings, each group under its heading."""
        known = {field.info.group for field in self.fields if field.info.tier == "advanced"}
        for group in [*(g for g in GROUPS if g in known), *sorted(known - set(GROUPS))]:
            gr.Markdown(f"### {group or 'Other'}", elem_classes=["ts-field-group"])
            with gr.Row(elem_classes=["ts-fields"]):
                for field in self.fields:
                    if field.info.tier == "advanced" and field.info.group == group:
                        self._draw(field)

    def _draw(self, field: FormField) -> None:
        self._components[field.path] = make_input(field)

    @property
    def components(self) -> list[Any]:
        """In the order of :attr:`fields`; complete once everything is drawn."""
        return [self._components[field.path] for field in self.fields if field.path in self._components]

    @property
    def paths(self) -> list[str]:
        """The dotted place of each of :attr:`components`."""
        return [field.path for field in self._drawn]

    @property
    def _drawn(self) -> list[FormField]:
        return [field for field in self.fields if field.path in self._components]

    def on_change(self, handler: Callable[..., Any], inputs: list[Any], outputs: list[Any], **keywords: Any) -> None:
        """Call ``handler(path, *inputs, *values)`` when the person has finished with the field at ``path``."""
        for field, component in zip(self._drawn, self.components, strict=True):
            for event in _finished(component):
                event(_for_field(handler, field.path), [*inputs, *self.components], outputs, **keywords)

    # -- values -------------------------------------------------------------------------------------------------------

    def collect(self, values: Sequence[Any]) -> dict[str, dict[str, Any]]:
        """Section → field → value, as the recipe wants it; an empty input is ``None``: computed."""
        collected: dict[str, dict[str, Any]] = {}
        for field, value in zip(self._drawn, values, strict=True):
            collected.setdefault(field.section, {})[field.info.name] = from_input(field.info, value)
        return collected

    def filled(
        self, recipe: Any, resolved: Any | None, problems: Sequence[FieldProblem] = (), cautions: Sequence[FieldProblem] = ()
    ) -> list[Any]:  # fmt: skip
        """One update per component, value included: for a run that has just been opened."""
        return [
            gr.update(value=to_input(field.info, value_at(recipe, field.path)), **self._shown(field, recipe, resolved, problems, cautions))
            for field in self._drawn
        ]  # fmt: skip

    def marked(
        self, recipe: Any, resolved: Any | None, problems: Sequence[FieldProblem] = (), cautions: Sequence[FieldProblem] = ()
    ) -> list[Any]:  # fmt: skip
        """One update per component that leaves what was typed alone: placeholders, reasons and problems only."""
        return [gr.update(**self._shown(field, recipe, resolved, problems, cautions)) for field in self._drawn]

    def elsewhere(self, problems: Sequence[FieldProblem]) -> list[FieldProblem]:
        """The problems that belong to no input of this form."""
        paths = {field.path for field in self._drawn}
        return [problem for problem in problems if problem.field not in paths]

    def _shown(
        self, field: FormField, recipe: Any, resolved: Any | None, problems: Sequence[FieldProblem],
        cautions: Sequence[FieldProblem],
    ) -> dict[str, Any]:  # fmt: skip
        chosen = value_at(recipe, field.path)
        computed = value_at(resolved, field.path) if resolved is not None else None
        reason = resolved.reasons.get(field.path, "") if resolved is not None else ""
        problem = " ".join(p.message for p in problems if p.field == field.path)
        caution = "" if problem else " ".join(c.message for c in cautions if c.field == field.path)
        look = ["ts-field-wrong"] if problem else ["ts-field-caution"] if caution else []
        shown: dict[str, Any] = {
            "info": field_note(
                field.info, reason if is_computed(field.info, chosen) and computed is not None else "", problem, caution
            ),
            "elem_classes": ["ts-field", *look],
        }
        if widget_kind(field.info) in {"number", "text"}:
            shown["placeholder"] = placeholder(field.info, computed)
        elif widget_kind(field.info) == "choice" and field.info.optional:
            shown["choices"] = choices(field.info, computed)
        return shown


def info_is_shown(info: OptionInfo) -> bool:
    return info.tier != "internal"


def make_input(field: FormField) -> Any:
    """The Gradio component for one setting."""
    info = field.info
    common: dict[str, Any] = {
        "label": info.title,
        "info": field_note(info),
        "elem_id": f"ts-{field.path.replace('.', '-').replace('_', '-')}",
        "elem_classes": ["ts-field"],
        "min_width": 240,
        "interactive": True,
    }
    match widget_kind(info):
        case "flag":
            return gr.Checkbox(value=bool(info.default), **common)
        case "choice":
            return gr.Dropdown(choices=choices(info, None), value=to_input(info, info.default), **common)
        case "slider":
            low, high = info.minimum or 0.0, info.maximum or 1.0  # both are given, or it would be typed
            low += SLIDER_STEP * info.above
            high -= SLIDER_STEP * info.below
            return gr.Slider(low, high, value=info.default, step=SLIDER_STEP, buttons=[], **common)
        case "lines":
            return gr.Textbox(value="", lines=3, placeholder="One a line", **common)
    # Numbers too: gr.Number turns an empty value into 0 when it is mounted, and empty means "computed" here.
    return gr.Textbox(value=to_input(info, info.default), placeholder=placeholder(info, None), max_lines=1, **common)


def choices(info: OptionInfo, computed: Any) -> list[tuple[str, str]]:
    """(words, value) of a dropdown; a computed setting has "Automatic" on top, with what it comes to."""
    listed = [(info.labels.get(choice, choice), choice) for choice in info.choices]
    if not info.optional:
        return listed
    words = f"Auto: {info.labels.get(computed, computed)}" if computed is not None else "Automatic"
    return [(words, AUTO), *listed]


def to_input(info: OptionInfo, value: Any) -> Any:
    """A recipe's value as the component holds it."""
    if info.kind == "list":
        return "\n".join(value or [])
    if value is None:
        return AUTO
    if widget_kind(info) == "number":
        return str(value)
    return value


def from_input(info: OptionInfo, value: Any) -> Any:
    """What the component holds as the recipe wants it; checks are the recipe's business."""
    if info.kind == "list":
        return [line.strip() for line in (value or "").splitlines() if line.strip()]
    if isinstance(value, str):
        value = value.strip()
    if value in (None, ""):
        return None if info.optional else info.default
    return _number(value, whole=info.kind == "int") if widget_kind(info) == "number" else value


def _number(typed: Any, *, whole: bool) -> Any:
    """``"3"``, ``"1e-4"`` or ``"0,001"`` as a number; anything else as it was typed, for the recipe to refuse."""
    plain = typed.replace(",", ".") if isinstance(typed, str) and typed.count(",") == 1 and "." not in typed else typed
    try:
        number = float(plain)
    except (TypeError, ValueError):
        return typed
    return int(number) if whole and number.is_integer() else number


def value_at(recipe: Any, path: str) -> Any:
    for part in path.split("."):
        recipe = getattr(recipe, part)
    return recipe


def _for_field(handler: Callable[..., Any], path: str) -> Callable[..., Any]:
    def finished(*values: Any) -> Any:
        return handler(path, *values)

    return finished


def _finished(component: Any) -> list[Any]:
    """The events that say "the person is done with this field"."""
    if isinstance(component, gr.Slider):
        return [component.release]
    if isinstance(component, (gr.Dropdown, gr.Checkbox)):
        return [component.input]
    return [component.blur, component.submit]
