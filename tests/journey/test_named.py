"""Stages that a recipe names itself: where they run, what their settings are, and that they stand apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivium.base.errors import RecipeError
from trivium.journey.graph import STAGES, in_order, with_named
from trivium.journey.recipe import read_recipe, schema

TASK = "task: {data: {kind: world, task: sentiment}}"


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_named_stages_stand_behind_their_base_in_the_recipe_s_order() -> None:
    table = list(with_named(["finetune-b", "gather", "finetune-a.1"]))
    assert table == [
        name for stage in STAGES for name in ([stage, "finetune-b", "finetune-a.1"] if stage == "finetune" else [stage])
    ]
    for wrong in ("finetune-", "finetune-A", "finetune-a/b", "gather-two", "finetune-..", "align-x"):
        assert wrong not in with_named([wrong])


def test_each_has_its_own_settings(tmp_path: Path) -> None:
    text = f"gather:\ntokenize:\npretrain:\nfinetune-one: {{{TASK}, epochs: 2}}\nfinetune-two: {{{TASK}}}\n"
    recipe = read_recipe(written(tmp_path, text))
    assert [stage.name for stage in in_order(recipe.sections, with_named(recipe.sections))][-2:] == [
        "finetune-one",
        "finetune-two",
    ]
    assert (recipe.sections["finetune-one"].epochs, recipe.sections["finetune-one"].task.kind) == (2, "classify")  # type: ignore[attr-defined]
    changed = read_recipe(written(tmp_path, text), ["finetune-two.epochs=7"])
    assert (changed.sections["finetune-one"].epochs, changed.sections["finetune-two"].epochs) == (2, 7)  # type: ignore[attr-defined]


def test_a_fault_in_one_is_told_with_its_place(tmp_path: Path) -> None:
    text = f"gather:\ntokenize:\npretrain:\nfinetune-one:\n  {TASK}\n  epoch: 2\nfinetun-two: {{}}\n"
    with pytest.raises(RecipeError) as told:
        read_recipe(written(tmp_path, text))
    assert "recipe.yaml:6: 'finetune-one.epoch': unknown key; did you mean 'epochs'?" in str(told.value)
    assert "'finetun-two': unknown key" in str(told.value)


def test_the_schema_knows_them() -> None:
    content = json.loads(schema())
    assert "$ref" in json.dumps(content["patternProperties"]["^finetune-"])
    assert not [name for name in content["properties"] if name.startswith("finetune-")]
