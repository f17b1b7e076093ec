"""A recipe: YAML that holds what differs from the defaults, read into frozen settings.

A section that is present, even an empty one, means that the stage runs. Paths in a recipe are relative to its folder
and absolute once read. What a recipe's data holds is not looked at here: `check` does that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml
from pydantic import BaseModel, Field, create_model

from trivium.base.config import Settings, apply_overrides, read_yaml_lines, validate
from trivium.base.errors import DataError, RecipeError
from trivium.base.ranks import Compile, Parallel
from trivium.base.yaml_text import Location
from trivium.data.find import files_at
from trivium.journey.graph import NAMED, STAGES, StageTable, settings_of, unknown_method, with_named

Value = TypeVar("Value")


class Recipe(Settings):
    """What every recipe has, whichever stages run. The sections are fields of the class that `recipe_class` makes."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", description="the run's folder is runs/NAME")
    seed: int = Field(0, ge=0, description="every random choice of the run follows from it")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where the models train")
    threads: int = Field(0, ge=0, description="CPU threads; 0 for all cores")
    rounds: int = Field(
        1,
        ge=1,
        le=1000,
        description="how often the newest model's answers are rated and alignment learns from all ratings",
    )
    parallel: Parallel = Field(
        "auto", description="a model on several processes: replicate it, shard it, or shard what does not fit (auto)"
    )
    compile: Compile = Field(
        "auto", description="a model's blocks, by torch.compile: on, off, or on a GPU where it pays (auto)"
    )

    @property
    def sections(self) -> dict[str, Settings]:
        """The settings of the stages that run, by name."""
        values = {name: getattr(self, name) for name in type(self).model_fields if name not in Recipe.model_fields}
        return {name: value for name, value in values.items() if value is not None}


def recipe_class(typed: Sequence[str], stages: StageTable = STAGES) -> type[Recipe]:
    """Recipe with a section for every stage; only those in `typed` have their settings, and their modules imported."""
    sections: dict[str, Any] = {
        name: (Union[(*settings_of(name, stages), None)] if name in typed else None, None) for name in stages
    }
    return create_model("Recipe", __base__=Recipe, __doc__="A Trivium recipe.", **sections)


def read_recipe(path: Path, overrides: Sequence[str] = (), stages: StageTable = STAGES) -> Recipe:
    """The recipe in the YAML file `path`, with `--set` overrides. Raises RecipeError that tells every fault at once."""
    content, lines, stages = _content_of(path, overrides, stages)
    return _as_recipe(path, content, lines, stages)


def valid_sections(path: Path, overrides: Sequence[str] = (), stages: StageTable = STAGES) -> tuple[Recipe, list[str]]:
    """Of a recipe with faults: what of it is valid, and the names of all its sections. Raises RecipeError."""
    content, lines, stages = _content_of(path, overrides, stages)
    present = [name for name in with_named(content, stages) if name in content]
    valid: dict[str, Any] = {}
    for name, value in content.items():
        with contextlib.suppress(RecipeError):
            _as_recipe(path, {name: value}, lines, stages)
            valid[name] = value
    return _as_recipe(path, valid, lines, stages), present


def _content_of(
    path: Path, overrides: Sequence[str], stages: StageTable
) -> tuple[dict[str, Any], dict[Location, int], StageTable]:
    content, lines = read_yaml_lines(path)
    content = apply_overrides({"name": name_from(path), **content}, list(overrides))
    content.update({name: {} for name in with_named(content, stages) if name in content and content[name] is None})
    return content, lines, stages


def _as_recipe(path: Path, content: dict[str, Any], lines: dict[Location, int], stages: StageTable) -> Recipe:
    wrong = {name: fault for name in content if (fault := unknown_method(name, content[name], stages))}
    faults = [f"{_place(path, name, lines)}: '{name}.method': {fault}" for name, fault in wrong.items()]
    content = {name: value for name, value in content.items() if name not in wrong}
    table = with_named(content, stages)
    try:
        recipe = validate(recipe_class([name for name in table if name in content], table), content, str(path), lines)
    except RecipeError as error:
        raise RecipeError("\n".join([str(error), *faults])) from None
    if faults:
        raise RecipeError("\n".join(faults))
    folder = path.resolve().parent
    resolved: Recipe = map_values(recipe, Path, lambda value: folder / value.expanduser())
    return resolved


def _place(path: Path, name: str, lines: Mapping[Location, int]) -> str:
    """The file, and the line of the section's method, or else of the section, where one is known."""
    line = lines.get((name, "method"), lines.get((name,)))
    return str(path) if line is None else f"{path}:{line}"


def name_from(path: Path) -> str:
    """A run's name from a file's."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.stem).lstrip(".-")
    return kept or "run"


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML with every default spelled out; reading it again gives the same recipe."""
    content = recipe.model_dump(mode="json", exclude_none=False)
    content = {name: value for name, value in content.items() if value is not None}
    header = "# What this run was made with: every setting, defaults included, paths absolute.\n"
    return header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def schema(stages: StageTable = STAGES) -> str:
    """The JSON Schema of a recipe, for editors, as text."""
    named = {f"{base}-name": base for base in NAMED if base in stages}
    table = {**stages, **{section: NAMED[base] for section, base in named.items()}}
    content = recipe_class(list(table), table).model_json_schema()
    definitions = content["$defs"]
    own = {f"^{base}-": content["properties"].pop(section) for section, base in named.items()}
    content["patternProperties"] = {pattern: {**field, "title": "A named stage"} for pattern, field in own.items()}
    for definition in [*definitions.values()]:
        fields = definition.get("properties", {})
        fields.update({name: _with_own_defaults(field, definitions) for name, field in fields.items()})
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **content}, indent=2) + "\n"


def _with_own_defaults(field: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """`field`; where it refers to settings whose general defaults are not its own, those settings with its own ones."""
    default, target = field.get("default"), definitions.get(field.get("$ref", "").removeprefix("#/$defs/"))
    if target is None or not isinstance(default, dict):
        return field
    inner = {
        name: _with_own_defaults({**part, "default": default[name]}, definitions) if name in default else part
        for name, part in target["properties"].items()
    }
    if inner == target["properties"]:
        return field
    return {**target, **{key: value for key, value in field.items() if key != "$ref"}, "properties": inner}


def map_values(value: Any, kind: type[Value], change: Callable[[Value], Value]) -> Any:
    """`value` with every `kind` inside its settings, lists and mappings changed."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, BaseModel):
        return value.model_copy(
            update={name: map_values(getattr(value, name), kind, change) for name in type(value).model_fields}
        )
    if isinstance(value, Mapping):
        return {key: map_values(item, kind, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map_values(item, kind, change) for item in value)
    return value


def paths_in(value: Any, at: str = "") -> Iterator[tuple[str, Path]]:
    """Every path inside settings, with where it stands, for example ('gather.sources[0].path', Path(...))."""
    if isinstance(value, Path):
        yield at, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from paths_in(getattr(value, name), f"{at}.{name}".removeprefix("."))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from paths_in(item, f"{at}.{key}".removeprefix("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from paths_in(item, f"{at}[{number}]")


def missing_paths(recipe: Recipe, names: Sequence[str] | None = None) -> list[str]:
    """A sentence for every path of the recipe (or of its sections `names`) at which there is no file to read."""
    faults = []
    for name, section in recipe.sections.items():
        if names is None or name in names:
            for at, path in paths_in(section, name):
                try:
                    there = bool(files_at(path))
                except DataError as error:
                    faults.append(f"'{at}': {error}")
                    continue
                if not there:
                    what = "the folder holds no file" if path.is_dir() else "there is no such file or folder"
                    named = "; a model of the hub is {hub: owner/name}" if at.endswith(".base") else ""
                    faults.append(f"'{at}': {path}: {what}; paths are relative to the recipe's folder{named}")
    return faults


def require_paths(recipe: Recipe, names: Sequence[str]) -> None:
    """Raises RecipeError, naming each, where paths of the sections `names` lead nowhere."""
    faults = missing_paths(recipe, names)
    if faults:
        raise RecipeError("\n".join(faults))
