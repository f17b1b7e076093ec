"""The transfer stage, tiny: the same items for every way, rates chosen on validation items, going on after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.reference.folders import small_decoder
from trivium.base.errors import Interrupted
from trivium.base.progress import Context
from trivium.stages import transfer
from trivium.stages.transfer import TransferSettings, check

pytest.importorskip("sklearn")
TASK = {"data": {"kind": "world", "task": "sentiment", "train": 64, "valid": 16, "test": 24}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_decoder(tmp_path_factory.mktemp("run") / "pretrain")


def settings(**more: Any) -> TransferSettings:
    given = {
        "task": TASK,
        "least_steps": 2,
        "epochs": 1,
        "precision": "float32",
        "budgets": [8],
        "whole": False,
        "seeds": 2,
    }
    return TransferSettings.model_validate({**given, **more})


def context(base: Path, folder: Path, **more: Any) -> Context:
    return Context(folder=folder, inputs={"pretrain": base}, device="cpu", threads=1, **more)


def test_every_way_is_measured_and_an_interrupted_stage_goes_on(base: Path, tmp_path: Path) -> None:
    asked = iter(range(100))
    with pytest.raises(Interrupted, match="3 of 10 trainings"):
        transfer.run(settings(), context(base, tmp_path, stopping=lambda: next(asked) == 9))
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "points").iterdir()}
    assert set(kept) == {"scratch-8-0.json", "frozen-8-0.json", "lora-8-0.json"}
    transfer.run(settings(), context(base, tmp_path))
    assert {name: (tmp_path / "points" / name).stat().st_mtime_ns for name in kept} == kept
    content = json.loads((tmp_path / "transfer.json").read_text(encoding="utf-8"))
    told = {(row["arm"], row["labels"]): row for row in content["curves"]}
    assert {arm for arm, _ in told} == {"scratch", "frozen", "lora", "full", "majority", "tfidf_logistic_regression"}
    whole, head = told["full", 8]["parameters"], told["frozen", 8]["parameters"]
    assert head == 3 * 48  # a matrix from the hidden size to three labels
    assert head < told["lora", 8]["parameters"] < whole == told["scratch", 8]["parameters"]
    assert not (tmp_path / "trivium" / "trial").exists()


def test_the_rate_is_chosen_once_a_way_on_validation_items(base: Path, tmp_path: Path) -> None:
    transfer.run(settings(arms=["frozen"], rates=[1e-6, 0.01]), context(base, tmp_path))
    first, second = (
        json.loads((tmp_path / "points" / f"frozen-8-{seed}.json").read_text(encoding="utf-8"))[0] for seed in (0, 1)
    )
    assert len(first["tried"]) == 2 and first["rate"] == [1e-6, 0.01][first["tried"].index(max(first["tried"]))]
    assert second["tried"] == [] and second["rate"] == first["rate"]


def test_a_tiny_pre_training_helps_a_frozen_body_little_and_weights_start_as_told(base: Path) -> None:
    """Scratch starts from other weights than the pre-trained ones, at each seed from others."""
    from dataclasses import replace

    from trivium.base.device import choose_machine
    from trivium.model.folder import load
    from trivium.task.declaration import Task
    from trivium.tokenizer import Tokenizer
    from trivium.tune.setup import Setup, make_model

    machine, names = choose_machine("cpu", 1, "float32"), ("negative", "neutral", "positive")
    setup = Setup(settings(), Task.model_validate(TASK), names, base, Tokenizer.load(base), machine, 0)
    stored = load(base).embedding.weight
    drawn = [make_model(replace(setup, seed=seed), "random").embedding.weight for seed in (0, 1)]
    assert torch.equal(make_model(setup).embedding.weight, stored)
    assert not torch.equal(drawn[0], stored) and not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"budgets": [32, 8]}, "rising numbers of labels"),
        ({"arms": ["full", "full"]}, "each way once"),
        ({"rates": [0.0]}, "above 0"),
        ({"method": "lora"}, r"set arms: \[lora\]"),
        ({"optimizer": {"name": "muon"}}, "by adamw alone"),
        ({"early_stopping": {"monitor": "accuracy", "mode": "max"}}, "leave it out"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        settings(**given)


def test_a_way_that_the_task_does_not_have_is_told_beforehand() -> None:
    written = {
        "data": {"kind": "world", "task": "headlines", "train": 16, "valid": 8, "test": 8},
        "views": {"prompt": {"template": "{source}\n=>"}},
    }
    assert "leave frozen out" in check(settings(task=written), {})[0]
