"""Alignment by policy gradient: GRPO, a clipped objective with the group's own spread as the unit of reward.

For each prompt x draw G answers y_i from the policy `old`; with reward r and reference policy ref (the instruction-tuned model),

    R_i = r(x, y_i) - beta * (log old(y_i|x) - log ref(y_i|x))
    A_i = (R_i - mean_j R_j) / (std_j R_j + 1e-4)
    minimise  1/N sum_i w_i sum_t max(-A_i q_it, -A_i clip(q_it, 1 - low, 1 + high)),   q_it = policy(y_it) / old(y_it)

over several updates of one draw. Shao et al. 2024 (DeepSeekMath), eq. 3. Corrections, each a setting:

- `advantages: centred` leaves the division out: it makes questions that are too easy or too hard count more; `denominator:
  constant` divides by the length limit and not by the answer's own length, which favours short right and long wrong
  answers (Liu et al. 2025, Dr. GRPO);
- `denominator: token` counts every token alike, `clip_high` above `clip_low` leaves unlikely tokens room to grow, `refills`
  draws other requests in place of groups without spread, `overlong` makes the last tokens before the limit dear (Yu et al.
  2025, DAPO, eqs. 8 to 13).

The KL penalty stands in the reward (k1), not in the loss as in the paper: there its gradient is not that of the reverse KL.
`kl_in: loss` is the paper's form (k3). Other departures are RLOO's: `unended_reward`, and the loss of instructions beside it.

Legend: P prompts, G answers a prompt, B = P*G, T tokens, N the denominator: answers, or tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

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


class GrpoSettings(PolicySettings):
    """Steps, group sizes, the leash, and which form of the objective."""

    method: Literal["grpo"] = Field(default="grpo", description="GRPO: several clipped updates a draw")
    epochs: int = Field(default=1, ge=1, description="how often a draw is learned from")
    minibatches: int = Field(default=2, ge=1, description="updates in an epoch, each with its share of the answers")
    advantages: Literal["normalised", "centred"] = Field(
        default="normalised", description="by the group's standard deviation, or not (Dr. GRPO)"
    )
    denominator: Literal["sequence", "token", "constant"] = Field(
        default="token", description="of the sum over tokens: own length, all tokens (DAPO), the limit (Dr. GRPO)"
    )
    clip_low: float = Field(default=0.2, gt=0, lt=1, description="how far a ratio may fall")
    clip_high: float = Field(
        default=0.28, gt=0, description="how far it may rise (DAPO); in GRPO as far as it may fall"
    )
    refills: int = Field(default=0, ge=0, description="draws in place of groups without spread, at most (DAPO)")
    overlong: int = Field(
        default=0, ge=0, description="tokens before the limit that cost up to 1 reward (DAPO). 0: none"
    )
    kl_in: Literal["reward", "loss"] = Field(default="reward", description="k1 in the reward, or k3 in the loss")

    @property
    def updates(self) -> int:
        return self.epochs * self.minibatches

    @model_validator(mode="after")
    def _sizes(self) -> GrpoSettings:
        answers = self.prompts_per_step * self.answers_per_prompt
        if self.minibatches > answers:
            raise ValueError(f"minibatches is {self.minibatches}; a step has {answers} answers to share between them")
        if self.overlong > self.max_new_tokens:
            raise ValueError(f"overlong is {self.overlong}; an answer has at most {self.max_new_tokens} tokens")
        return self


def run(settings: GrpoSettings, context: Context) -> dict[str, Any]:
    """Train the policy, and leave it in `context.folder`. Returns the headline figures."""
    from trivium.rl.players import gather_players, headline, leave_model
    from trivium.train.distributed import join

    with join(context, "float32") as team:
        players = gather_players(context, team, settings)
        learn(players, settings, context)
        leave_model(players, settings, context)
    return headline(context.folder) if context.ranks.first else {}


def learn(players: Players, settings: GrpoSettings, context: Context) -> None:
    """The loop: draw, score, a few updates. All processes run it in step, each with its share of the prompts."""
    from trivium.optim.schedule import rate_factor
    from trivium.rl.answers import answer_figures, describe, refer_as_needed, sampler_error, sequence_kl
    from trivium.rl.course import Course, Learner
    from trivium.rl.rollouts import parts_of
    from trivium.train.fit import make_optimizer

    optimizer = make_optimizer(players.policy, settings.optimizer, players.layout)
    course = Course(players, settings, context, {"policy": Learner(players.layout, optimizer)})
    for step in course.steps():
        group, rewards, worth, refilled = collect_with_spread(players, settings, context.seed, step)
        reference = refer_as_needed(players, group, settings)
        kl = sequence_kl(group, reference)
        error = sampler_error(players, group, settings)
        course.guards.check_mismatch(step + 1, error)
        columns = token_columns(group, worth, reference, settings)
        tally = {"clip_share": 0.0, "policy_moved": 0.0}
        for number, rows in enumerate(minibatches(worth, settings, context.seed, step)):
            update = step * settings.updates + number
            lessons = players.instructions.batches(update) if settings.instruction_weight else []
            parts = parts_of(group, rows, settings.micro_batches, columns)
            add_gradients(players, parts, len(rows), settings, lessons, tally)
            norm = course.guards.step(step + 1, optimizer, rate_factor(step, settings.steps, settings.schedule))
        every = players.team.rows(answer_figures(group, rewards, kl, worth))
        figures = describe(every, settings.answers_per_prompt)
        figures |= {"gradient_norm": norm, **error.figures(), "refilled": refilled}
        course.end(step, every[:, 0], figures | {name: value / settings.updates for name, value in tally.items()})
    course.leave()


def collect_with_spread(
    players: Players, settings: GrpoSettings, seed: int, step: int
) -> tuple[Group, Tensor, Tensor, float]:
    """This process's answers, their rewards and what they are worth (B,), and how many groups, over all processes, were
    drawn again because all their answers were worth the same."""
    from trivium.base.seeds import derive
    from trivium.loss.advantages import overlong, spread_out
    from trivium.rl.answers import collect, refill, reward

    def worth_of(group: Group, rewards: Tensor) -> Tensor:
        return rewards + overlong(group.lengths, settings.max_new_tokens, settings.overlong)

    group, refilled = collect(players, settings, seed, step), 0
    rewards = reward(players, group, settings)
    for number in range(settings.refills):
        alike = ~spread_out(worth_of(group, rewards).view(-1, settings.answers_per_prompt))
        if not bool(alike.any()):
            break
        refilled += int(alike.sum())
        own = derive(seed, "refill", number)
        group, rewards = refill(players, settings, (group, rewards), alike, own, step)
    return group, rewards, worth_of(group, rewards), players.team.sum(refilled)[0]


def token_columns(group: Group, worth: Tensor, reference: Tensor, settings: GrpoSettings) -> dict[str, Tensor]:
    """What the objective needs of each token, (B, T): `old` and `reference` log-probabilities, `advantages`, `weights`."""
    from trivium.loss.advantages import group_centred, group_normalised
    from trivium.loss.policy import kl_to_reference, penalised, token_weights

    rollout = group.rollout
    in_reward = settings.kl_weight if settings.kl_in == "reward" else 0.0
    returns = penalised(worth, kl_to_reference(rollout.logprobs, reference, rollout.mask), in_reward)
    beside = group_normalised if settings.advantages == "normalised" else group_centred
    advantages = beside(returns.view(-1, settings.answers_per_prompt)).flatten()
    return {
        "old": rollout.logprobs,
        "reference": reference,
        "advantages": advantages[:, None].expand_as(reference),
        "weights": token_weights(rollout.mask, settings.denominator, settings.max_new_tokens),
    }


def minibatches(worth: Tensor, settings: GrpoSettings, seed: int, step: int) -> list[Tensor]:
    """The rows of each update of a step, in random order. Groups that are all alike teach nothing but what the KL of chance
    says, so they are left out."""
    from trivium.base.seeds import torch_random
    from trivium.loss.advantages import spread_out
    from trivium.rl.answers import shuffled

    live = spread_out(worth.view(-1, settings.answers_per_prompt)).repeat_interleave(settings.answers_per_prompt)
    random = torch_random(seed, "align", "minibatches", step)
    return shuffled(live.nonzero().flatten(), settings.epochs, settings.minibatches, random)


def add_gradients(
    players: Players,
    parts: Sequence[Part],
    answers: int,
    settings: GrpoSettings,
    lessons: Sequence[Batch],
    tally: dict[str, float],
) -> None:
    """The gradient of one update on `parts`, which hold `answers` answers, and that of `lessons`, each divided by its count over
    all processes. Adds to `tally` the share of tokens at the clip, and how far the policy has moved from its draws (k3)."""
    from trivium.loss.policy import clipped, k3
    from trivium.rl.rollouts import part_log_probabilities
    from trivium.train.step import accumulate, next_token_loss, supervised_tokens

    def objective(policy: Transformer, part: Part) -> Tensor:
        own = part.columns
        chosen = part_log_probabilities(policy, part, settings.temperature)  # (N,)
        losses, cut = clipped(chosen, own["old"], own["advantages"], settings.clip_low, settings.clip_high)
        if settings.kl_in == "loss" and settings.kl_weight:
            losses = losses + settings.kl_weight * k3(chosen, own["reference"])
        seen["clip_share"] += float(cut.sum())
        seen["policy_moved"] += float(k3(own["old"], chosen.detach()).sum())
        return (losses * own["weights"]).sum()

    layout, machine, seen = players.layout, players.team.machine, dict.fromkeys(tally, 0.0)
    players.policy.train()
    own = sum(len(part.columns["old"]) for part in parts)
    tokens, every, learned = players.team.sum(own, answers, supervised_tokens(lessons))
    counted = tokens if settings.denominator == "token" else every
    accumulate(players.policy, parts, objective, max(counted, 1.0), machine, *([] if lessons else [layout.before_last]))
    if lessons:
        learned /= settings.instruction_weight
        accumulate(players.policy, lessons, next_token_loss, learned, machine, layout.before_last)
    layout.reduce()
    for name, value in zip(seen, players.team.sum(*seen.values()), strict=True):
        tally[name] += value / max(tokens, 1.0)
