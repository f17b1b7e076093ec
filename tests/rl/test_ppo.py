"""PPO goes on where it was stopped, to the same bits: policy, critic, both optimizers, the leash and the looks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.rl import toy
from tests.rl.test_learning import FAST, critic, even
from trivium.base.errors import Interrupted
from trivium.base.progress import Context, Progress, read_metrics
from trivium.stages import align_ppo

SETTINGS = align_ppo.PpoSettings(
    **{**FAST, "steps": 6, "prompts_per_step": 2, "answers_per_prompt": 3, "critic_warmup": 2, "look_every": 2},
    kl_target=0.5,
    kl_horizon=20.0,
)


def go(folder: Path, stop_after: int = 99) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    seen: list[int] = []

    def report(progress: Progress) -> None:
        seen.append(progress.done)

    who, learner = toy.players(even), critic(SETTINGS)
    where = Context(folder, {}, seed=3, threads=1, report=report, stopping=lambda: max(seen, default=0) >= stop_after)
    align_ppo.learn(who, learner, SETTINGS, where)
    weights = {f"policy.{name}": value for name, value in who.policy.state_dict().items()}
    weights |= {f"critic.{name}": value for name, value in learner.layout.model.state_dict().items()}
    rows = [
        {key: value for key, value in row.items() if "seconds" not in key}
        for row in read_metrics(folder / "trivium" / "metrics.jsonl")
    ]
    return weights, rows


def test_stopped_and_going_on_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, rows = go(tmp_path / "whole")
    for stop in (3, 5):
        with pytest.raises(Interrupted, match=f"stopped after step {stop} of 6"):
            go(tmp_path / "cut", stop)
    weights, again = go(tmp_path / "cut")
    assert again == rows
    assert all(torch.equal(weights[name], value) for name, value in whole.items())
    leash = [row["kl_weight"] for row in rows]
    assert leash[0] == SETTINGS.kl_weight and len(set(leash)) == len(leash)  # it adapted at each step


def test_the_critic_alone_learns_at_first_and_then_explains_the_returns(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 12, "critic_warmup": 12, "prompts_per_step": 8, "keep": "last"})
    who, learner = toy.players(even), critic(settings)
    before = {name: value.clone() for name, value in who.policy.state_dict().items()}
    align_ppo.learn(who, learner, settings, toy.context(tmp_path))
    assert all(torch.equal(value, before[name]) for name, value in who.policy.state_dict().items())
    rows = read_metrics(tmp_path / "trivium" / "metrics.jsonl")
    assert rows[0]["explained"] == pytest.approx(0.0, abs=1e-4)  # its last layer says zero
    assert rows[-1]["value_error"] < 0.8 * rows[0]["value_error"]


def test_answers_without_a_score_are_left_out(tmp_path: Path) -> None:
    def some(tokens: torch.Tensor, totals: torch.Tensor) -> torch.Tensor:
        return torch.where(tokens[:, 2] % 2 == 0, math.nan, 1.0)

    who = toy.players(some)
    align_ppo.learn(who, critic(SETTINGS), SETTINGS, toy.context(tmp_path / "some"))
    rows = read_metrics(tmp_path / "some" / "trivium" / "metrics.jsonl")
    assert any(0 < row["unscored"] < 1 for row in rows) and all(row["skipped"] == 0 for row in rows)
    assert all(bool(value.isfinite().all()) for value in who.policy.state_dict().values())
