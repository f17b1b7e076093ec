"""Every stage's settings: what is given in part keeps the stage's own defaults, and the schema tells what is true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trivium.base.config import Settings
from trivium.data.sources.world import WorldSource
from trivium.journey.graph import STAGES, load_stage
from trivium.journey.recipe import read_recipe, schema
from trivium.stages.evaluate import MODELS, EvaluateSettings

SCHEMA = json.loads(schema())


def sections(settings: Settings, at: str) -> Iterator[tuple[str, Settings]]:
    """Every settings object inside `settings`, with its dotted place."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Settings):
            yield f"{at}.{name}", value
            yield from sections(value, f"{at}.{name}")


def another(settings: Settings) -> tuple[str, Any]:
    """The name of a setting, and a value for it that is not its own."""
    for name, value in settings.model_dump().items():
        if isinstance(value, float) and value:
            return name, value / 2
        if isinstance(value, bool):
            return name, not value
    others = {"QualitySettings": ("drop", "web"), "PrivateSettings": ("surrogate_key", "secret")}
    others |= {"CanarySettings": ("digits", 4)}
    return (others | {"GrowthSettings": ("batch_size", 4)})[type(settings).__name__]


INNER = [place for stage in STAGES for place in sections(load_stage(stage).settings(), stage)]


@pytest.mark.parametrize(("at", "default"), INNER, ids=[at for at, _ in INNER])
def test_one_inner_setting_changes_nothing_beside_it(tmp_path: Path, at: str, default: Settings) -> None:
    stage, *path = at.split(".")
    changed, value = another(default)
    recipe_file = tmp_path / "r.yaml"
    recipe_file.write_text(f"{stage}:\n")
    found: Any = read_recipe(recipe_file, [f"{at}.{changed}={json.dumps(value)}"]).sections[stage]
    for name in path:
        found = getattr(found, name)
    assert found == default.model_copy(update={changed: value})


def test_alignment_stays_with_its_optimizer_when_only_its_rate_is_given(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("align: {optimizer: {adam_learning_rate: 1e-4}}\n")
    optimizer = read_recipe(tmp_path / "r.yaml").sections["align"].model_dump()["optimizer"]
    assert (optimizer["name"], optimizer["adam_learning_rate"], optimizer["beta2"]) == ("adamw", 1e-4, 0.95)


def resolved(field: dict[str, Any]) -> dict[str, Any]:
    target: dict[str, Any] = SCHEMA["$defs"][field["$ref"].removeprefix("#/$defs/")] if "$ref" in field else field
    return target


@pytest.mark.parametrize(("at", "default"), INNER, ids=[at for at, _ in INNER])
def test_the_schema_tells_the_stages_own_inner_defaults(at: str, default: Settings) -> None:
    stage, *path = at.split(".")
    field = SCHEMA["$defs"][load_stage(stage).settings.__name__]
    for name in path:
        field = resolved(field["properties"][name])
    told = {name: inner.get("default") for name, inner in field["properties"].items()}
    assert told == default.model_dump(mode="json")


def test_every_setting_is_described() -> None:
    inside = (
        SCHEMA["$defs"] | {"Recipe": {"properties": {k: SCHEMA["properties"][k] for k in ("name", "seed")}}}
    ).items()
    mute = [
        f"{name}.{key}"
        for name, settings in inside
        for key, field in settings["properties"].items()
        if not (field.get("description") or "$ref" in field or "const" in field)
    ]
    assert not mute


def test_the_world_gives_as_much_as_evaluation_asks_for() -> None:
    assert WorldSource().heldout_instructions >= EvaluateSettings().instructions
    assert WorldSource().heldout_prompts >= EvaluateSettings().requests


def test_evaluation_depends_on_what_it_reads_and_no_more() -> None:
    stage = load_stage("evaluate")
    assert {*stage.needs, *stage.wants} == {"gather", "tokenize", "reward", *MODELS}
