"""Alignment by policy gradient: PPO, with a critic that foretells what each token of an answer will earn.

Draw answers from the policy `old`. With reward r, reference policy ref (the instruction-tuned model), critic V and t the tokens
of an answer,

    r_t = -beta * (log old(y_t) - log ref(y_t)),  and r(x, y) more at the last token
    delta_t = r_t + gamma V_{t+1} - V_t;   A_t = delta_t + gamma lambda A_{t+1};   R_t = A_t + V_t
    policy: minimise  mean_t max(-A_t q_t, -A_t clip(q_t, 1 - e, 1 + e)),  q_t = policy(y_t) / old(y_t), A whitened
    critic: minimise  mean_t max((v_t - R_t)^2, (V_t + clip(v_t - V_t, -c, c) - R_t)^2) / 2

over a few epochs of minibatches. Schulman et al. 2017, eq. 7, and 2016, eq. 16; for language models Ziegler et al. 2019 and
Stiennon et al. 2020, from which: the critic starts as the reward model (its last layer at zero), learns alone at first, and
beta adapts to a target. Departures: critic and policy are two models with an optimizer each, so no weight lies between
their losses; the last token that earns the reward is the end token itself; and, as in RLOO, `unended_reward` and the loss of
instructions beside it.

Legend: B answers, T tokens, N tokens of the answers in a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from trivium.base.progress import Context
from trivium.optim.settings import OptimizerSettings
from trivium.rl.reward_settings import faults_of, outside
from trivium.rl.settings import PolicySettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from trivium.base.words import Batch
    from trivium.model.transformer import Transformer
    from trivium.rl.course import Learner
    from trivium.rl.players import Players
    from trivium.rl.rollouts import Group, Part
    from trivium.train.distributed import Team

NEEDS = ("gather", "finetune", "reward")
PARALLEL = True
NOT_IN_KEY = ("accept",)
check, depends_on = faults_of, outside


class PpoSettings(PolicySettings):
    """Steps, sizes, the leash and the critic."""

    method: Literal["ppo"] = Field(default="ppo", description="PPO: a critic, and several clipped updates a draw")
    answers_per_prompt: int = Field(default=8, ge=1, description="answers to each request; no group is compared")
    epochs: int = Field(default=2, ge=1, description="how often a draw is learned from")
    minibatches: int = Field(default=2, ge=1, description="updates in an epoch, each with its share of the answers")
    clip: float = Field(default=0.2, gt=0, lt=1, description="how far a ratio may move")
    gamma: float = Field(default=1.0, gt=0, le=1, description="worth of the next token's reward beside this one's")
    gae_lambda: float = Field(default=0.95, ge=0, le=1, description="trust in rewards that came (1) or the critic (0)")
    value_clip: float = Field(default=0.2, gt=0, description="how far a value may move in a step")
    critic_warmup: int = Field(default=5, ge=0, description="first steps in which the critic alone learns")
    critic: OptimizerSettings = OptimizerSettings(name="adamw", adam_learning_rate=5e-4, beta2=0.95, epsilon=1e-5)
    kl_target: float = Field(default=0.0, ge=0, description="nats an answer that kl_weight adapts to. 0: it stays")
    kl_horizon: float = Field(default=10_000.0, gt=0, description="answers; the longer, the slower it adapts")
    optimizer: OptimizerSettings = OptimizerSettings(name="adamw", adam_learning_rate=1e-4, beta2=0.95, epsilon=1e-5)

    @property
    def updates(self) -> int:
        return self.epochs * self.minibatches

    @model_validator(mode="after")
    def _sizes(self) -> PpoSettings:
        answers = self.prompts_per_step * self.answers_per_prompt
        if self.minibatches > answers:
            raise ValueError(f"minibatches is {self.minibatches}; a step has {answers} answers to share between them")
        return self


def run(settings: PpoSettings, context: Context) -> dict[str, Any]:
    """Train the policy, and leave it in `context.folder`. Returns the headline figures."""
    from trivium.rl.players import gather_players, headline, leave_model
    from trivium.train.distributed import join

    with join(context, "float32") as team:
        players = gather_players(context, team, settings)
        learn(players, make_critic(settings, context, team), settings, context)
        leave_model(players, settings, context)
    return headline(context.folder) if context.ranks.first else {}


def make_critic(settings: PpoSettings, context: Context, team: Team) -> Learner:
    """The reward model with a last layer that says zero, and its optimizer."""
    import torch

    from trivium.model.folder import load
    from trivium.rl.course import Learner
    from trivium.train.fit import make_optimizer
    from trivium.train.layout import place

    critic = load(context.inputs["reward"], head="score")
    with torch.no_grad():
        for parameter in critic.head_out.parameters():
            parameter.zero_()
    layout = place(critic, team, whole=True)
    return Learner(layout, make_optimizer(critic, settings.critic, layout))


def learn(players: Players, critic: Learner, settings: PpoSettings, context: Context) -> None:
    """The loop: draw, score, a few updates of critic and policy. All processes run it in step, each with its answers."""
    from trivium.base.seeds import torch_random
    from trivium.optim.schedule import rate_factor
    from trivium.rl import answers
    from trivium.rl.controllers import AdaptiveKL
    from trivium.rl.course import Course, Learner
    from trivium.rl.rollouts import parts_of
    from trivium.train.fit import make_optimizer

    team, policy = players.team, make_optimizer(players.policy, settings.optimizer, players.layout)
    leash = AdaptiveKL(settings.kl_weight, settings.kl_target, settings.kl_horizon)
    learners = {"policy": Learner(players.layout, policy), "critic": critic}
    course = Course(players, settings, context, learners, {"leash": leash})
    for step in course.steps():
        group = answers.collect(players, settings, context.seed, step)
        rewards, reference = answers.reward(players, group, settings), answers.refer_as_needed(players, group, settings)
        kl, weight = answers.sequence_kl(group, reference), leash.weight
        error = answers.sampler_error(players, group, settings)
        course.guards.check_mismatch(step + 1, error)
        columns = token_columns(group, rewards, reference, critic.layout.model, weight, settings, team)
        tally = {"clip_share": 0.0, "policy_moved": 0.0, "value_error": 0.0}
        factor, norm = rate_factor(step, settings.steps, settings.schedule), 0.0
        scored = rewards.isfinite().nonzero().flatten()
        random = torch_random(context.seed, "align", "minibatches", step)
        for number, rows in enumerate(answers.shuffled(scored, settings.epochs, settings.minibatches, random)):
            parts = parts_of(group, rows, settings.micro_batches, columns)
            add_critic_gradients(critic, parts, settings, tally)
            course.guards.step(step + 1, critic.optimizer, factor, "critic")
            if step >= settings.critic_warmup:
                update = step * settings.updates + number
                lessons = players.instructions.batches(update) if settings.instruction_weight else []
                add_gradients(players, parts, settings, lessons, tally)
                norm = course.guards.step(step + 1, policy, factor)
        every = team.rows(answers.answer_figures(group, rewards, kl, rewards))
        figures = answers.describe(every, settings.answers_per_prompt)
        del figures["zero_spread"]  # nothing is compared inside a group
        leash.update(figures["kl"], len(every))
        figures |= {"gradient_norm": norm, **error.figures(), "kl_weight": weight}
        figures["explained"] = explained(columns, group, team)
        course.end(step, every[:, 0], figures | {name: value / settings.updates for name, value in tally.items()})
    course.leave()


def token_columns(
    group: Group,
    rewards: Tensor,
    reference: Tensor,
    critic: Transformer,
    kl_weight: float,
    settings: PpoSettings,
    team: Team,
) -> dict[str, Tensor]:
    """What the objectives need of each token, (B, T): `old` log-probabilities, `values`, `returns`, `advantages`."""
    import torch

    from trivium.loss.advantages import generalised, moments, rewards_of_tokens, whitened
    from trivium.rl.rollouts import over_answers

    rollout = group.rollout
    critic.eval()
    with torch.no_grad():
        values = over_answers(rollout, lambda part: values_of(critic, part))
    scores = rewards.nan_to_num(0.0, 0.0, 0.0)  # answers that could not be scored are in no update
    earned = rewards_of_tokens(scores, rollout.logprobs - reference, rollout.mask, kl_weight)
    advantages, returns = generalised(earned, values, rollout.mask, settings.gamma, settings.gae_lambda)
    counted = rollout.mask & rewards.isfinite()[:, None]
    advantages = whitened(advantages, counted, team.sum(*moments(advantages, counted)))
    return {"old": rollout.logprobs, "values": values, "returns": returns, "advantages": advantages}


def values_of(critic: Transformer, part: Part) -> Tensor:
    """What the critic foretells before each of the part's N answer tokens, (N,)."""
    from trivium.rl.rollouts import foretelling

    return critic.scores(foretelling(critic, part)).float()


def add_critic_gradients(
    critic: Learner, parts: Sequence[Part], settings: PpoSettings, tally: dict[str, float]
) -> None:
    """The critic's gradient on one update's `parts`, a mean over tokens. Adds its error to `tally`."""
    from trivium.loss.policy import clipped_value_error
    from trivium.train.step import accumulate

    def objective(model: Transformer, part: Part) -> Tensor:
        own = part.columns
        return clipped_value_error(values_of(model, part), own["values"], own["returns"], settings.value_clip).sum()

    layout = critic.layout
    layout.model.train()
    (tokens,) = layout.team.sum(sum(len(part.columns["old"]) for part in parts))
    error = accumulate(layout.model, parts, objective, max(tokens, 1.0), layout.team.machine, layout.before_last)
    layout.reduce()
    tally["value_error"] += layout.team.sum(float(error.sum()))[0]


def add_gradients(
    players: Players,
    parts: Sequence[Part],
    settings: PpoSettings,
    lessons: Sequence[Batch],
    tally: dict[str, float],
) -> None:
    """The policy's gradient on one update's `parts`, a mean over tokens, and that of `lessons`. Adds to `tally` the share of
    tokens at the clip, and how far the policy has moved from its draws (k3)."""
    from trivium.loss.policy import clipped, k3
    from trivium.rl.rollouts import part_log_probabilities
    from trivium.train.step import accumulate, next_token_loss, supervised_tokens

    def objective(policy: Transformer, part: Part) -> Tensor:
        own = part.columns
        chosen = part_log_probabilities(policy, part, settings.temperature)  # (N,)
        losses, cut = clipped(chosen, own["old"], own["advantages"], settings.clip, settings.clip)
        seen["clip_share"] += float(cut.sum())
        seen["policy_moved"] += float(k3(own["old"], chosen.detach()).sum())
        return losses.sum()

    layout, machine, seen = players.layout, players.team.machine, {"clip_share": 0.0, "policy_moved": 0.0}
    players.policy.train()
    own = sum(len(part.columns["old"]) for part in parts)
    tokens, learned = players.team.sum(own, supervised_tokens(lessons))
    accumulate(players.policy, parts, objective, max(tokens, 1.0), machine, *([] if lessons else [layout.before_last]))
    if lessons:
        learned /= settings.instruction_weight
        accumulate(players.policy, lessons, next_token_loss, learned, machine, layout.before_last)
    layout.reduce()
    for name, value in zip(seen, players.team.sum(*seen.values()), strict=True):
        tally[name] += value / max(tokens, 1.0)


def explained(columns: Mapping[str, Tensor], group: Group, team: Team) -> float:
    """The share of the returns' variance that the critic foretold: 1 is all, 0 no more than their mean."""
    from trivium.loss.advantages import moments

    mask, returns = group.rollout.mask, columns["returns"]
    errors = team.sum(*moments(returns - columns["values"], mask))
    known = team.sum(*moments(returns, mask))
    left, whole = (squares / count - (total / count) ** 2 for count, total, squares in (errors, known))
    return 1.0 - left / whole if whole > 0 else 0.0
