"""Stages that a recipe names itself: where they run, what their settings are, and that they stand apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trivium.base.errors import RecipeError
from trivium.journey.check import check
from trivium.journey.graph import ALGORITHMS, STAGES, in_order, load_stage, with_named
from trivium.journey.recipe import read_recipe, schema
from trivium.journey.runs import models_of

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
    for wrong in ("finetune-", "finetune-A", "finetune-a/b", "gather-two", "finetune-..", "align-"):
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
    for place in (content["properties"]["align"], content["patternProperties"]["^align-"]):
        assert {branch.get("$ref", "").rpartition("/")[2] for branch in place["anyOf"]} >= {
            "AlignSettings",
            "GrpoSettings",
        }


def test_the_method_chooses_the_module_of_alignment_and_nothing_else_is_imported(tmp_path: Path) -> None:
    text = "align: {method: grpo, epochs: 3}\nalign-plain: {kl_weight: 0.1}\n"
    recipe = read_recipe(written(tmp_path, text))
    table = with_named(recipe.sections)
    assert (table["align"], table["align-plain"]) == ("trivium.stages.align_grpo", "trivium.stages.align_rloo")
    assert (recipe.sections["align"].epochs, recipe.sections["align-plain"].method) == (3, "rloo")  # type: ignore[attr-defined]
    changed = read_recipe(written(tmp_path, text), ["align-plain.method=grpo"])
    assert with_named(changed.sections)["align-plain"] == "trivium.stages.align_grpo"
    alone = written(tmp_path, "align:\n")
    code = "import sys; from pathlib import Path; from trivium.journey.recipe import read_recipe\n"
    code += f"read_recipe(Path({str(alone)!r}))\nstages = [name for name in sys.modules if 'stages.align' in name]\n"
    code += "assert stages == ['trivium.stages.align_rloo'], stages"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": "src"})


def test_an_unknown_method_is_told_with_what_was_meant_beside_every_other_fault(tmp_path: Path) -> None:
    text = "align:\n  method: gpro\n  epochs: 2\nalign-two:\n  method: [rloo]\nreward: {epochz: 1}\n"
    with pytest.raises(RecipeError) as told:
        read_recipe(written(tmp_path, text))
    lines = str(told.value).splitlines()
    assert any("recipe.yaml:6: 'reward.epochz': unknown key" in line for line in lines)
    assert (
        f"recipe.yaml:2: 'align.method': no such method; did you mean 'grpo'? There are: {', '.join(ALGORITHMS)}"
        in (told.value.args[0])
    )
    assert any("recipe.yaml:5: 'align-two.method': no such method" in line for line in lines)
    assert any("align.method" in fault for fault in check(tmp_path / "recipe.yaml"))


def test_a_key_of_another_method_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'align\.clip_low': unknown key"):
        read_recipe(written(tmp_path, "align: {clip_low: 0.1}\n"))


def test_evaluation_reads_every_alignment() -> None:
    table = with_named({"align": {}, "align-b": {"method": "grpo"}, "finetune-x": {}})
    assert load_stage("evaluate", table).wants == ("finetune", "reward", "align", "align-b")
    assert models_of(list(table)) == ["align", "align-b", "finetune", "pretrain"]
