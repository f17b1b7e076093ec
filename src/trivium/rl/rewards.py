"""Rewards: a learned scorer of conversations, with the normaliser that gives its numbers a fixed meaning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trivium.base.files import read_json, write_json
from trivium.model.folder import load
from trivium.model.transformer import Transformer

NORMALISER = Path("trivium") / "normaliser.json"


def last_token_scores(model: Transformer, tokens: Tensor, lengths: Tensor) -> Tensor:
    """The score (B,) at the last real token of each right-padded row (B, T); `lengths` (B,) count real tokens."""
    hidden = model(tokens)  # (B, T, D)
    return model.scores(hidden[torch.arange(len(tokens), device=tokens.device), lengths - 1])


@dataclass(frozen=True)
class Normaliser:
    """Mean and spread of the raw score on answers of the model that is to be aligned (Ziegler et al. 2019): reward 0
    is its average answer, and one unit is one standard deviation, so that a KL weight keeps its meaning."""

    mean: float
    spread: float

    def __call__(self, scores: Tensor) -> Tensor:
        return (scores - self.mean) / self.spread


@dataclass(frozen=True)
class LearnedReward:
    """A reward model with its normaliser."""

    model: Transformer
    normaliser: Normaliser

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Rewards (B,) of right-padded conversations (B, T)."""
        return self.normaliser(last_token_scores(self.model, tokens, lengths))


def save_normaliser(normaliser: Normaliser, folder: Path) -> None:
    write_json(folder / NORMALISER, {"mean": normaliser.mean, "spread": normaliser.spread})


def load_reward(folder: Path, device: torch.device) -> LearnedReward:
    """The reward in a stage's folder."""
    content = read_json(folder / NORMALISER)
    model = load(folder, head="score").to(device).eval()
    return LearnedReward(model, Normaliser(content["mean"], content["spread"]))
