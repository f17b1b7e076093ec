"""Settings: frozen pydantic models that refuse what they do not know and say what was meant.

`Settings` is the base of every recipe section; `apply_overrides` is `--set a.b=v`; `read_yaml` names line and
column of what it cannot read; `validate` tells every fault at once. Settings live beside the code that they
configure, not here.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from trivium.base.errors import RecipeError
from trivium.base.yaml_text import Location, parse

SettingsType = TypeVar("SettingsType", bound=BaseModel)


class Settings(BaseModel):
    """A frozen set of settings. Unknown keys are errors; numbers are finite.

    Settings inside settings that are given in part change just that part of the field's default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_defaults(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        defaults = {name: info.default for name, info in cls.model_fields.items() if _is_section(info)}
        return {name: _over(defaults[name], value) if name in defaults else value for name, value in given.items()}


def _is_section(info: FieldInfo) -> bool:
    """Whether a field holds one kind of settings and has some as its default (of a union, none is filled in)."""
    kind = info.annotation
    return isinstance(kind, type) and isinstance(info.default, Settings) and isinstance(info.default, kind)


def _over(default: Any, value: Any) -> Any:
    """`value` with what it leaves out taken from `default`, at every depth."""
    if not (isinstance(default, Settings) and isinstance(value, Mapping)):
        return value
    own = {name: getattr(default, name) for name in type(default).model_fields}
    return {**own, **{name: _over(own.get(name), inner) for name, inner in value.items()}}


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises RecipeError with line and column where it is not one."""
    return read_yaml_lines(path)[0]


def read_yaml_lines(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """The mapping in a YAML file, and the line of every key in it. Raises RecipeError as `read_yaml` does."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such recipe; `trivium init` writes one") from None
    except IsADirectoryError:
        raise RecipeError(
            f"{path}: this is a folder; a recipe is a YAML file, for example {path / 'recipe.yaml'}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    try:
        content, lines = parse(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise RecipeError(f"{place}: not YAML ({getattr(error, 'problem', error)})") from None
    if content is None:
        return {}, {}
    if not isinstance(content, dict):
        raise RecipeError(
            f"{path}: a recipe is a mapping of stage names to settings, this is a {type(content).__name__}"
        )
    return content, lines


def apply_overrides(content: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """A copy of `content` with every `a.b=v` of `overrides` set; v is read as YAML; a number steps into a list."""
    result: dict[str, Any] = dict(content)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path.strip():
            raise RecipeError(f"--set {override}: write it as section.key=value, for example --set pretrain.steps=500")
        try:
            value, _ = parse(text)
        except yaml.YAMLError:
            raise RecipeError(f"--set {override}: the value is not YAML") from None
        result = _with_value(result, path.strip().split("."), value, override)
    return result


def _with_value(node: Any, parts: list[str], value: Any, override: str) -> Any:
    """`node` copied, with `value` at `parts`; sections on the way are made where there are none."""
    if not parts:
        return value
    first, *rest = parts
    if isinstance(node, list):
        if not (first.isdigit() and int(first) < len(node)):
            raise RecipeError(f"--set {override}: '{first}' is no item of this list; give 0 to {len(node) - 1}")
        return [_with_value(item, rest, value, override) if n == int(first) else item for n, item in enumerate(node)]
    if node is not None and not isinstance(node, dict):
        raise RecipeError(f"--set {override}: '{first}' is inside a plain value ({node!r}), not a section")
    return {**(node or {}), first: _with_value((node or {}).get(first), rest, value, override)}


def validate(
    model: type[SettingsType], content: Mapping[str, Any], where: str, lines: Mapping[Location, int] | None = None
) -> SettingsType:
    """`content` as `model`. Raises RecipeError with one line per fault: place, path, what is wrong, what was meant.

    `lines` holds the line of each key, as `read_yaml_lines` gives it; a fault's nearest known key names its place.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = [_as_fault(model, content, fault) for fault in error.errors(include_url=False) if not _is_echo(fault)]
        told = [f"{_place(where, location, lines or {})}: {text}" for location, text in _merge_unions(faults)]
        raise RecipeError("\n".join(told)) from None


def _is_echo(fault: Any) -> bool:
    """Whether a list is called too short only because an item of it, told on its own, is at fault."""
    return bool(fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"])


class _Fault(typing.NamedTuple):
    location: Location  # in the user's file
    branch: tuple[Location, str] | None  # which alternative of a union at which location this fault belongs to
    text: str
    given: str


def _as_fault(model: type[BaseModel], content: Any, fault: Any) -> _Fault:
    raw: Location = tuple(fault["loc"])
    location, branch = _user_location(content, raw, fault["type"])
    given = fault.get("input")
    shown = "" if isinstance(given, dict | BaseModel) or fault["type"] == "missing" else f" (given: {given!r:.80})"
    if fault["type"] == "extra_forbidden":
        known = known_keys(model, raw[:-1])
        near = difflib.get_close_matches(str(raw[-1]), known, n=1, cutoff=0.5)
        meant = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known) or 'nothing'}"
        return _Fault(location, branch, f"unknown key; {meant}", "")
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if fault["type"] == "model_type":
        message = "should be a section (a mapping of keys to values)"
    return _Fault(location, branch, message, shown)


def _user_location(content: Any, raw: Location, kind: str) -> tuple[Location, tuple[Location, str] | None]:
    """`raw` without the names of union branches that pydantic puts into it, and the first of those."""
    location: list[str | int] = []
    branch: tuple[Location, str] | None = None
    node = content
    for depth, part in enumerate(raw):
        last = depth == len(raw) - 1
        if isinstance(node, Mapping) and (part in node or (last and kind in ("missing", "extra_forbidden"))):
            node = node.get(part)
        elif isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            branch = branch or (tuple(location), str(part))
            continue
        location.append(part)
    return tuple(location), branch


def _merge_unions(faults: list[_Fault]) -> list[tuple[Location, str]]:
    """One line a fault; of a union's alternatives, only the nearest fit, and plain ones joined by 'or'."""
    alternatives: dict[Location, dict[str, list[_Fault]]] = {}
    for fault in faults:
        if fault.branch:
            alternatives.setdefault(fault.branch[0], {}).setdefault(fault.branch[1], []).append(fault)
    told: list[tuple[Location, str]] = []
    done: set[Location] = set()
    for fault in faults:
        if not fault.branch:
            told.append((fault.location, _tell(fault.location, fault.text, fault.given)))
        elif (at := fault.branch[0]) not in done:
            done.add(at)
            branches = list(alternatives[at].values())
            if all(one.location == at for branch in branches for one in branch):
                texts = [one.text for branch in branches for one in branch]
                joined = " or ".join([texts[0], *(text.removeprefix("should be ") for text in texts[1:])])
                told.append((at, _tell(at, joined, fault.given)))
            else:
                inside = [branch for branch in branches if any(one.location != at for one in branch)]
                nearest = min(inside, key=len)
                told.extend((one.location, _tell(one.location, one.text, one.given)) for one in nearest)
    return told


def _tell(location: Location, text: str, given: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    return f"'{path}': {text}{given}" if path else f"{text}{given}"


def _place(where: str, location: Location, lines: Mapping[Location, int]) -> str:
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return f"{where}:{lines[location[:length]]}"
    return where


def known_keys(model: Any, location: Location) -> list[str]:
    """The keys that the settings at `location` inside `model` take; a union's branches merged unless one is named."""
    models = _models_in(model)
    for part in location:
        if isinstance(part, int):
            continue  # an item of a list is what the list's annotation says
        fields = [candidate.model_fields[part] for candidate in models if part in candidate.model_fields]
        if fields:
            models = [inner for info in fields for inner in _models_in(info.annotation)]
        else:
            models = [candidate for candidate in models if _is_branch(candidate, part)] or models
    return sorted({name for candidate in models for name in candidate.model_fields})


def _is_branch(model: type[BaseModel], tag: str) -> bool:
    """Whether pydantic calls `model` by `tag`: its name, or the value that tells a union's branches apart."""
    tags = (value for info in model.model_fields.values() for value in typing.get_args(info.annotation))
    return tag == model.__name__ or tag in (value for value in tags if isinstance(value, str))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]
