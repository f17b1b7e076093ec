"""GRPO's gradient against the objective written out, and its draws in place of groups that teach nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.reference.rollouts import answer_log_probabilities
from tests.rl import toy
from trivium.rl.answers import WATCHED, answer_figures, describe, refer, refer_as_needed, sequence_kl
from trivium.rl.rollouts import parts_of
from trivium.stages.align_grpo import (
    GrpoSettings,
    add_gradients,
    collect_with_spread,
    minibatches,
    token_columns,
)

SMALL = {"prompts_per_step": 3, "answers_per_prompt": 4, "max_new_tokens": toy.LENGTH, "instruction_weight": 0.0}


def by_hand(who: Any, group: Any, worth: torch.Tensor, reference: torch.Tensor, settings: GrpoSettings) -> torch.Tensor:
    """The objective, token by token."""
    now = answer_log_probabilities(who.policy, group.rollout, settings.temperature)
    lengths = [len(answer) for answer in group.answers]
    total, rows = torch.zeros(()), range(len(lengths))
    size = settings.answers_per_prompt
    returns = []
    for row in rows:
        inside = group.rollout.mask[row]
        kl = float((group.rollout.logprobs[row] - reference[row])[inside].sum())
        returns.append(float(worth[row]) - (settings.kl_weight * kl if settings.kl_in == "reward" else 0.0))
    for row in rows:
        own = torch.tensor(returns[row // size * size : row // size * size + size])
        advantage = float(returns[row] - own.mean())
        advantage /= float(own.std() + 1e-4) if settings.advantages == "normalised" else 1.0
        weight = {"sequence": 1 / lengths[row], "token": 1.0, "constant": 1 / settings.max_new_tokens}
        for place in group.rollout.mask[row].nonzero().flatten().tolist():
            ratio = (now[row, place] - group.rollout.logprobs[row, place]).exp()
            clipped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
            loss = -torch.minimum(ratio * advantage, clipped * advantage)
            if settings.kl_in == "loss":
                difference = now[row, place] - reference[row, place]
                loss = loss + settings.kl_weight * ((-difference).exp() - 1 + difference)
            total = total + weight[settings.denominator] * loss
    return total / (sum(lengths) if settings.denominator == "token" else len(lengths))


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"denominator": "sequence", "kl_in": "loss", "clip_high": 0.2},
        {"denominator": "constant", "advantages": "centred", "micro_batches": 5},
    ],
)
def test_the_gradient_is_that_of_the_objective_as_it_is_written(form: dict[str, Any]) -> None:
    settings = GrpoSettings(**{**SMALL, "kl_weight": 0.2, "temperature": 0.9, **form})
    who = toy.players(lambda tokens, totals: tokens.sum(dim=1) % 7 / 3.0)
    group, _, worth, _ = collect_with_spread(who, settings, 1, 0)
    with torch.no_grad():  # the policy has moved since the draw, so that ratios differ from 1, some beyond the clip
        for number, parameter in enumerate(who.policy.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            parameter.add_(0.05 * noise)
    reference = refer(who, group, settings)
    expected = torch.autograd.grad(by_hand(who, group, worth, reference, settings), list(who.policy.parameters()))
    tally = {"clip_share": 0.0, "policy_moved": 0.0}
    rows = torch.arange(len(worth))
    parts = parts_of(group, rows, settings.micro_batches, token_columns(group, worth, reference, settings))
    add_gradients(who, parts, len(rows), settings, (), tally)
    for parameter, gradient in zip(who.policy.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)
    assert 0.05 < tally["clip_share"] < 0.95 and tally["policy_moved"] > 0


def test_groups_that_are_alike_are_drawn_again_and_left_out() -> None:
    settings = GrpoSettings(**SMALL, refills=2, minibatches=1, unended_reward=0.0)

    def reward(tokens: torch.Tensor, totals: torch.Tensor) -> torch.Tensor:
        """Differs inside a group only where the request begins with an even number."""
        return (totals % 2 == 0) * (tokens[:, 0] % 2 == 0).float()

    who = toy.players(reward)
    plain = collect_with_spread(who, settings.model_copy(update={"refills": 0}), 1, 0)
    group, _, worth, refilled = collect_with_spread(who, settings, 1, 0)
    again = collect_with_spread(who, settings, 1, 0)
    assert plain[3] == 0 and refilled > 0
    assert torch.equal(group.rollout.tokens, again[0].rollout.tokens)  # a pure function of the step

    def live(found: torch.Tensor) -> int:
        (rows,) = minibatches(found, settings, 1, 0)
        return len(rows)

    assert live(worth) > live(plain[2])
    assert live(torch.ones(12)) == 0
    starts = group.prompt_lengths[:, None]
    asked = [row[:start].tolist() for row, start in zip(group.rollout.tokens, starts.flatten(), strict=True)]
    assert all(asked[place] == asked[place // 4 * 4] for place in range(12))  # groups stay together


def test_settings_that_cannot_be_met_are_told() -> None:
    for wrong, told in (({"minibatches": 13}, "a step has 12 answers"), ({"overlong": 9}, "at most 8 tokens")):
        with pytest.raises(ValueError, match=told):
            GrpoSettings(**{**SMALL, **wrong})


def test_where_nothing_learns_from_the_kl_some_answers_tell_it() -> None:
    settings = GrpoSettings(**{**SMALL, "prompts_per_step": 8, "kl_weight": 0.0})
    who = toy.players(lambda tokens, totals: tokens.sum(dim=1) % 7 / 3.0)
    with torch.no_grad():
        who.policy.embedding.weight.mul_(1.5)  # no longer the reference
    group, rewards, worth, _ = collect_with_spread(who, settings, 1, 0)
    whole, some = refer(who, group, settings), refer_as_needed(who, group, settings)
    assert torch.equal(some[:WATCHED], whole[:WATCHED]) and bool(some[WATCHED:].isnan().all()) and len(some) > WATCHED
    assert torch.equal(refer_as_needed(who, group, settings.model_copy(update={"kl_weight": 0.1})), whole)
    kl = sequence_kl(group, whole)
    told = describe(answer_figures(group, rewards, sequence_kl(group, some), worth), 4)
    assert told["kl"] == pytest.approx(float(kl[:WATCHED].mean())) and abs(told["kl"]) > 1e-2
    assert told["kl_per_token"] == pytest.approx(float(kl[:WATCHED].sum() / group.lengths[:WATCHED].sum()))
    columns = [token_columns(group, worth, reference, settings) for reference in (whole, some)]
    assert torch.equal(columns[0]["advantages"], columns[1]["advantages"])
