"""Alignment by policy gradient: RLOO, REINFORCE with the other answers of a group as the baseline.

For each prompt x draw G answers y_i from the policy; with reward r and reference policy ref (the instruction-tuned model),

    R_i = r(x, y_i) - beta * (log policy(y_i|x) - log ref(y_i|x))
    A_i = R_i - mean over j != i of R_j
    gradient of -1/B sum_i A_i log policy(y_i|x)

Kool et al. 2019; Ahmadian et al. 2024, eq. 7. The KL penalty stands in the reward (its estimator k1), so its gradient is
that of the reverse KL. Departures: one update for each draw, so no ratio and no clipping; an answer that did not end by
itself gets `unended_reward` in place of its score; the sum over tokens is divided by the number of answers, a constant;
the gradient of the instruction-tuning loss is added with weight `instruction_weight` (Ouyang et al. 2022, eq. 2, with
instructions in place of pre-training text), so that what was learned there is not forgotten.

Legend: P prompts, G answers a prompt, B = P*G.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.progress import Context
from trivium.rl.reward_settings import faults_of, outside
from trivium.rl.settings import PolicySettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trivium.base.words import Batch
    from trivium.model.transformer import Transformer
    from trivium.rl.players import Players
    from trivium.rl.rollouts import Group, Part

NEEDS = ("gather", "finetune")
WANTS = ("reward",)
PARALLEL = True
NOT_IN_KEY = ("accept",)
check, depends_on = faults_of, outside


class AlignSettings(PolicySettings):
    """Steps, group sizes and the leash."""

    method: Literal["rloo"] = Field(default="rloo", description="RLOO: one update a draw, the others are the baseline")


def run(settings: AlignSettings, context: Context) -> dict[str, Any]:
    """Train the policy, and leave it in `context.folder`. Returns the headline figures."""
    from trivium.rl.players import gather_players, headline, leave_model
    from trivium.train.distributed import join

    with join(context, "float32") as team:
        players = gather_players(context, team, settings)
        learn(players, settings, context)
        leave_model(players, settings, context)
    return headline(context.folder) if context.ranks.first else {}


def learn(players: Players, settings: AlignSettings, context: Context) -> None:
    """The loop: draw, score, update. All processes run it in step, each with its share of the prompts."""
    from trivium.loss.policy import penalised
    from trivium.optim.schedule import rate_factor
    from trivium.rl.answers import (
        answer_figures,
        collect,
        describe,
        refer_as_needed,
        reward,
        sampler_error,
        sequence_kl,
    )
    from trivium.rl.course import Course, Learner
    from trivium.train.fit import make_optimizer

    optimizer = make_optimizer(players.policy, settings.optimizer, players.layout)
    course = Course(players, settings, context, {"policy": Learner(players.layout, optimizer)})
    for step in course.steps():
        group = collect(players, settings, context.seed, step)
        rewards = reward(players, group, settings)
        kl = sequence_kl(group, refer_as_needed(players, group, settings))
        returns = penalised(rewards, kl, settings.kl_weight)
        error = sampler_error(players, group, settings)
        course.guards.check_mismatch(step + 1, error)
        lessons = players.instructions.batches(step) if settings.instruction_weight else []
        add_gradients(players, group, advantage(returns, settings.answers_per_prompt), settings, lessons)
        norm = course.guards.step(step + 1, optimizer, rate_factor(step, settings.steps, settings.schedule))
        every = players.team.rows(answer_figures(group, rewards, kl, returns))
        figures = describe(every, settings.answers_per_prompt)
        course.end(step, every[:, 0], figures | {"gradient_norm": norm, **error.figures()})
    course.leave()


def advantage(returns: Tensor, group_size: int) -> Tensor:
    """Advantages (B,) of returns (B,): each minus the mean of its group's others."""
    from trivium.loss.advantages import leave_one_out

    return leave_one_out(returns.view(-1, group_size)).flatten()


def add_gradients(
    players: Players, group: Group, advantages: Tensor, settings: AlignSettings, lessons: Sequence[Batch] = ()
) -> None:
    """The policy gradient, and that of `lessons`, each divided by its count over all processes."""
    import torch

    from trivium.loss.language import linear_cross_entropy
    from trivium.rl.rollouts import foretelling, parts_of
    from trivium.train.step import accumulate, next_token_loss, supervised_tokens

    def objective(policy: Transformer, part: Part) -> Tensor:
        hidden = foretelling(policy, part) / settings.temperature  # (N, D)
        return linear_cross_entropy(hidden, policy.output_weight, part.targets, part.columns["advantages"])

    layout, machine = players.layout, players.team.machine
    players.policy.train()
    answers, learned = players.team.sum(len(advantages), supervised_tokens(lessons))
    columns = {"advantages": advantages[:, None].expand_as(group.rollout.mask)}
    every = torch.arange(len(advantages), device=advantages.device)
    parts = parts_of(group, every, settings.micro_batches, columns)
    accumulate(players.policy, parts, objective, answers, machine, *([] if lessons else [layout.before_last]))
    if lessons:
        learned /= settings.instruction_weight
        accumulate(players.policy, lessons, next_token_loss, learned, machine, layout.before_last)
    layout.reduce()
