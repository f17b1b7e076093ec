"""Tasks in a run: named stages are made, reused and redone apart from each other, and asked from Python and in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

import trivium
from trivium.base.errors import RecipeError, UserError
from trivium.journey.lineage import lineage_faults
from trivium.journey.recipe import read_recipe
from trivium.journey.runner import run
from trivium.journey.runs import describe

for name in ("sklearn", "seqeval", "sklearn_crfsuite"):
    pytest.importorskip(name)

RECIPE = """
name: tasks
seed: 3
threads: 1
gather:
  sources: [{kind: world, tokens: 30_000, instructions: 0, heldout_instructions: 0, prompts: 0, heldout_prompts: 0}]
tokenize: {vocab_size: 600}
pretrain:
  model: {hidden_size: 32, num_layers: 1, num_heads: 2, num_kv_heads: 2, head_dim: 16, intermediate_size: 48, max_positions: 128}
  steps: 4
  batch_size: 4
  length: 64
finetune-mood:
  task: {data: {kind: world, task: sentiment, train: 60, valid: 12, test: 20}}
  least_steps: 2
  epochs: 1
finetune-names:
  task: {data: {kind: world, task: entities, train: 30, valid: 8, test: 8}}
  method: lora
  least_steps: 2
  epochs: 1
"""


def recipe(folder: Path) -> Path:
    path = folder / "tasks.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_named_stages_in_a_run(tmp_path: Path) -> None:
    path, folder = recipe(tmp_path), tmp_path / "run"
    results = run(read_recipe(path), folder)
    assert [result.stage for result in results][-2:] == ["finetune-mood", "finetune-names"]
    assert (folder / "finetune-names" / "adapter" / "adapter_config.json").is_file()
    assert {result.how for result in run(read_recipe(path), folder)} == {"reused"}
    changed = run(read_recipe(path, ["finetune-mood.epochs=2"]), folder)
    assert {result.stage: result.how for result in changed if result.how != "reused"} == {"finetune-mood": "made"}
    assert lineage_faults(folder) == []
    assert describe(folder).finished
    assert 'id="tasks"' in (folder / "report.html").read_text(encoding="utf-8")
    found = trivium.load(folder)
    assert found.classify("The soup was great.").label in ("negative", "neutral", "positive")
    assert isinstance(found.tag("Anna lives in Velby.", task="names"), list)
    with pytest.raises(UserError, match="it has none"):
        found.answer("Who?", "Anna.")
    assert trivium.load(folder, "finetune-mood").stage == "finetune-mood"


def test_a_fault_in_a_task_s_file_is_told_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n" + "x,a\ny,b\n" * 20 + " ,a\n", encoding="utf-8")
    text = RECIPE.replace(
        "data: {kind: world, task: sentiment, train: 60, valid: 12, test: 20}", "kind: classify, data: {train: t.csv}"
    )
    (tmp_path / "tasks.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"'finetune-mood': .*t\.csv:42: field 'text': is empty"):
        run(read_recipe(tmp_path / "tasks.yaml"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
