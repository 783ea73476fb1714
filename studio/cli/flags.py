"""Command-line flags generated from the one declaration of each setting (contract 1)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from studio.core.answers import AnswerOptions
from studio.core.errors import FieldProblem
from studio.core.options import OptionInfo, Options, describe
from studio.core.recipe import SECTIONS

_TYPES: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "choice": str, "list": list[str]}
PANELS = {"method": "Method", "training": "Training", "data": "Data", "data.split": "Split", "answers": "Answers"}
"""The heading under which a section's settings stand in the help."""
ANSWERS: dict[str, type[Options]] = {"answers": AnswerOptions}


def with_setting_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add one flag per setting of a recipe to ``command``; see :func:`_with_flags`."""
    return _with_flags(command, SECTIONS)


def with_answer_flags(command: Callable[..., None]) -> Callable[..., None]:
    """The same for how answers are drawn, as the section ``answers``."""
    return _with_flags(command, ANSWERS)


def _with_flags(command: Callable[..., None], sections: Mapping[str, type[Options]]) -> Callable[..., None]:
    """Add one flag per setting to ``command``, whose last parameter ``settings`` receives those that were given as
    ``{"training": {"learning_rate": 1e-4}, …}``."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
    flags = [(section, info) for section, model in sections.items() for info in _shown(model)]
    names = {_parameter(section, info): (section, info.name) for section, info in flags}

    def wrapped(**given: Any) -> None:
        settings: dict[str, dict[str, Any]] = {}
        for parameter, (section, name) in names.items():
            value = given.pop(parameter)
            if value not in (None, []):  # a repeatable flag that was not given may come as an empty list
                settings.setdefault(section, {})[name] = value
        command(**given, settings=settings)

    extra = [
        inspect.Parameter(
            parameter, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(section, info)
        )
        for parameter, (section, info) in zip(names, flags, strict=True)
    ]
    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    wrapped.__signature__ = inspect.Signature(keyword_only + extra)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in keyword_only + extra}
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    return wrapped


def flag(field: str) -> str:
    """The flag of a dotted field: ``training.learning_rate`` → ``--learning-rate``."""
    section, _, name = field.rpartition(".")
    for known, model in {**SECTIONS, **ANSWERS}.items():
        if known == section:
            for info in describe(model):
                if info.name == name:
                    return _flag(section, info)
    return field


def told(problems: list[FieldProblem]) -> list[FieldProblem]:
    """The same problems, each at its flag."""
    return [FieldProblem(flag(p.field), p.message) for p in problems]


def _shown(model: type[Options]) -> list[OptionInfo]:
    return [info for info in describe(model) if info.tier != "internal"]


def _parameter(section: str, info: OptionInfo) -> str:
    return f"{section.replace('.', '_')}__{info.name}"


def _flag(section: str, info: OptionInfo) -> str:
    """Names that mean something else in another section carry theirs in front (``--split-seed``, ``--adapter-dropout``);
    a list is one item a flag (``--sample-prompt``)."""
    name = info.name.replace("_", "-")
    if info.kind == "list":
        name = name.removesuffix("s")
    if section == "data.split":
        return f"--split-{name}"
    if section == "method":
        return (
            "--method"
            if name == "kind"
            else f"--adapter-{name}"
            if name in {"dropout", "rank", "alpha"}
            else f"--{name}"
        )
    return f"--{name}"


def _annotation(section: str, info: OptionInfo) -> Any:
    help_text = f"{info.title}. {info.help}"
    if info.choices:
        help_text += f" One of: {', '.join(info.choices)}."
    if info.kind == "str" and info.optional:
        help_text += ' "" for none.'
    if info.kind == "list":
        help_text += " May be repeated."
    elif info.default is not None and info.default != "":
        help_text += f" Default: {info.default}."
    return Annotated[
        _TYPES[info.kind] | None,
        typer.Option(_flag(section, info), help=help_text, rich_help_panel=PANELS[section], show_default=False),
    ]
