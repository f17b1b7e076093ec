"""Self-attention on a CPU with its gradient written out: a few batched products over blocks of queries.

The probabilities of a block of queries are kept for the backward pass, which is then five products and one pass over
them; PyTorch's own kernel computes them again and took three to five times as long backwards at these lengths
(docs/decisions.md). A causal block looks at no key to its right, so about half of the square is never computed. Under bfloat16
the scores and their softmax stay in float32, and the products with values and gradients are in bfloat16.
The plain version stands in tests/reference.

Legend: B rows, H query heads, K key and value heads, T tokens, E head size, G = B H, b queries of a block, S keys they see.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

LONGEST = 512  # beyond it the kept probabilities, up to T^2 a head, cost more memory than they save time
BLOCK = 64  # queries; twice as many where rows are long


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, low: torch.dtype, mask: Tensor | None, causal: bool
    ) -> Tensor:
        blocks = _blocks(query.shape[1], causal)
        with torch.autocast(query.device.type, enabled=False):
            query = query * (1.0 / math.sqrt(query.shape[-1]))
            value = value.to(low)
            mixed = torch.empty_like(query, dtype=low)
            kept = []
            for start, stop, seen in blocks:
                scores = _scores(query[:, start:stop], key[:, :seen], low)
                if mask is not None:
                    hidden = mask[:, :, start:stop] if mask.shape[2] > 1 else mask  # (B or 1, 1, b or 1, T)
                    scores.view(len(mask) if len(mask) > 1 else 1, -1, *scores.shape[1:]).masked_fill_(
                        hidden, -math.inf
                    )
                elif causal:
                    scores[:, :, start:] += scores.new_full((stop - start, stop - start), -math.inf).triu_(1)
                probabilities = scores.softmax(dim=-1).to(low)
                mixed[:, start:stop] = probabilities @ value[:, :seen]
                kept.append(probabilities)
        ctx.save_for_backward(query.to(low), key.to(low), value, mixed, *kept)
        ctx.types, ctx.blocks = (query.dtype, key.dtype), blocks
        return mixed

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        query, key, value, mixed, *kept = ctx.saved_tensors
        gradient = outputs[0].to(mixed.dtype)
        for_query = torch.empty(query.shape, dtype=ctx.types[0])
        for_key = torch.zeros(key.shape, dtype=ctx.types[1])
        for_value = torch.zeros(value.shape, dtype=torch.float32)
        # sum_s p_s dp_s, the term that softmax's gradient subtracts (Dao et al. 2022, eq. 4)
        shared = (gradient * mixed).sum(dim=-1, keepdim=True)  # (G, T, 1)
        for (start, stop, seen), probabilities in zip(ctx.blocks, kept, strict=True):
            arrived = gradient[:, start:stop]
            for_value[:, :seen] += probabilities.transpose(1, 2) @ arrived
            through = arrived @ value[:, :seen].transpose(1, 2)  # (G, b, S), the gradient of the probabilities
            through = through.sub_(shared[:, start:stop]).mul_(probabilities)  # of the scores
            for_query[:, start:stop] = through @ key[:, :seen]
            for_key[:, :seen] += through.transpose(1, 2) @ query[:, start:stop]
        return for_query.mul_(1.0 / math.sqrt(query.shape[-1])), for_key, for_value.to(value.dtype), None, None, None


def _scores(query: Tensor, key: Tensor, low: torch.dtype) -> Tensor:
    """query key^T, (G, b, S) in float32, for (G, b, E) and (G, S, E); under bfloat16 the factors are rounded, the sums not."""
    if low == torch.float32:
        return query @ key.transpose(1, 2)
    switch = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = switch.fp32_precision
    switch.fp32_precision = "bf16"
    try:
        return query @ key.transpose(1, 2)
    finally:
        switch.fp32_precision = before


def _blocks(length: int, causal: bool) -> list[tuple[int, int, int]]:
    """(first query, one past the last, keys seen) of each block."""
    if not causal:
        return [(0, length, length)]
    size = BLOCK if length <= 2 * BLOCK else 2 * BLOCK
    stops = [(start, min(start + size, length)) for start in range(0, length, size)]
    return [(start, stop, stop) for start, stop in stops]


def attention(
    query: Tensor, key: Tensor, value: Tensor, low: torch.dtype, mask: Tensor | None = None, *, causal: bool
) -> Tensor:
    """softmax(query key^T / sqrt(E)) value, (B, H, T, E) in `low`, over what each query sees.

    `query` (B, H, T, E) and `key` (B, K, T, E) are float32, `value` (B, K, T, E) float32 or `low`. `mask`, boolean and
    broadcastable to (B, 1, T, T), is True where a query sees a key (at least one); without it a query sees all keys,
    or with `causal` those not to its right.
    """
    rows, heads, length, size = query.shape
    groups = heads // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    flat = [tensor.reshape(rows * heads, length, size) for tensor in (query, key, value)]
    unseen = None if mask is None else ~mask
    mixed: Tensor = _Attention.apply(*flat, low, unseen, causal and mask is None)  # type: ignore[no-untyped-call]
    return mixed.view(rows, heads, length, size)
