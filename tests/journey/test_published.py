"""What is published beside the code: the shipped recipes are valid, and the schema is the one of this code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from trivium.apps.cli import PURPOSES
from trivium.journey.check import check
from trivium.journey.graph import ALGORITHMS, STAGES, in_order, load_stage
from trivium.journey.recipe import read_recipe, schema
from trivium.journey.rounds import GIVEN_ON

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_valid_and_is_named_after_its_file(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert in_order(recipe.sections)
    missing = [fault for fault in check(path) if "there is no such file" not in fault]
    assert missing == []


def test_there_are_recipes() -> None:
    assert {"demo", "shakespeare", "python-docs"} <= {path.stem for path in RECIPES}


def test_the_published_schema_is_that_of_the_code() -> None:
    published = ROOT / "docs" / "recipe.schema.json"
    assert json.loads(published.read_text()) == json.loads(schema()), (
        "renew it: trivium schema > docs/recipe.schema.json"
    )


def test_a_method_is_the_default_of_one_module_and_known_to_it() -> None:
    for method, module in ALGORITHMS.items():
        settings = load_stage("align", {"align": module}).settings
        assert method in get_args(settings.model_fields["method"].annotation)
        assert settings.model_validate({"method": method})


def test_every_stage_is_a_command() -> None:
    assert list(PURPOSES) == list(STAGES)


def test_every_stage_follows_the_protocol() -> None:
    every = {name: module for name, module in STAGES.items() if isinstance(module, str)}
    for name, module in [*every.items(), *(("align", module) for module in ALGORITHMS.values())]:
        stage = load_stage(name, {**STAGES, name: module})
        assert stage.settings.__module__ == module
        given_on = {f"{one}_before" for one in GIVEN_ON}  # by the round before
        read = (set(stage.needs) | set(stage.wants)) - given_on
        assert read <= set(list(STAGES)[: list(STAGES).index(name)]), "a stage reads earlier ones only"
        assert set(stage.continues) | set(stage.not_in_key) <= set(stage.settings.model_fields)
        assert stage.settings() == stage.settings.model_validate({}), "an empty section is enough"
