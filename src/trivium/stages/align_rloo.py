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

import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import Interrupted
from trivium.base.progress import Context, MetricsFile, Progress
from trivium.optim.settings import OptimizerSettings, ScheduleSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trivium.base.words import Batch
    from trivium.model.transformer import Transformer
    from trivium.optim.optimizer import Optimizer
    from trivium.rl.players import Players
    from trivium.rl.rollouts import Group

NEEDS = ("gather", "finetune", "reward")
PARALLEL = True
ROWS = {"prompts": 1}


class AlignSettings(Settings):
    """Steps, group sizes and the leash."""

    method: Literal["rloo"] = Field(default="rloo", description="the only one so far")
    steps: int = Field(default=100, ge=1, description="draws and updates")
    prompts_per_step: int = Field(default=16, ge=1, description="requests in a step")
    answers_per_prompt: int = Field(default=8, ge=2, description="G: answers to each request")
    max_new_tokens: int = Field(default=48, ge=1, description="length limit of an answer, in tokens")
    temperature: float = Field(
        default=1.0, gt=0, description="of the draws; the policy that learns is the model at this temperature"
    )
    instruction_weight: float = Field(default=1.0, ge=0, description="weight of the instruction-tuning loss beside it")
    instruction_tokens: int = Field(default=1024, ge=64, description="tokens of instructions in a step, about")
    kl_weight: float = Field(default=0.05, ge=0, description="beta: reward units a nat of KL costs")
    kl_budget: float = Field(default=30.0, ge=0, description="nats a sequence; above it for three steps, stop. 0: none")
    unended_reward: float = Field(default=-2.0, description="reward of an answer that met the length limit")
    micro_batches: int = Field(
        default=2, ge=1, description="parts, by length, in which a step's answers are learned from"
    )
    optimizer: OptimizerSettings = OptimizerSettings(name="adamw", adam_learning_rate=3e-4, beta2=0.95)
    schedule: ScheduleSettings = ScheduleSettings(warmup=5, decay_share=0.3)


def run(settings: AlignSettings, context: Context) -> dict[str, Any]:
    """Train the policy, and leave it in `context.folder`. Returns the headline figures."""
    from trivium.rl.players import gather_players, headline
    from trivium.train.distributed import join
    from trivium.train.record import save_model_folder

    (own,) = context.ranks.parts(settings.prompts_per_step, settings.prompts_per_step)
    with join(context, "float32") as team:
        players = gather_players(context, team, len(own) * settings.answers_per_prompt, settings.instruction_tokens)
        learn(players, settings, context)
        save_model_folder(players.layout.whole(), players.tokenizer, context.folder)
    return headline(context.folder) if context.ranks.first else {}


def learn(players: Players, settings: AlignSettings, context: Context) -> None:
    """The loop: draw, score, update. All processes run it in step, each with its share of the prompts."""
    from trivium.optim.schedule import rate_factor
    from trivium.rl.guards import Guards
    from trivium.rl.players import resume, save_state
    from trivium.rl.rollouts import answer_figures
    from trivium.train.checkpoint import CHECKPOINT_SECONDS
    from trivium.train.fit import make_optimizer

    team, first = players.team, context.ranks.first
    optimizer = make_optimizer(players.policy, settings.optimizer, players.layout)
    guards = Guards(settings.kl_budget)
    done, seconds = resume(players, optimizer, guards, context, settings.steps)
    metrics = MetricsFile(context.folder / "trivium" / "metrics.jsonl", keep_until=done) if first else None
    saved = time.monotonic()
    while done < settings.steps:
        started = time.perf_counter()
        group = collect(players, settings, context.seed, done)
        rewards, kl = score(players, group, settings)
        every = team.rows(answer_figures(group, rewards, kl))
        guards.check_rewards(done + 1, every[:, 0])
        advantages = advantage(rewards - settings.kl_weight * kl, settings.answers_per_prompt)
        factor = rate_factor(done, settings.steps, settings.schedule)
        lessons = players.instructions.batches(done) if settings.instruction_weight else []
        norm, difference = update(players, optimizer, group, advantages, settings, factor, lessons)
        guards.check_mismatch(done + 1, difference)
        done += 1
        seconds += time.perf_counter() - started
        row = describe(every, settings) | {"gradient_norm": norm, "mismatch": difference}
        if metrics:
            metrics.write(step=done, seconds=round(seconds, 3), **row)
        shown = {key: row[key] for key in ("reward", "kl", "length")}
        context.report(Progress("align", done, settings.steps, figures=shown))
        spent = guards.spent(row["kl"])
        stopping, due = team.sum(context.stopping(), first and time.monotonic() - saved > CHECKPOINT_SECONDS)
        if stopping or due:
            save_state(players, optimizer, guards, context, done, seconds)
            saved = time.monotonic()
        if spent:
            note = f"stopped at step {done}: the KL is over its budget of {settings.kl_budget} nats"
            context.report(Progress("align", done, settings.steps, note=note))
            break
        if stopping:
            raise Interrupted(f"stopped after step {done} of {settings.steps}; everything is saved")
    optimizer.swap_in_average()


def collect(players: Players, settings: AlignSettings, seed: int, step: int) -> Group:
    """Draw this process's answers of a 0-based step: a pure function of weights, seed and step."""
    from trivium.base.seeds import derive
    from trivium.data.order import permute
    from trivium.generate.sampling import Sampling
    from trivium.rl.rollouts import sample_groups

    count = len(players.prompts)
    own = players.team.ranks.share(settings.prompts_per_step)
    numbers = [step * settings.prompts_per_step + place for place in own]
    prompts = [players.prompts[permute(number % count, count, seed, number // count)] for number in numbers]
    sampling = Sampling(settings.max_new_tokens, settings.temperature)
    players.policy.eval()
    return sample_groups(
        players.engine,
        prompts,
        settings.answers_per_prompt,
        sampling,
        derive(seed, "align", step),
        players.tokenizer.pad,
        own.start,
    )


def score(players: Players, group: Group, settings: AlignSettings) -> tuple[Tensor, Tensor]:
    """Rewards (B,) and KL to the reference (B,), summed over the answer's tokens, in nats."""
    import torch

    from trivium.loss.policy import kl_to_reference
    from trivium.rl.rollouts import answer_log_probabilities

    rollout = group.rollout
    rewards = players.reward(rollout.tokens, group.totals)
    rewards = torch.where(rollout.ended, rewards, torch.full_like(rewards, settings.unended_reward))
    with torch.inference_mode():
        reference = answer_log_probabilities(players.reference, rollout, settings.temperature)
    return rewards, kl_to_reference(rollout.logprobs, reference, rollout.mask)


def advantage(returns: Tensor, group_size: int) -> Tensor:
    """Advantages (B,) of returns (B,): each minus the mean of its group's others."""
    from trivium.loss.policy import leave_one_out

    return leave_one_out(returns.view(-1, group_size)).flatten()


def update(
    players: Players,
    optimizer: Optimizer,
    group: Group,
    advantages: Tensor,
    settings: AlignSettings,
    factor: float,
    lessons: Sequence[Batch] = (),
) -> tuple[float, float]:
    """One step along the policy gradient, and along that of `lessons`, both summed over all processes. Returns the
    gradient's norm, and how far sampler and trainer are apart."""
    import torch

    from trivium.rl.rollouts import answer_log_probabilities, mismatch
    from trivium.train.step import accumulate, next_token_loss, supervised_tokens

    rows = min(8, len(advantages))
    part = type(group.rollout)(
        *(getattr(group.rollout, name)[:rows] for name in ("tokens", "logprobs", "mask", "ended"))
    )
    with torch.inference_mode():
        difference = mismatch(part, answer_log_probabilities(players.policy, part, settings.temperature))
    players.policy.train()

    def objective(policy: Transformer, batch: Batch) -> Tensor:
        from trivium.loss.language import linear_cross_entropy

        hidden = policy(batch.tokens) / settings.temperature
        return linear_cross_entropy(hidden, policy.output_weight, batch.targets, batch.weights)

    layout, machine = players.layout, players.team.machine
    answers, learned = players.team.sum(len(advantages), supervised_tokens(lessons))
    parts = batches_of(group, advantages, settings.micro_batches)
    accumulate(players.policy, parts, objective, answers, machine, *([] if lessons else [layout.before_last]))
    if lessons:
        learned /= settings.instruction_weight
        accumulate(players.policy, lessons, next_token_loss, learned, machine, layout.before_last)
    layout.reduce()
    norm = optimizer.step(factor)
    optimizer.zero_gradients()
    return norm, players.team.largest(difference)


def batches_of(group: Group, advantages: Tensor, parts: int) -> list[Batch]:
    """Weighted next-token batches whose loss is the policy's: a token's weight is its answer's advantage. Short answers
    stand together, so that less is padding."""
    from trivium.base.words import Batch

    order = group.totals.argsort(stable=True)
    batches = []
    for rows in order.chunk(parts):
        width = int(group.totals[rows].max())
        tokens = group.rollout.tokens[rows, :width]
        weights = group.rollout.mask[rows, 1:width].float() * advantages[rows, None]
        batches.append(Batch(tokens[:, :-1], tokens[:, 1:], weights))
    return batches


def describe(every: Tensor, settings: AlignSettings) -> dict[str, float]:
    """What the log says of a step, from the `answer_figures` of all its answers (B, 5). Loss is near zero by construction and
    says nothing; the reward is the progress."""
    from trivium.rl.guards import zero_spread

    rewards, kl, lengths, ended, surprise = every.unbind(dim=1)
    tokens = float(lengths.sum())
    return {
        "reward": float(rewards.mean()),
        "reward_spread": float(rewards.std()),
        "kl": float(kl.mean()),
        "kl_per_token": float(kl.sum()) / tokens,
        "entropy": float(surprise.sum()) / tokens,
        "length": tokens / len(rewards),
        "ended": float(ended.mean()),
        "zero_spread": zero_spread((rewards - settings.kl_weight * kl).view(-1, settings.answers_per_prompt)),
    }
