"""A step's answers: drawn from the policy, scored, described. What every policy gradient begins with.

Legend: P prompts, G answers a prompt, B = P*G, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trivium.base.seeds import derive
from trivium.base.words import Rollout
from trivium.data.order import permute
from trivium.generate.sampling import Sampling
from trivium.loss.advantages import spread_out
from trivium.loss.policy import kl_to_reference
from trivium.rl.players import Players
from trivium.rl.prompts import Prompt
from trivium.rl.rollouts import Group, Mismatch, answer_log_probabilities, concatenate, mismatch, sample_groups, select
from trivium.rl.settings import PolicySettings

CHECKED = 8  # answers of a step
WATCHED = 16  # answers of a step whose KL is told where nothing learns from it


def collect(players: Players, settings: PolicySettings, seed: int, step: int) -> Group:
    """Draw this process's answers of a 0-based step: a pure function of weights, seed and step."""
    count = len(players.prompts)
    own = players.team.ranks.share(settings.prompts_per_step)
    numbers = [step * settings.prompts_per_step + place for place in own]
    prompts = [players.prompts[permute(number % count, count, seed, number // count)] for number in numbers]
    return draw(players, prompts, settings, derive(seed, "align", step), own.start)


def draw(players: Players, prompts: Sequence[Prompt], settings: PolicySettings, seed: int, first: int = 0) -> Group:
    """The answers to `prompts`, drawn with `seed` as numbers `first` and on."""
    players.policy.eval()
    group = sample_groups(
        players.engine,
        [prompt.ids for prompt in prompts],
        settings.answers_per_prompt,
        Sampling(settings.max_new_tokens, settings.temperature),
        seed,
        players.tokenizer.pad,
        first,
    )
    return replace(group, asked=[prompt for prompt in prompts for _ in range(settings.answers_per_prompt)])


def refill(
    players: Players, settings: PolicySettings, drawn: tuple[Group, Tensor], alike: Tensor, seed: int, step: int
) -> tuple[Group, Tensor]:
    """What was `drawn` (answers and rewards), the groups where `alike` (P,) is True replaced by answers to other requests.

    Groups that stay come first. A pure function as `collect` is; `seed` must be one for each refill of a step.
    """
    group, rewards = drawn
    count, size = len(players.prompts), settings.answers_per_prompt
    own = players.team.ranks.share(settings.prompts_per_step)
    numbers = [step * settings.prompts_per_step + own[place] for place in alike.nonzero().flatten().tolist()]
    prompts = [players.prompts[permute(number % count, count, seed, number // count)] for number in numbers]
    other = draw(players, prompts, settings, derive(seed, "align", step), own.start)
    kept = (~alike).repeat_interleave(size).nonzero().flatten()
    joined = [select(group, kept), other] if len(kept) else [other]
    return concatenate(joined, players.tokenizer.pad), torch.cat([rewards[kept], reward(players, other, settings)])


def shuffled(rows: Tensor, epochs: int, minibatches: int, random: torch.Generator) -> list[Tensor]:
    """`rows` in `epochs` random orders, each cut into `minibatches`; some are empty where there are fewer rows."""
    return [
        part
        for _ in range(epochs)
        for part in rows[torch.randperm(len(rows), generator=random).to(rows.device)].tensor_split(minibatches)
    ]


def reward(players: Players, group: Group, settings: PolicySettings) -> Tensor:
    """What each answer earns, (B,); not a number where it could not be scored."""
    rewards = players.reward(group).total
    return torch.where(group.rollout.ended, rewards, torch.full_like(rewards, settings.unended_reward))


def refer(players: Players, group: Group, settings: PolicySettings) -> Tensor:
    """Log-probabilities of the answers' tokens under the reference (B, T), zero outside the mask."""
    with torch.inference_mode(), players.as_reference() as reference:
        known = answer_log_probabilities(reference, group.rollout, settings.temperature)
    return known.clone()


def refer_as_needed(players: Players, group: Group, settings: PolicySettings) -> Tensor:
    """`refer`; where `kl_weight` is 0 only of the first `WATCHED` answers, which is enough to tell the KL and to stop at its
    budget, and not a number for the others."""
    if settings.kl_weight:
        return refer(players, group, settings)
    known = torch.full_like(group.rollout.logprobs, torch.nan)
    known[:WATCHED] = refer(players, replace(group, rollout=_first(group.rollout, WATCHED)), settings)
    return known


def _first(rollout: Rollout, rows: int) -> Rollout:
    """The first `rows` answers."""
    return Rollout(rollout.tokens[:rows], rollout.logprobs[:rows], rollout.mask[:rows], rollout.ended[:rows])


def sequence_kl(group: Group, reference: Tensor) -> Tensor:
    """log policy - log reference of each answer when it was drawn, in nats, (B,)."""
    rollout = group.rollout
    return kl_to_reference(rollout.logprobs, reference, rollout.mask)


def sampler_error(players: Players, group: Group, settings: PolicySettings) -> Mismatch:
    """How far the sampler's log-probabilities are from the trainer's in a few answers, over all processes. Before an update the
    two have the same weights."""
    part = _first(group.rollout, CHECKED)
    with torch.inference_mode():
        own = mismatch(part, answer_log_probabilities(players.policy, part, settings.temperature))
    return Mismatch(players.team.largest(own.largest), players.team.largest(own.typical))


def answer_figures(group: Group, rewards: Tensor, kl: Tensor, returns: Tensor) -> Tensor:
    """Of each answer its reward, KL, length, whether it ended, the surprise of its draws in nats, the share of its tokens
    that repeat, and what its advantage was made of: float32 (B, 7)."""
    rollout = group.rollout
    surprise = -(rollout.logprobs * rollout.mask).sum(dim=1)
    repeated = torch.tensor([repetition(answer) for answer in group.answers], device=rewards.device)
    columns = [rewards, kl, group.lengths, rollout.ended, surprise, repeated, returns]
    return torch.stack([column.float() for column in columns], dim=1)


def repetition(answer: list[int]) -> float:
    """The share of an answer's runs of three tokens that it has said before."""
    runs = list(zip(answer, answer[1:], answer[2:], strict=False))
    return 1.0 - len(set(runs)) / len(runs) if runs else 0.0


def describe(every: Tensor, group_size: int) -> dict[str, float]:
    """What the log says of a step, from the `answer_figures` of all its answers (B, 7). Those that could not be scored are
    counted, and left out of the reward's mean; the KL is that of the answers of which it is known. No loss is among it: it
    says nothing here, the reward is the progress."""
    rewards, kl, lengths, ended, surprise, repeated, returns = every.unbind(dim=1)
    tokens, known = float(lengths.sum()), kl.isfinite()
    scored = rewards[rewards.isfinite()]
    return {
        "reward": float(scored.mean()),
        "reward_spread": float(scored.std()) if len(scored) > 1 else 0.0,
        "unscored": 1.0 - len(scored) / len(rewards),
        "kl": float(kl[known].mean()),
        "kl_per_token": float(kl[known].sum() / lengths[known].sum()),
        "entropy": float(surprise.sum()) / tokens,
        "length": tokens / len(rewards),
        "ended": float(ended.mean()),
        "repetition": float(repeated.mean()),
        "zero_spread": 1.0 - float(spread_out(returns.view(-1, group_size)).float().mean()),
    }
