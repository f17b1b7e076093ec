"""Rewards: what answers are worth. A learned scorer of conversations, with the normaliser that gives its numbers a fixed
meaning, verifiers, and their weighted sum.

A part that cannot say makes an answer unscorable: not zero, but not a number, and whoever learns from it leaves it out.
Legend: P prompts, G answers a prompt, B = P*G rows, T tokens.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trivium.base.files import read_json, write_json
from trivium.model.folder import load
from trivium.model.ragged import ragged, read
from trivium.model.transformer import Transformer
from trivium.rl.prompts import Prompt
from trivium.rl.reward_settings import Learned, RewardPart, UnitTests
from trivium.rl.rollouts import Group
from trivium.rl.verifiers import Tell, Verifier, verifier_of
from trivium.tokenizer import Tokenizer

NORMALISER = Path("trivium") / "normaliser.json"
AT_ONCE = 4  # processes that run a model's code


def last_token_scores(model: Transformer, tokens: Tensor, lengths: Tensor) -> Tensor:
    """The score (B,) at the last real token of each right-padded row (B, T); `lengths` (B,) count real tokens."""
    last = torch.arange(tokens.shape[1], device=tokens.device) == lengths[:, None] - 1  # (B, T)
    return model.scores(read(model, ragged(tokens, lengths, last)))


@dataclass(frozen=True)
class Normaliser:
    """Mean and spread of the raw score on answers of the model that is to be aligned (Ziegler et al. 2019): reward 0
    is its average answer, and one unit is one standard deviation, so that a KL weight keeps its meaning."""

    mean: float
    spread: float

    def __call__(self, scores: Tensor) -> Tensor:
        return (scores - self.mean) / self.spread


def normaliser_of(scores: Sequence[float]) -> Normaliser:
    """The normaliser that these scores ask for."""
    return Normaliser(statistics.fmean(scores), max(statistics.stdev(scores) if len(scores) > 1 else 0.0, 1e-6))


@dataclass(frozen=True)
class LearnedReward:
    """A reward model with its normaliser."""

    model: Transformer
    normaliser: Normaliser

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Rewards (B,) of right-padded conversations (B, T)."""
        return self.normaliser(last_token_scores(self.model, tokens, lengths))


@dataclass(frozen=True)
class Scored:
    """`total` float32 (B,), NaN where an answer cannot be scored; `parts` (B,) by name, before their weights."""

    total: Tensor
    parts: Mapping[str, Tensor]


@dataclass(frozen=True)
class Rewards:
    """The weighted sum of a learned reward and of verifiers, each by name."""

    learned: Mapping[str, LearnedReward]
    verified: Mapping[str, Verifier]
    weights: Mapping[str, float]
    tokenizer: Tokenizer
    slow: bool = False

    def __call__(self, group: Group) -> Scored:
        """What the answers of a group are worth; a verifier needs to know what was `asked`."""
        tokens, device = group.rollout.tokens, group.rollout.tokens.device
        parts = {name: reward(tokens, group.totals) for name, reward in self.learned.items()}
        if self.verified:
            rows = [
                (prompt, self.tokenizer.decode(answer).strip(), len(answer))
                for prompt, answer in zip(group.asked, group.answers, strict=True)
            ]
            parts |= {name: self._verify(one, rows).to(device) for name, one in self.verified.items()}
        total = torch.stack([self.weights[name] * value for name, value in parts.items()]).sum(dim=0)
        return Scored(torch.where(total.isfinite(), total, torch.nan), parts)

    def _verify(self, verifier: Verifier, rows: Sequence[tuple[Prompt, str, int]]) -> Tensor:
        if not self.slow:
            return torch.tensor([verifier(*row) for row in rows], dtype=torch.float32)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return torch.tensor(list(threads.map(lambda row: verifier(*row), rows)), dtype=torch.float32)


def load_rewards(
    parts: Sequence[RewardPart], inputs: Mapping[str, Path], tokenizer: Tokenizer, device: torch.device, tell: Tell
) -> Rewards:
    """The reward of these parts; `inputs` has the folder of the stage `reward` where a part is learned. `tell` takes sentences
    about what goes wrong while scoring. Raises UserError where a part cannot be had."""
    learned: dict[str, LearnedReward] = {}
    verified: dict[str, Verifier] = {}
    weights: dict[str, float] = {}
    for part in parts:
        count = sum(name.partition("-")[0] == part.kind for name in weights)
        name = f"{part.kind}-{count + 1}" if count else part.kind
        weights[name] = part.weight
        if isinstance(part, Learned):
            learned[name] = load_reward(inputs["reward"], device)
        else:
            verified[name] = verifier_of(part, tell)
    return Rewards(learned, verified, weights, tokenizer, slow=any(isinstance(part, UnitTests) for part in parts))


def save_normaliser(normaliser: Normaliser, folder: Path) -> None:
    write_json(folder / NORMALISER, {"mean": normaliser.mean, "spread": normaliser.spread})


def load_reward(folder: Path, device: torch.device) -> LearnedReward:
    """The reward in a stage's folder."""
    content = read_json(folder / NORMALISER)
    model = load(folder, head="score").to(device).eval()
    return LearnedReward(model, Normaliser(content["mean"], content["spread"]))
