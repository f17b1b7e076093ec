"""The transfer stage, tiny: the same items for every way, rates chosen on validation items, going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.reference.folders import small_decoder, small_encoder
from trivium.base.errors import Interrupted
from trivium.base.progress import Context
from trivium.stages import transfer
from trivium.stages.transfer import TransferSettings, check, ways_of
from trivium.task.declaration import Task

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
    assert "leave frozen out" in check(settings(task=written, arms=["full", "frozen"]), {})[0]
    assert check(settings(task=written), {}) == []


WORDED = {**TASK, "views": {"prompt": {"template": "{text} It is"}, "cloze": {"template": "{text} It is [MASK]"}}}


def test_without_a_list_all_ways_are_compared_that_task_and_model_allow() -> None:
    worded = Task.model_validate(WORDED)
    every = ways_of(settings(task=WORDED), worded, causal=True)
    assert set(every) == {"scratch", "frozen", "lora", "full", "few_shot", "zero_shot"}
    assert set(ways_of(settings(), Task.model_validate(TASK), causal=True)) == set(every) - {"few_shot", "zero_shot"}
    assert "frozen" not in ways_of(settings(task=WORDED, view="prompt"), worded, causal=True)
    assert check(settings(arms=["few_shot"]), {})[0].startswith("arms has few_shot; the task has no views.prompt")
    assert ways_of(settings(task=None), transfer.MOOD, causal=False) == transfer.EVERY


@pytest.mark.parametrize("make", [small_decoder, small_encoder])
def test_examples_come_out_of_the_labelled_items_alone(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 4 labels all 4 can be shown, with 16 there are 8, at each seed others; of a test item none is made an example."""
    from trivium.data.tasks import few, read
    from trivium.evaluate import in_context

    asked: list[tuple[list[Any], int]] = []
    real = in_context.ask

    def watched(task: Any, names: Any, reader: Any, pool: Any, items: Any, asking: Any) -> Any:
        asked.append((list(pool), asking.shots[0]))
        return real(task, names, reader, pool, items, asking)

    monkeypatch.setattr(in_context, "ask", watched)
    given = settings(task=WORDED, arms=["few_shot", "zero_shot"], budgets=[4, 16], items=10, scoring="sum")
    transfer.run(given, context(make(tmp_path / "base"), tmp_path / "out"))
    train = read(Task.model_validate(WORDED), 0).train
    expected = [(few(train, labels, seed), min(labels, 8)) for labels in (4, 16) for seed in (0, 1)]
    assert asked == [*expected, ([], 0)]
    content = json.loads((tmp_path / "out" / "transfer.json").read_text(encoding="utf-8"))
    rows = [row for row in content["rows"] if row["arm"] in ("few_shot", "zero_shot")]
    assert all(row["parameters"] == 0 and 0 <= row["shown"] <= 8 for row in rows)
    (zero,) = (row for row in rows if row["arm"] == "zero_shot")
    assert zero["labels"] == 0 and zero["low"] < zero["value"] < zero["high"] and zero["items"] == 10


def test_a_labelled_item_that_is_asked_too_is_no_example(tmp_path: Path, base: Path) -> None:
    """Two of four training items stand in the test file: two are left to be shown, and nothing ends in an error."""
    lines = [("cats are fine", "good"), ("rain is bad", "bad"), ("I like it", "good"), ("I hate it", "bad")]
    for name, rows in (("train", lines), ("valid", lines[2:]), ("test", [*lines[:2], ("so so", "bad")])):
        content = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
        (tmp_path / f"{name}.jsonl").write_text(content, encoding="utf-8")
    data = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "valid", "test")}
    task = {"kind": "classify", "data": data, "views": {"prompt": {"template": "{text} It is"}}}
    given = settings(task=task, arms=["few_shot"], budgets=[2], whole=True, items=8)
    transfer.run(given, context(base, tmp_path / "out"))
    points = tmp_path / "out" / "points"
    assert json.loads((points / "few_shot-4-0.json").read_text(encoding="utf-8"))[0]["shown"] == 2
