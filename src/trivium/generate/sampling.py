"""From logits to a token: temperature, top-k, top-p, and the exact log-probability of what was drawn.

A draw uses one uniform number per row and step, taken from the row's own generator, through the inverse of the
cumulative distribution: a row's tokens do not depend on which other rows are in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trivium.base.errors import UserError


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 is greedy; `top_k` 0 and `top_p` 1 keep the whole distribution."""

    max_new_tokens: int = 64
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UserError(f"max_new_tokens is {self.max_new_tokens}; it must be 1 or more")
        if not 0.0 <= self.temperature < float("inf"):
            raise UserError(f"temperature is {self.temperature}; it must be 0 (greedy) or a positive number")
        if self.top_k < 0:
            raise UserError(f"top_k is {self.top_k}; it must be 0 (off) or more")
        if not 0.0 < self.top_p <= 1.0:
            raise UserError(f"top_p is {self.top_p}; it must be above 0 and at most 1")


def draw(logits: Tensor, uniforms: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Tokens (B,) and their log-probabilities (B,) for `logits` (B, V) and `uniforms` (B,) in [0, 1).

    The log-probability is that under the distribution drawn from: softmax(logits / temperature), cut by top-k and
    top-p and renormalised where they are on. Greedy tokens get their log-probability at temperature 1.
    """
    logits = logits.float()
    if sampling.temperature == 0.0:
        tokens = logits.argmax(dim=-1)
    else:
        logits = keep_likely(logits / sampling.temperature, sampling.top_k, sampling.top_p)
        cumulative = torch.softmax(logits, dim=-1).cumsum(dim=-1)  # (B, V)
        thresholds = (uniforms.to(cumulative) * cumulative[:, -1]).unsqueeze(1)
        tokens = torch.searchsorted(cumulative, thresholds, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
    chosen = logits.gather(1, tokens[:, None]).squeeze(1) - logits.logsumexp(dim=-1)
    return tokens, chosen


def keep_likely(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """`logits` (B, V) with everything outside the `top_k` largest, and outside the smallest set of mass `top_p`
    (Holtzman et al. 2020), at minus infinity."""
    if 0 < top_k < logits.shape[1]:
        least = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        before = ordered.softmax(dim=-1).cumsum(dim=-1) - ordered.softmax(dim=-1)
        removed = torch.zeros_like(logits, dtype=torch.bool).scatter(1, order, before >= top_p)
        logits = logits.masked_fill(removed, float("-inf"))
    return logits
