"""A plan is arithmetic on what is known: held against numbers worked out by hand, with a stand-in for the measured steps."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.tiny import write_tiny
from trivium.apps.planning import as_dict, budget_seconds, draw
from trivium.base.errors import UserError
from trivium.base.files import write_json
from trivium.journey.hardware import ACCELERATORS, OPERATION_SECONDS, SCALING
from trivium.journey.plan import Ask, Plan, StagePlan, best_for, most_rows, on_one_of, plan
from trivium.journey.recipe import read_recipe
from trivium.model.architecture import Architecture
from trivium.model.transformer import Transformer, parameter_count
from trivium.train.probe import Speed
from trivium.train.workload import Workload

STEP, LOOK, START, PEAK = 0.5, 0.1, 2.0, 900e6


def stand_in(work: Workload, machine: Any) -> Speed:
    return Speed(STEP, LOOK, START, PEAK)


def planned(tmp_path: Path, *overrides: str, run: Path = Path("nowhere"), **ask: Any) -> Plan:
    recipe = read_recipe(write_tiny(tmp_path), ["device=cpu", "pretrain.precision=float32", *overrides])
    return plan(recipe, run, Ask(**ask), prober=stand_in)


def pretrain(found: Plan) -> StagePlan:
    return found.stages[0]


def test_the_stages_that_train_are_planned_and_the_others_named(tmp_path: Path) -> None:
    found = planned(tmp_path)
    assert [stage.stage for stage in found.stages] == ["pretrain", "finetune"]
    assert found.unplanned == ("rate", "reward", "align")


def test_tokens_operations_and_time_are_those_of_the_settings(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_json(run / "tokenize" / "train" / "shard.json", {"tokens": 12_288})
    write_json(run / "tokenize" / "valid" / "shard.json", {"tokens": 1_024})
    found = pretrain(planned(tmp_path, "pretrain.evaluate_rows=4", run=run))
    assert found.tokens == 12 * 8 * 64 and found.epochs == 0.5
    shape = Architecture(
        vocab_size=600,
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=48,
        max_positions=256,
    )
    assert found.parameters == parameter_count(Transformer(shape))
    per_token = 6 * (2 * 32 * (2 * 32 + 2 * 16 + 3 * 48) + 600 * 32) + 12 * 2 * 32 * 64
    assert found.flops == found.tokens * per_token
    looks = 2 * 4 * 64 + 1_024  # two of four rows, and the whole text at the end
    assert found.seconds == pytest.approx(START + 12 * STEP + looks / (8 * 64) * LOOK)
    # as measured, on this machine, and the copies of a checkpoint
    kept = found.memory.weights + found.memory.optimizer
    assert found.memory.total == pytest.approx(PEAK + 3 * kept)


def test_a_device_that_is_not_here_goes_by_its_peak_or_by_the_calls_that_a_step_makes(tmp_path: Path) -> None:
    small = pretrain(planned(tmp_path, device="h100"))
    assert small.step_seconds == pytest.approx(small.memory.operations * OPERATION_SECONDS)
    large = ["pretrain.model.hidden_size=4096", "pretrain.model.intermediate_size=16384", "pretrain.batch_size=512"]
    whole = pretrain(planned(tmp_path, *large, device="h100", utilisation=0.4))
    assert whole.step_seconds == pytest.approx(whole.flops / whole.steps / (0.4 * ACCELERATORS["h100"].flops))
    eight = pretrain(planned(tmp_path, *large, device="h100", devices=8, utilisation=0.4))
    assert whole.step_seconds is not None
    assert eight.step_seconds == pytest.approx(whole.step_seconds / 8 / SCALING)
    assert (eight.tokens, eight.rows) == (whole.tokens, 64)
    assert eight.sharded is not None and eight.sharded.weights == eight.memory.weights / 8


def test_money_is_hours_times_devices_times_price(tmp_path: Path) -> None:
    found = planned(tmp_path, device="a100", devices=4, price=2.0)
    assert found.seconds is not None and found.cost == pytest.approx(found.seconds / 3600 * 8.0)
    assert planned(tmp_path).cost is None


def test_what_does_not_fit_is_told_with_the_most_that_does(tmp_path: Path) -> None:
    found = pretrain(planned(tmp_path, "pretrain.batch_size=200000", device="rtx4090"))
    assert found.seconds is None and 0 < found.most_rows < 200_000
    fits = pretrain(planned(tmp_path, f"pretrain.batch_size={found.most_rows}", device="rtx4090"))
    assert fits.most_rows == found.most_rows and fits.memory.total <= 24e9
    more = pretrain(planned(tmp_path, f"pretrain.batch_size={found.most_rows + 1}", device="rtx4090"))
    assert more.most_rows == found.most_rows and more.memory.total > 24e9


@pytest.mark.parametrize("limit", [1, 2, 7, 64])
def test_the_search_for_the_most_rows_finds_it(limit: int) -> None:
    for answer in range(limit + 1):
        assert most_rows(limit, lambda rows, answer=answer: rows <= answer) == answer


def test_a_batch_is_divided_over_devices_without_more_rows_at_once() -> None:
    work = Workload(Architecture(vocab_size=50), rows=16, length=32, passes=4)
    for devices, rows, passes in ((1, 16, 4), (2, 16, 2), (3, 16, 2), (4, 16, 1), (8, 8, 1), (100, 1, 1)):
        one = on_one_of(work, devices)
        assert (one.rows, one.passes) == (rows, passes)


def test_a_budget_buys_twenty_tokens_a_weight() -> None:
    work = Workload(Architecture(vocab_size=32_768, max_positions=1024), rows=64, length=1024)
    best = best_for(1e19, work)
    assert best.tokens == 20 * best.parameters
    # 6 N D with D = 20 N: 2.9e8 weights; attention's share makes it less, and layers come in whole numbers
    assert (1e19 / 120) ** 0.5 * 0.75 < best.parameters < (1e19 / 120) ** 0.5
    assert best.settings["pretrain.steps"] == round(best.tokens / (64 * 1024))
    assert (
        best.settings["pretrain.model.num_heads"] * best.settings["pretrain.model.head_dim"]
        == (best.settings["pretrain.model.hidden_size"])
    )
    more = best_for(1e21, work)
    assert more.parameters == pytest.approx(10 * best.parameters, rel=0.2)


@pytest.mark.parametrize(
    ("text", "price", "seconds"),
    [("30m", None, 1800), ("8h", None, 28_800), ("2d", 1.0, 172_800), ("60USD", 2.0, 27_000)],
)
def test_a_budget_is_time_or_money(text: str, price: float | None, seconds: float) -> None:
    assert budget_seconds(text, price, devices=4) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "8", "h", "-3h", "1.2.3h", "0h", "5eur"])
def test_a_budget_that_is_neither_says_how_to_write_it(text: str) -> None:
    with pytest.raises(UserError, match="30m, 8h, 2d or 500usd"):
        budget_seconds(text, 1.0, 1)
    with pytest.raises(UserError, match="needs --price"):
        budget_seconds("5usd", None, 1)


def test_unknown_devices_and_recipes_that_train_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device is 'tpu'; known: h200, h100"):
        planned(tmp_path, device="tpu")
    path = tmp_path / "no.yaml"
    path.write_text("gather: {sources: [{kind: world}]}\ntokenize:\n", encoding="utf-8")
    with pytest.raises(UserError, match="no stage whose cost can be planned"):
        plan(read_recipe(path), tmp_path, Ask())


def test_the_table_fits_into_eighty_columns_and_json_says_the_same(tmp_path: Path) -> None:
    found = planned(tmp_path, device="h200", devices=8, price=3.5)
    console = Console(width=80, record=True, file=io.StringIO())
    draw(found, console)
    told = console.export_text()
    assert all(len(line) <= 80 for line in told.splitlines()[:20])
    plain = json.loads(json.dumps(as_dict(found)))
    stage = plain["stages"]["pretrain"]
    assert stage["memory"]["total"] == sum(value for name, value in stage["memory"].items() if name != "total")
    assert plain["dollars"] == found.cost and plain["device"]["count"] == 8
    for word in (
        "8 x NVIDIA H200",
        "sharded",
        "activations",
        "tokens/s",
        "assumed, not measured",
        "rate, reward, align",
    ):
        assert word in told
