"""From logits to a token: temperature, top-k, top-p, and the exact log-probability of what was drawn.

A draw uses one uniform number per row and step, taken from the row's own generator, through the inverse of the
cumulative distribution: a row's tokens do not depend on which other rows are in the batch, nor on how those are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trivium.base.errors import UserError

Cut = int | float | Tensor  # one for all rows, or (B, 1)


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


def draw(
    logits: Tensor, uniforms: Tensor, sampling: Sampling | Sequence[Sampling], allowed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Tokens (B,) and their log-probabilities (B,) for `logits` (B, V) and `uniforms` (B,) in [0, 1); `sampling` is one
    for all rows or one for each, and `allowed`, boolean (B, V), leaves out what may not come.

    The log-probability is that under the distribution drawn from: softmax(logits / temperature), cut by top-k and
    top-p and renormalised where they are on. Greedy tokens get their log-probability at temperature 1.
    """
    tokens, chances = choose(logits, uniforms, sampling, allowed)
    return tokens, chances.gather(1, tokens[:, None]).squeeze(1)


def choose(
    logits: Tensor, uniforms: Tensor, sampling: Sampling | Sequence[Sampling], allowed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """As `draw`, with the log-probability of every token, (B, V)."""
    logits = logits.float()
    if allowed is not None:
        logits = logits.masked_fill(~allowed, float("-inf"))
    several = [sampling] if isinstance(sampling, Sampling) else sampling
    greedy = [one.temperature == 0.0 for one in several]
    if all(greedy):
        return logits.argmax(dim=-1), logits.log_softmax(dim=-1)
    if len(set(several)) == 1:
        first = several[0]
        logits = keep_likely(logits / first.temperature, first.top_k, first.top_p)
    else:
        logits = _cut_each(logits, several, greedy)
    chances = logits.log_softmax(dim=-1)
    cumulative = chances.exp().cumsum(dim=-1)  # (B, V)
    thresholds = (uniforms.to(cumulative) * cumulative[:, -1]).unsqueeze(1)
    tokens = torch.searchsorted(cumulative, thresholds, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
    if any(greedy):
        tokens = torch.where(torch.tensor(greedy, device=logits.device), logits.argmax(dim=-1), tokens)
    return tokens, chances


def _cut_each(logits: Tensor, several: Sequence[Sampling], greedy: Sequence[bool]) -> Tensor:
    """Logits (B, V) at each row's own temperature and cut by its own top-k and top-p; greedy rows as they are."""

    def column(values: list[int] | list[float]) -> Tensor:
        return torch.tensor(values, device=logits.device).unsqueeze(1)  # (B, 1)

    pairs = list(zip(several, greedy, strict=True))
    logits = logits / column([1.0 if cold else one.temperature for one, cold in pairs])
    ks = [logits.shape[1] if cold or not one.top_k else min(one.top_k, logits.shape[1]) for one, cold in pairs]
    ps = [1.0 if cold else one.top_p for one, cold in pairs]
    return keep_likely(
        logits, column(ks) if min(ks) < logits.shape[1] else 0, column(ps).to(logits) if min(ps) < 1.0 else 1.0
    )


def keep_likely(logits: Tensor, top_k: Cut, top_p: Cut) -> Tensor:
    """`logits` (B, V) with everything outside the `top_k` largest, and outside the smallest set of mass `top_p`
    (Holtzman et al. 2020), at minus infinity; one number for all rows or (B, 1) of them."""
    if isinstance(top_k, Tensor):
        least = logits.topk(int(top_k.max()), dim=-1).values.gather(1, top_k - 1)
        logits = logits.masked_fill(logits < least, float("-inf"))
    elif 0 < top_k < logits.shape[1]:
        least = logits.topk(int(top_k), dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if isinstance(top_p, Tensor) or top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        chances = ordered.softmax(dim=-1)
        before = chances.cumsum(dim=-1) - chances
        unlikely = before >= top_p
        if isinstance(top_p, Tensor):
            unlikely &= top_p < 1.0  # where nothing is cut, rounding must cut nothing either
        removed = torch.zeros_like(logits, dtype=torch.bool).scatter(1, order, unlikely)
        logits = logits.masked_fill(removed, float("-inf"))
    return logits
