"""One declaration per setting (contract 1).

A setting is a pydantic field made with :func:`option`. Everything else that shows or accepts the setting (the form in
the browser, the CLI flag, YAML validation, the tooltip, the table in the docs) is generated from :func:`describe`.

    class Method(Options):
        rank: int = option(16, title="Adapter rank", help="…", ge=1, le=512, tier="advanced", group="Adapter")
"""

from __future__ import annotations

import difflib
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio.core.errors import FieldProblem

Tier = Literal["simple", "advanced", "internal"]


def option(
    default: Any,
    *,
    title: str,
    help: str,
    unit: str = "",
    term: str = "",
    tier: Tier = "advanced",
    group: str = "",
    ge: float | None = None,
    le: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
    scale: Literal["linear", "log"] = "linear",
    labels: dict[str, str] | None = None,
    default_factory: Any = None,
) -> Any:
    """Declare a setting.

    Args:
        default: The value when nobody chose one. ``None`` means "computed from the data and the machine".
        title: Plain words for the label ("How big each step is").
        help: One or two plain sentences: what it does, when to change it.
        unit: What a number counts ("tokens", "rows"); empty for none.
        term: The field's own word for it, shown in small print ("learning rate").
        tier: ``simple`` is always shown, ``advanced`` on demand, ``internal`` never in a form.
        group: The heading it stands under among the advanced settings.
        scale: ``log`` for numbers that are chosen by magnitude.
        labels: Words for each allowed value of a Literal.
    """
    extra = {"tier": tier, "group": group, "unit": unit, "term": term, "scale": scale, "labels": labels or {}}
    kind: dict[str, Any] = {"default_factory": default_factory} if default_factory else {"default": default}
    bounds = {k: v for k, v in {"ge": ge, "le": le, "gt": gt, "lt": lt}.items() if v is not None}
    arguments: dict[str, Any] = {**kind, **bounds, "title": title, "description": help, "json_schema_extra": extra}
    return Field(**arguments)


class Options(BaseModel):
    """A group of settings. Unknown keys are refused; numbers must be finite."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False, protected_namespaces=())


@dataclass(frozen=True)
class OptionInfo:
    """What a form, a flag or a table needs to know of one setting."""

    name: str
    kind: Literal["int", "float", "bool", "str", "choice", "list"]
    default: Any
    optional: bool
    title: str
    help: str
    term: str
    unit: str
    tier: Tier
    group: str
    scale: str
    minimum: float | None
    maximum: float | None
    above: bool
    """Values must be more than ``minimum``; it is not one of them."""
    below: bool
    """Values must be less than ``maximum``."""
    choices: tuple[str, ...]
    labels: dict[str, str]


def describe(model: type[Options]) -> list[OptionInfo]:
    """The settings of a group in the order they were declared. Nested groups and plain fields are left out."""
    described = []
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or "tier" not in extra:
            continue
        annotation, optional = _strip_optional(field.annotation)
        kind, choices = _kind(annotation)
        bounds = {type(m).__name__.lower(): m for m in field.metadata}
        lower = bounds.get("ge") or bounds.get("gt")
        upper = bounds.get("le") or bounds.get("lt")
        described.append(
            OptionInfo(
                name=name,
                kind=kind,  # type: ignore[arg-type]
                default=field.get_default(call_default_factory=True),
                optional=optional,
                title=field.title or name,
                help=field.description or "",
                term=str(extra["term"]),
                unit=str(extra["unit"]),
                tier=extra["tier"],  # type: ignore[arg-type]
                group=str(extra["group"]),
                scale=str(extra["scale"]),
                minimum=getattr(lower, "ge", getattr(lower, "gt", None)),
                maximum=getattr(upper, "le", getattr(upper, "lt", None)),
                above=hasattr(lower, "gt"),
                below=hasattr(upper, "lt"),
                choices=choices,
                labels=dict(extra["labels"]),  # type: ignore[arg-type]
            )
        )
    return described


def bounds_in_words(low: str, high: str, info: OptionInfo) -> str:
    """``1 to 512``; ``more than 0, up to 1`` where a bound itself is refused."""
    if not (info.above or info.below):
        return f"{low} to {high}"
    return f"{'more than' if info.above else 'from'} {low}, {'less than' if info.below else 'up to'} {high}"


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[FieldProblem]:
    """A pydantic error in the person's words, one problem a field, unknown keys with the nearest known one."""
    return [_problem(item, model, prefix) for item in error.errors(include_url=False)]


def _problem(item: Any, model: type[BaseModel], prefix: str) -> FieldProblem:
    path = [str(part) for part in item["loc"]]
    field = ".".join([prefix, *path] if prefix else path)
    context, given = item.get("ctx", {}), item.get("input")
    shown = repr(given) if len(repr(given)) <= 60 else repr(given)[:57] + "…"
    match item["type"]:
        case "extra_forbidden":
            known = _fields_at(model, path[:-1])
            near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
            message = f"There is no setting of this name. {f'Use “{near[0]}”.' if near else 'Known: ' + ', '.join(known) + '.'}"
        case "missing":
            message = "This is needed and has no value."
        case "greater_than_equal":
            message = f"{shown} is too small. Use {context['ge']:g} or more."
        case "greater_than":
            message = f"{shown} is too small. Use more than {context['gt']:g}."
        case "less_than_equal":
            message = f"{shown} is too large. Use {context['le']:g} or less."
        case "less_than":
            message = f"{shown} is too large. Use less than {context['lt']:g}."
        case "literal_error":
            message = f"{shown} is not one of the choices. Use {context['expected']}."
        case "int_parsing" | "int_from_float" | "int_type":
            message = f"{shown} is not a whole number."
        case "float_parsing" | "float_type" | "finite_number":
            message = f"{shown} is not a number."
        case "bool_parsing" | "bool_type":
            message = f"{shown} is neither true nor false."
        case "value_error":
            message = str(context.get("error", item["msg"]))
        case _:
            message = f"{item['msg']}."
    return FieldProblem(field, message)


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """The field names of the (nested) model that ``path`` leads to."""
    for part in path:
        field = model.model_fields.get(part)
        if field is None:
            break
        annotation, _ = _strip_optional(field.annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)


def _strip_optional(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def _kind(annotation: Any) -> tuple[str, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return "choice", tuple(str(a) for a in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        return "list", ()
    return {int: "int", float: "float", bool: "bool"}.get(annotation, "str"), ()
