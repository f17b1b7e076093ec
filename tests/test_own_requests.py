"""Requests of one's own through the whole journey: people rate the answers, the models follow, and scores say who judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.feedback.shop import own, person, rate_all
from tests.tiny import TINY, write_tiny
from trivium.base.errors import RecipeError, Waiting
from trivium.base.files import read_json, read_jsonl
from trivium.feedback.database import open_ratings
from trivium.journey.recipe import read_recipe
from trivium.journey.report import write_report
from trivium.journey.runner import run as run_recipe

TEXT = TINY.replace(
    "prompts: 60, heldout_prompts: 20}", "prompts: 0, heldout_prompts: 0}\n    - {kind: requests, path: asked.txt}"
)


def recipe_in(folder: Path, *overrides: str) -> Any:
    asked = [f"Please tell me about day {number} at the mill." for number in range(90)]
    (folder / "asked.txt").write_text("\n".join(asked))
    return read_recipe(write_tiny(folder, text=TEXT), list(overrides))


def test_people_rate_what_was_asked_and_the_scores_say_who_judged(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the web extra is not installed: pip install 'trivium-lm[web]'")
    recipe, folder = recipe_in(tmp_path, "rate.rater=human", "rate.pairs=30"), tmp_path / "tiny"
    with pytest.raises(Waiting, match="0 of 30 pairs are rated"):
        run_recipe(recipe, folder)
    database = open_ratings(folder)
    rate_all(database, [person(database, "Ada")], lambda rater, task: own(task, 0))
    database.close()
    run_recipe(recipe, folder)
    rows = list(read_jsonl(folder / "rate" / "preferences.jsonl"))
    assert rows and all(row["prompt"][-1]["content"].startswith("Please tell me about day") for row in rows)
    found = {(row["name"], row["stage"]): row for row in read_json(folder / "evaluate" / "scores.json")["scores"]}
    assert not any(name in ("utility", "win_rate") for name, _ in found)  # the simulated rater has no say here
    assert {("reward", "finetune"), ("reward", "align"), ("answer_tokens", "align"), ("kl", "align")} <= found.keys()
    assert 0 <= found["reward_wins", "align"]["value"] <= 1 and "no proof" in found["reward_wins", "align"]["note"]
    shown = [row for row in read_jsonl(folder / "evaluate" / "samples.jsonl") if row["kind"] == "own"]
    assert shown and shown[0]["answers"].keys() == {"pretrain", "finetune", "align"} and not shown[0]["rewards"]
    page = write_report(folder).read_text("utf-8")
    assert "Mean reward of the answers to your own open requests" in page


def test_the_simulated_rater_is_not_asked_about_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match="'rate': rater: simulated:world judges answers to the world's requests alone"
    ):
        run_recipe(recipe_in(tmp_path), tmp_path / "tiny")
    with pytest.raises(RecipeError, match="'align': fresh_ratings: simulated:world judges"):
        run_recipe(recipe_in(tmp_path, "rate.rater=human", "align.fresh_ratings=simulated:world"), tmp_path / "tiny")
