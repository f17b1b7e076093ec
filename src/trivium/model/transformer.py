"""The one trunk: tokens in, hidden states out; the language-model head and a scalar head beside it.

It knows only tensors: no loss, no tokenizer, no files. Three ways in, one set of weights: whole rows (training,
scoring), packed rows with `segments` (documents in one row do not see each other), and a `Cache` (decoding).

Legend: B rows, T new tokens, S tokens in the cache, D hidden size, H query heads, K key and value heads, E head
size, F intermediate size, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trivium.model.architecture import Architecture
from trivium.model.attend import LONGEST, attention
from trivium.model.fused import norm_rotate, rms_norm, swiglu


class Cache(Protocol):
    """Where a decoding pass keeps keys and values; see `trivium.model.cache`."""

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, K, T, E) of `layer` and give back everything to attend to, (B, K, S, E)."""

    def mask(self) -> Tensor | None:
        """Boolean (B, 1, T, S), True where a query may look; None where plain causal attention is right."""


class RMSNorm(nn.Module):
    """x / rms(x) * weight (Zhang and Sennrich 2019, eq. 4)."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        return rms_norm(hidden, self.weight, self.epsilon)


class Attention(nn.Module):
    """Causal self-attention with rotary positions and per-head normalised queries and keys."""

    def __init__(self, shape: Architecture, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads, self.head_dim = shape.num_heads, shape.num_kv_heads, shape.head_dim
        queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
        self.qkv = nn.Linear(shape.hidden_size, queries + 2 * keys, bias=False)
        self.out = nn.Linear(queries, shape.hidden_size, bias=False)
        self.query_norm = RMSNorm(shape.head_dim, shape.norm_epsilon)
        self.key_norm = RMSNorm(shape.head_dim, shape.norm_epsilon)

    def forward(
        self, hidden: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        rows, length, _ = hidden.shape
        product = self.qkv(hidden).view(rows, length, -1, self.head_dim)  # (B, T, H+2K, E)
        looking, value = torch.split(product, [self.heads + self.kv_heads, self.kv_heads], dim=2)
        weight = torch.cat(
            [self.query_norm.weight.expand(self.heads, -1), self.key_norm.weight.expand(self.kv_heads, -1)]
        )  # (H+K, E)
        turned = norm_rotate(looking, weight, rotation, self.query_norm.epsilon)  # (B, T, H+K, E) float32
        query, key = torch.split(turned.transpose(1, 2), [self.heads, self.kv_heads], dim=1)  # (B, H or K, T, E)
        value = value.transpose(1, 2)  # (B, K, T, E)
        if cache is None and query.device.type == "cpu" and length <= LONGEST:
            mixed = attention(query, key, value, product.dtype, mask, causal=True)  # (B, H, T, E)
            return self.out(mixed.transpose(1, 2).reshape(rows, length, -1))  # type: ignore[no-any-return]
        if query.device.type == "cpu":
            value = value.float()
        else:
            query, key = query.to(product.dtype), key.to(product.dtype)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)  # (B, K, S, E)
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=self.heads != self.kv_heads
        )  # (B, H, T, E)
        return self.out(mixed.transpose(1, 2).reshape(rows, length, -1))  # type: ignore[no-any-return]  # (B, T, D)


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)) (Shazeer 2020, eq. 6), gate and up in one product."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.gate_up = nn.Linear(shape.hidden_size, 2 * shape.intermediate_size, bias=False)
        self.down = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down(swiglu(self.gate_up(hidden)))  # type: ignore[no-any-return]  # (B, T, D)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, shape: Architecture, layer: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(shape.hidden_size, shape.norm_epsilon)
        self.attention = Attention(shape, layer)
        self.feed_forward_norm = RMSNorm(shape.hidden_size, shape.norm_epsilon)
        self.feed_forward = FeedForward(shape)

    def forward(
        self, hidden: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor | None, cache: Cache | None
    ) -> Tensor:
        hidden = hidden + self.attention(self.attention_norm(hidden), rotation, mask, cache)
        return hidden + self.feed_forward(self.feed_forward_norm(hidden))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A decoder. `head` is 'language' (logits over the vocabulary) or 'score' (one number a position)."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, shape: Architecture, head: str = "language") -> None:
        super().__init__()
        assert head in ("language", "score")
        self.shape, self.head = shape, head
        self.embedding = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(shape.num_layers))
        self.final_norm = RMSNorm(shape.hidden_size, shape.norm_epsilon)
        if head == "score":
            self.score = nn.Linear(shape.hidden_size, 1, bias=False)
        elif not shape.tie_embeddings:
            self.unembedding = nn.Linear(shape.hidden_size, shape.vocab_size, bias=False)
        cosines, sines = rotation_table(shape.max_positions, shape.head_dim, shape.rope_theta)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    @property
    def attentions(self) -> list[Attention]:
        """The attention of each layer."""
        return [block.attention for block in self.blocks if isinstance(block, Block)]

    @property
    def output_weight(self) -> Tensor:
        """(V, D), the language-model head; the embedding itself where the two are tied."""
        return self.embedding.weight if self.shape.tie_embeddings else self.unembedding.weight

    def forward(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Hidden states (B, T, D) after the last norm, for `tokens` (B, T).

        `positions` (B, T) are 0..T-1 where not given; `segments` (B, T) keep documents of one row apart.
        """
        length = tokens.shape[1]
        if positions is None:
            rotation = self.cosines[:length, None], self.sines[:length, None]  # (T, 1, E/2)
        else:
            rotation = self.cosines[positions].unsqueeze(2), self.sines[positions].unsqueeze(2)  # (B, T, 1, E/2)
        mask = cache.mask() if cache is not None else segment_mask(segments)
        hidden = F.embedding(tokens, self.embedding.weight)  # (B, T, D)
        for block in self.blocks:
            hidden = block(hidden, rotation, mask, cache)
        return self.final_norm(hidden)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., D)."""
        return F.linear(hidden, self.output_weight)

    def scores(self, hidden: Tensor) -> Tensor:
        """One number (...) for each hidden state (..., D); only with the 'score' head."""
        return self.score(hidden).squeeze(-1)  # type: ignore[no-any-return]


def segment_mask(segments: Tensor | None) -> Tensor | None:
    """Boolean (B, 1, T, T), True where a query sees a key: same document, not to the right. None without segments."""
    if segments is None:
        return None
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()  # (T, T)
    return ((segments.unsqueeze(2) == segments.unsqueeze(1)) & causal).unsqueeze(1)


def rotation_table(positions: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (positions, E/2) of the rotary angles (Su et al. 2021, eq. 15), in float32."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.arange(positions, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()


def parameter_count(model: nn.Module) -> int:
    """Distinct trainable numbers in a model; tied matrices count once."""
    return sum(math.prod(parameter.shape) for parameter in {id(p): p for p in model.parameters()}.values())
