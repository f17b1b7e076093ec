"""Recipes: sections, relative paths, round trip, schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.journey.fake_stages import recipe_of, write_stages
from trivium.base.errors import RecipeError
from trivium.journey.recipe import missing_paths, paths_in, read_recipe, schema, write_recipe

TEXT = """
name: small
seed: 3
gather:
pretrain: {}
finetune:
  steps: 2e1
  path: data/a.txt
  files: [~/b.txt, /c.txt, "data/*.txt"]
  part:
    size: 1_000
"""


@pytest.fixture
def stages(tmp_path: Path) -> dict[str, Any]:
    return write_stages(tmp_path)


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "my recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_section_that_is_present_in_any_form_runs(tmp_path: Path, stages: dict[str, Any]) -> None:
    recipe = read_recipe(written(tmp_path), stages=stages)
    assert list(recipe.sections) == ["gather", "pretrain", "finetune"]
    assert recipe.sections["finetune"].model_dump()["steps"] == 20
    assert recipe.sections["finetune"].model_dump()["part"] == {"size": 1000}
    assert list(read_recipe(written(tmp_path), ["evaluate=null"], stages).sections)[-1] == "evaluate"


def test_paths_are_relative_to_the_recipe_and_absolute_once_read(
    tmp_path: Path, stages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    recipe = read_recipe(written(tmp_path), stages=stages)
    assert list(paths_in(recipe.sections["finetune"], "finetune")) == [
        ("finetune.path", tmp_path / "data/a.txt"),
        ("finetune.files[0]", Path("/home/someone/b.txt")),
        ("finetune.files[1]", Path("/c.txt")),
        ("finetune.files[2]", tmp_path / "data/*.txt"),
    ]


def test_paths_that_lead_nowhere_are_named(tmp_path: Path, stages: dict[str, Any]) -> None:
    recipe = read_recipe(written(tmp_path), stages=stages)
    assert len(missing_paths(recipe)) == 4
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").write_text("a")
    faults = missing_paths(recipe)
    assert [fault.split(":")[0] for fault in faults] == ["'finetune.files[0]'", "'finetune.files[1]'"]
    assert missing_paths(recipe, ["gather"]) == []


def test_a_folder_that_cannot_be_read_is_named_beside_the_other_faults(
    tmp_path: Path, stages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    recipe = read_recipe(written(tmp_path, "gather: {files: [locked, none.txt]}\n"), stages=stages)
    locked, none = missing_paths(recipe)
    assert "'gather.files[0]'" in locked and "cannot be read (Permission denied)" in locked
    assert "there is no such file" in none


def test_the_resolved_recipe_reads_back_the_same_from_anywhere(tmp_path: Path, stages: dict[str, Any]) -> None:
    recipe = read_recipe(written(tmp_path), stages=stages)
    other = tmp_path / "elsewhere"
    other.mkdir()
    again = read_recipe(written(other, write_recipe(recipe)), stages=stages)
    assert again.model_dump() == recipe.model_dump()
    assert again.sections.keys() == recipe.sections.keys()


def test_the_name_is_the_file_s_where_none_is_given(tmp_path: Path, stages: dict[str, Any]) -> None:
    assert read_recipe(written(tmp_path, "gather:\n"), stages=stages).name == "my-recipe"
    with pytest.raises(RecipeError, match="'name'"):
        read_recipe(written(tmp_path, "name: ../up\ngather:\n"), stages=stages)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("gathr:\n", "'gathr': unknown key; did you mean 'gather'?"),
        ("pretrain:\n  stesp: 3\n", ":2: 'pretrain.stesp': unknown key; did you mean 'steps'?"),
        ("pretrain:\n  steps: 0\n", "'pretrain.steps': should be greater than or equal to 1 (given: 0)"),
        ("seed: -1\n", "'seed': should be greater than or equal to 0 (given: -1)"),
        ("device: gpu\n", "'device': should be 'auto', 'cpu', 'cuda' or 'mps' (given: 'gpu')"),
        ("gather: 3\n", "'gather': should be a section"),
    ],
)
def test_faults_are_named(tmp_path: Path, stages: dict[str, Any], text: str, fault: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(written(tmp_path, text), stages=stages)
    assert fault in str(caught.value)


def test_a_recipe_is_frozen(tmp_path: Path, stages: dict[str, Any]) -> None:
    recipe = recipe_of(tmp_path, stages, {"gather": None})
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 4  # type: ignore[misc]


def test_the_schema_takes_what_the_reader_takes(stages: dict[str, Any]) -> None:
    content = json.loads(schema(stages))
    assert list(content["properties"]) == [
        "name",
        "seed",
        "device",
        "threads",
        "rounds",
        "parallel",
        "compile",
        *stages,
    ]
    assert content["additionalProperties"] is False
    assert {"type": "null"} in content["properties"]["gather"]["anyOf"]
