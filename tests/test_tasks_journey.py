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
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="tasks"' in page and "From raw text to a model that learned 2 tasks" in page
    assert "texts labelled right (mood)" in page and "There is no score yet" not in page
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


def test_a_task_starts_from_a_published_model_without_any_text(tmp_path: Path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from trivium.tokenizer import train

    base = tmp_path / "base"
    tokenizer = train(iter(["the soup was great. the bread was stale. " * 20]), 280, masked=True)
    config = transformers.BertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=64, pad_token_id=tokenizer.pad,
    )  # fmt: skip
    theirs = transformers.BertForMaskedLM(config).eval()
    theirs.save_pretrained(base)
    tokenizer.save(base)
    rows = [f"the soup was great {n} times,a\nthe bread was stale {n} times,b\n" for n in range(40)]
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(rows), encoding="utf-8")
    text = """
name: direct
threads: 1
finetune-mood:
  base: base
  method: head
  precision: float32
  least_steps: 2
  epochs: 1
  task: {kind: classify, data: {train: t.csv}}
"""
    (tmp_path / "direct.yaml").write_text(text, encoding="utf-8")
    folder = tmp_path / "run"
    assert [result.stage for result in run(read_recipe(tmp_path / "direct.yaml"), folder)] == ["finetune-mood"]
    assert lineage_faults(folder) == []
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "A published model learned a task" in page and "There is no score yet" not in page
    assert trivium.load(folder).classify("the soup was great", task="mood").label in ("a", "b")
    model = transformers.BertForSequenceClassification.from_pretrained(folder / "finetune-mood")
    kept = model.bert.encoder.layer[0].attention.self.query.weight
    assert torch.equal(kept, theirs.bert.encoder.layer[0].attention.self.query.weight), "the body is the published one"
    assert {result.how for result in run(read_recipe(tmp_path / "direct.yaml"), folder)} == {"reused"}
    with torch.no_grad():
        theirs.bert.encoder.layer[0].attention.self.query.weight.mul_(2)
    theirs.save_pretrained(base)
    (again,) = run(read_recipe(tmp_path / "direct.yaml"), folder)
    assert again.how == "made", "the base is another one"
    (tmp_path / "none.yaml").write_text(text.replace("  base: base\n", ""), encoding="utf-8")
    with pytest.raises(RecipeError, match="no model to start from; give base"):
        run(read_recipe(tmp_path / "none.yaml"), tmp_path / "other")
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(RecipeError, match=r"'finetune-mood': base: .* a pickle can run any code"):
        run(read_recipe(tmp_path / "direct.yaml"), tmp_path / "other")
