"""Every job's folder: its recipes are valid, its page shows commands that are about it, and its smallest run comes out with the
scores that the page promises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from trivium.base.words import Message
from trivium.journey.check import check
from trivium.journey.lineage import lineage_faults
from trivium.journey.recipe import Recipe, read_recipe
from trivium.journey.runner import run
from trivium.rl.prompts import Prompt
from trivium.rl.reward_settings import Function
from trivium.rl.verifiers import verifier_of
from trivium.world.lexicon import VIVID

JOBS = Path(__file__).resolve().parents[1] / "recipes" / "jobs"
FOLDERS = sorted(path for path in JOBS.iterdir() if path.is_dir() and not path.name.startswith("_"))
RECIPES = [
    path for folder in FOLDERS for path in sorted(folder.glob("*.yaml")) if "\ngather:" in path.read_text("utf-8")
]
# What the smallest run of each has to have measured: (stage, score) of scores.json.
PROMISED = {
    "spam/small": {
        ("finetune-spam", "model accuracy"),
        ("finetune-spam", "tfidf_logistic_regression accuracy"),
        ("pretrain", "shots/mail/0"),
        ("pretrain", "shots/mail/2"),
    },
    "sentiment/small": {("finetune-sentiment", "model macro_f1"), ("finetune-sentiment", "majority accuracy")},
    "entities/small": {("finetune-entities", "model span_f1"), ("finetune-entities", "crf span_f1")},
    "questions/small": {("finetune-questions", "model word_f1"), ("finetune-questions", "nearest_sentence word_f1")},
    "questions/small-generative": {("finetune-questions", "model exact_match")},
    "stories/small": {("align", "win_rate"), ("align", "kl"), ("finetune", "utility")},
    "domain/small-general": set(),
    "domain/small": {
        ("base", "valid_bits_per_byte"),
        ("pretrain", "valid_bits_per_byte"),
        ("base", "bits_per_byte/general"),
        ("pretrain", "bits_per_byte/general"),
    },
    "support/small": {
        ("finetune-intents", "model accuracy"),
        ("finetune-intents", "tfidf_logistic_regression accuracy"),
        ("finetune", "instructions"),
        ("align", "instructions"),
    },
    "recommendation/small": {
        (stage, f"{name}/next_things/0")
        for stage in ("pretrain", "finetune", "align", "popularity", "item_knn")
        for name in ("hit_10", "ndcg_10")
    },
    "summaries/small": {("finetune-summaries", "model rougeLsum"), ("finetune-summaries", "lead rougeLsum")},
    "translation/small": {("finetune-translation", "model chrf"), ("finetune-translation", "copy bleu")},
}
QUICK = "spam/small"


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_each_job_has_its_parts() -> None:
    for folder in FOLDERS:
        assert {"recipe.yaml", "small.yaml", "README.md"} <= {path.name for path in folder.iterdir()}, folder.name
    assert set(PROMISED) == {named(path) for path in RECIPES if path.stem.startswith("small")}
    page = (JOBS.parents[1] / "docs" / "jobs.md").read_text("utf-8")
    assert [folder.name for folder in FOLDERS if f"../recipes/jobs/{folder.name}/README.md" not in page] == []


@pytest.mark.parametrize("path", RECIPES, ids=named)
def test_nothing_is_wrong_with_a_recipe(path: Path) -> None:
    assert [fault for fault in check(path) if "no such file" not in fault] == []
    parts = [path.parent.name, *reversed(path.stem.split("-"))]  # small-general.yaml is called JOB-general-small
    assert read_recipe(path).name == "-".join(part for part in parts if part != "recipe")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_page_s_commands_are_about_its_own_recipes_and_stages(folder: Path) -> None:
    text = (folder / "README.md").read_text("utf-8")
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    recipes = re.findall(r"recipes/jobs/[\w/.-]+\.yaml", text)
    assert recipes
    assert not [name for name in recipes if not (JOBS.parents[1] / name).exists()]
    runs = {read_recipe(path).name: read_recipe(path).sections for path in RECIPES if path.parent == folder}
    for name in re.findall(r"\bruns/([\w-]+)", text):
        assert name in runs
    for name, task in re.findall(r"predict runs/([\w-]+) --task (\w+)", blocks):
        assert f"finetune-{task}" in runs[name]
    for stage in re.findall(r"runs/[\w-]+/((?:finetune|align|pretrain|evaluate)[\w-]*)/", text):
        assert any(stage in sections for sections in runs.values())


def recipe_of(path: Path, folder: Path) -> Recipe:
    """A recipe as it is shipped; what it reads of runs/ is looked for in `folder`, and made there first."""
    text = path.read_text("utf-8")
    overrides = []
    for name in sorted(set(re.findall(r"\.\./runs/([\w-]+)/", text))):
        (before,) = [other for other in RECIPES if read_recipe(other).name == name]
        run(recipe_of(before, folder), folder / name)
        base = folder / name / "pretrain"
        overrides = [f"{section}.base={base}" for section in ("tokenize", "pretrain", "evaluate")]
        overrides.append(f"evaluate.texts.general={folder / name / 'gather' / 'documents' / 'valid.jsonl'}")
    return read_recipe(path, overrides)


def scores_of(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Every estimate of a run by (stage, name)."""
    found = {}
    for path in folder.glob("*/scores.json"):
        content = json.loads(path.read_text("utf-8"))
        if path.parent.name == "evaluate":
            found.update({(row["stage"], row["name"]): row for row in content["scores"]})
        else:
            for model, scores in content["scores"].items():
                found.update({(path.parent.name, f"{model} {name}"): one for name, one in scores.items()})
    return found


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if named(path) == QUICK else pytest.mark.slow)
        for path in RECIPES
        if path.stem.startswith("small")
    ],
    ids=named,
)
def test_the_smallest_run_measures_what_is_promised(path: Path, tmp_path: Path) -> None:
    for library in ("sklearn", "seqeval", "sklearn_crfsuite", "sacrebleu", "rouge_score"):
        pytest.importorskip(library)
    recipe = recipe_of(path, tmp_path)
    run(recipe, tmp_path / "run")
    found = scores_of(tmp_path / "run")
    assert PROMISED[named(path)] <= set(found)
    for key in PROMISED[named(path)]:
        assert found[key]["low"] <= found[key]["value"] <= found[key]["high"], key
    assert lineage_faults(tmp_path / "run") == []
    assert {result.how for result in run(recipe, tmp_path / "run")} == {"reused"}


def test_a_vivid_story_is_worth_more_than_a_dry_one_and_repetition_less() -> None:
    part = Function(function="imagination", file=JOBS / "stories" / "imagination.py")
    told: list[str] = []
    worth = verifier_of(part, told.append)
    prompt = Prompt((), (Message("user", "Tell a story about Anna and a fox in Velby."),))
    one, two = VIVID.all[:2]
    dry = "Anna went to Velby. She met a fox."
    assert worth(prompt, dry, 0) == 0.5  # it keeps to what was asked, and no more
    assert worth(prompt, f"{dry} But it was {one} and {two}.", 0) == 0.5 + 0.5 + 2 / 4
    assert worth(prompt, "A dog slept.", 0) == 0.0
    assert worth(prompt, f"{dry} {dry}", 0) < worth(prompt, dry, 0)
    assert told == []
