"""Alignment learns, on requests that it was not trained on: what can be verified, and what a rater prefers; and without a leash
it learns to fool its reward, which the looks show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.rl import toy
from trivium.base.progress import Context, read_metrics
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.rl.panel import panel
from trivium.rl.players import Players
from trivium.stages import align_grpo, align_ppo, align_rloo

FAST = {
    "steps": 25,
    "prompts_per_step": 8,
    "max_new_tokens": toy.LENGTH,
    "instruction_weight": 0.0,
    "unended_reward": 0.0,
    "look_every": 25,
    "look_requests": 30,
    "optimizer": OptimizerSettings(name="adamw", adam_learning_rate=0.01, beta2=0.95),
    "schedule": ScheduleSettings(warmup=2, decay_share=0.3),
}


def even(tokens: torch.Tensor, totals: torch.Tensor) -> torch.Tensor:
    """A reward that anybody can verify: the share of even numbers. Random answers get about one half."""
    places = torch.arange(tokens.shape[1])
    inside = (places >= 2) & (places < totals[:, None])  # prompts have two tokens
    return ((tokens % 2 == 0) & inside).sum(dim=1) / inside.sum(dim=1)


def follow(who: Players, method: str, folder: Path, **settings: Any) -> list[dict[str, Any]]:
    """Align by `method` and give back its metrics."""
    where: Context = toy.context(folder)
    given = {**FAST, **settings}
    if method == "rloo":
        align_rloo.learn(who, align_rloo.AlignSettings(**given), where)
    elif method == "grpo":
        align_grpo.learn(who, align_grpo.GrpoSettings(**given), where)
    else:
        chosen = align_ppo.PpoSettings(**{"critic_warmup": 2, **given})
        align_ppo.learn(who, critic(chosen), chosen, where)
    return read_metrics(folder / "trivium" / "metrics.jsonl")


def critic(settings: align_ppo.PpoSettings) -> Any:
    from tests.model.shapes import SHAPE
    from trivium.model.families import FAMILIES
    from trivium.model.transformer import Transformer
    from trivium.rl.course import Learner
    from trivium.train.distributed import Team
    from trivium.train.fit import make_optimizer
    from trivium.train.layout import Layout

    model = Transformer(SHAPE, FAMILIES[SHAPE.family].head_shape("score"))
    model.load_state_dict({**model.state_dict(), **toy.policy(4).state_dict()}, strict=False)
    with torch.no_grad():
        model.head_out.weight.zero_()
    return Learner(Layout(model, Team(toy.CPU)), make_optimizer(model, settings.critic))


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("rloo", {}),
        ("grpo", {"epochs": 2}),
        ("grpo", {"advantages": "centred", "denominator": "constant", "minibatches": 1, "refills": 1}),
        ("ppo", {"answers_per_prompt": 4}),
    ],
)
def test_a_verifiable_reward_rises_on_requests_that_were_not_trained_on(
    tmp_path: Path, method: str, more: dict[str, Any]
) -> None:
    who = toy.players(even)
    group = toy.answers(who.policy, 1)
    before = even(group.rollout.tokens, group.totals).mean()
    rows = follow(who, method, tmp_path, kl_weight=0.0, kl_budget=0.0, **more)
    group = toy.answers(who.policy, 1)
    after = even(group.rollout.tokens, group.totals).mean()
    assert 0.3 < before < 0.6
    assert after > 0.8
    assert all(row["mismatch"] < 1e-4 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_true_preference_rises_on_the_leash_and_falls_without_while_the_reward_rises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("trivium.rl.looks.rater.judge", toy.judge)
    reward = toy.learned_reward(seed)
    before = toy.mean_utility(toy.policy(seed))
    found = {}
    for name, leash in {
        "on": {"kl_weight": 0.2},
        "off": {"kl_weight": 0.0, "kl_budget": 0.0, "keep": "last"},
        "budget": {"kl_weight": 0.0, "kl_budget": 3.0},
    }.items():
        who = toy.players(reward, seed, whole=True)
        more = {"steps": 40, "look_every": 10, "fresh_ratings": "simulated:world", **leash}
        rows = follow(who, "rloo", tmp_path / name, **more)
        looks = [row for row in rows if "fresh_wins" in row]
        found[name] = (toy.mean_utility(who.policy), looks, panel(rows))
    on, looks, told = found["on"]
    assert on > before + 0.3
    assert told.state != "fooled"
    off, looks, told = found["off"]
    assert looks[-1]["heldout_reward"] > looks[0]["heldout_reward"] + 0.3  # the reward sees nothing but progress
    assert off < before - 3.0 and looks[-1]["fresh_wins"] < 0.3  # and the rater sees the opposite
    assert told.state == "fooled" and any("over-optimised" in line for line in told.warnings)
    kept, looks, _ = found["budget"]
    assert kept > before and looks[-1]["step"] < 40  # stopped early, and its best look kept
