"""The one trunk, for decoders and encoders: tokens in, hidden states out; heads over the vocabulary or over labels on it.

It knows only tensors: no loss, no tokenizer, no files, and no model's name: what it is built of is data (`architecture`).
Four ways in, one set of weights: whole rows (with padding where `real` says so), packed rows with `segments` (documents in
one row do not see each other), `ragged` ones (a common beginning once, no padding), and a `Cache` (decoding).

Legend: B rows, T new tokens, S tokens in the cache, D hidden size, H query heads, K key and value heads, E head
size, F intermediate size, V vocabulary, L labels.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trivium.base.product import Linear, linear
from trivium.base.words import Documents
from trivium.model import attend_kernel, fused_kernel
from trivium.model.architecture import GATED, LANGUAGE, Architecture, HeadShape
from trivium.model.attend import LONGEST, attention
from trivium.model.elementwise import geglu, norm_rotate, rotate, rotation_table, swiglu
from trivium.model.heads import pool
from trivium.model.kernels import Apart, apart, attend_apart, reads_documents
from trivium.model.masks import attention_mask
from trivium.model.norms import RMSNorm, add_and_norm, make_norm
from trivium.model.ragged import Ragged

Rotation = tuple[Tensor, Tensor]  # cosines and sines (T, 1, E/2) or (B, T, 1, E/2)
Seen = Tensor | Apart | None  # what queries see: `attention_mask`, or documents by where they begin
Drop = Callable[[Tensor], Tensor]
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "swiglu": swiglu,
    "geglu": geglu,
    "gelu": F.gelu,
    "gelu_tanh": functools.partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "tanh": torch.tanh,
}


def undropped(values: Tensor) -> Tensor:
    """The drop of a model that drops nothing."""
    return values


def _activate(name: str, plain: Callable[[Tensor], Tensor], product: Tensor) -> Tensor:
    if not torch.compiler.is_compiling() and name in fused_kernel.KINDS and fused_kernel.is_for_product(product):
        return fused_kernel.activation(name, product)
    return plain(product)


class Cache(Protocol):
    """Where a decoding pass keeps keys and values; see `trivium.model.cache`."""

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, K, T, E) of `layer` and give back everything to attend to, (B, K, S, E)."""

    def mask(self, window: int) -> Tensor | None:
        """Boolean (B, 1, T, S), True where a query of a layer with that window may look."""


class Attention(nn.Module):
    """Self-attention; queries and keys are normalised head by head and rotated by position where the shape says so."""

    def __init__(self, shape: Architecture, layer: int) -> None:
        super().__init__()
        self.layer, self.causal = layer, shape.causal
        self.heads, self.kv_heads, self.head_dim = shape.num_heads, shape.num_kv_heads, shape.head_dim
        queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
        self.qkv = Linear(shape.hidden_size, queries + 2 * keys, bias=shape.query_bias)
        self.out = Linear(queries, shape.hidden_size, bias=shape.output_bias)
        self.kind = attend_kernel.Heads(shape.num_heads, shape.num_kv_heads, shape.causal, shape.norm_epsilon)
        self.normalised = shape.query_key_norm
        if self.normalised:
            self.query_norm = RMSNorm(shape.head_dim, shape.norm_epsilon)
            self.key_norm = RMSNorm(shape.head_dim, shape.norm_epsilon)

    def forward(
        self,
        hidden: Tensor,
        rotation: Rotation | None,
        mask: Seen,
        cache: Cache | None,
        ragged: Ragged | None = None,
    ) -> Tensor:
        rows, length, _ = hidden.shape
        product = self.qkv(hidden).view(rows, length, -1, self.head_dim)  # (B, T, H+2K, E)
        if cache is None and not isinstance(mask, Apart) and attend_kernel.is_for(product):
            weights = (self.query_norm.weight, self.key_norm.weight) if self.normalised else None
            parts = [(product, rotation, mask)] if ragged is None else ragged.parts(product, rotation)
            mixes = [attend_kernel.attend(own, self.kind, weights, turn, seen).flatten(2) for own, turn, seen in parts]
            return self.out(mixes[0] if ragged is None else ragged.joined(mixes))  # type: ignore[no-any-return]
        looking, value = torch.split(product, [self.heads + self.kv_heads, self.kv_heads], dim=2)
        looking = looking.float() if rotation is None else self._turned(looking, rotation)
        if isinstance(mask, Apart):
            query, key = torch.split(looking.to(product.dtype), [self.heads, self.kv_heads], dim=2)
            mixed = attend_apart(query, key, value, mask).flatten(2)
        elif ragged is None:
            mixed = self._mixed(looking, value, mask, cache)
        else:
            blocks = zip(ragged.spread(looking), ragged.spread(value), ragged.masks, strict=True)
            mixed = ragged.joined([self._mixed(*block, None) for block in blocks])
        return self.out(mixed)  # type: ignore[no-any-return]  # (B, T, D)

    def _mixed(self, looking: Tensor, value: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """What attention gives, (B, T, H E), for queries and keys (B, T, H+K, E) and values (B, T, K, E)."""
        rows, length, low = *value.shape[:2], value.dtype
        query, key = torch.split(looking.transpose(1, 2), [self.heads, self.kv_heads], dim=1)  # (B, H or K, T, E)
        value = value.transpose(1, 2)  # (B, K, T, E)
        if cache is None and query.device.type == "cpu" and length <= LONGEST and not torch.compiler.is_compiling():
            mixed = attention(query, key, value, low, mask, causal=self.causal)  # (B, H, T, E)
            return mixed.transpose(1, 2).reshape(rows, length, -1)
        on_cpu = query.device.type == "cpu"  # whose own attention is faster in float32
        if on_cpu:
            value = value.float()
        else:
            query, key = query.to(low), key.to(low)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)  # (B, K, S, E)
        causal = self.causal and mask is None
        # autocast would narrow what was left wide
        with torch.autocast("cpu", enabled=False) if on_cpu else contextlib.nullcontext():
            mixed = F.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=self.heads != self.kv_heads
            )  # (B, H, T, E)
        return mixed.transpose(1, 2).reshape(rows, length, -1)

    def _turned(self, looking: Tensor, rotation: Rotation) -> Tensor:
        """Queries and keys (B, T, H+K, E), normalised where there are norms, and rotated."""
        if not self.normalised:
            return rotate(looking, rotation)
        weight = torch.cat(
            [self.query_norm.weight.expand(self.heads, -1), self.key_norm.weight.expand(self.kv_heads, -1)]
        )  # (H+K, E)
        return norm_rotate(looking, weight, rotation, self.query_norm.epsilon)


class FeedForward(nn.Module):
    """down(act(up(x))), or gated: down(act(gate(x)) * up(x)) (Shazeer 2020, eq. 6), gate and up in one product."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.gated = shape.mlp in GATED
        self.activation = functools.partial(_activate, shape.mlp, ACTIVATIONS[shape.mlp])
        if self.gated:
            self.gate_up = Linear(shape.hidden_size, 2 * shape.intermediate_size, bias=shape.mlp_bias)
        else:
            self.up = Linear(shape.hidden_size, shape.intermediate_size, bias=shape.mlp_bias)
        self.down = Linear(shape.intermediate_size, shape.hidden_size, bias=shape.mlp_bias)

    def forward(self, hidden: Tensor) -> Tensor:
        if not self.gated:
            return self.down(self.activation(self.up(hidden)))  # type: ignore[no-any-return]  # (B, T, D)
        return self.down(self.activation(self.gate_up(hidden)))  # type: ignore[no-any-return]  # (B, T, D)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)); with norms behind: norm(x + attention(x)), and so on.

    With norms before, the last addition is left to the next norm: a block is given the stream and what is to be added to it,
    and gives the same. With norms behind nothing is left.
    """

    def __init__(self, shape: Architecture, layer: int) -> None:
        super().__init__()
        self.before = shape.norm_place == "pre"
        self.attention_norm = make_norm(shape) if layer or shape.first_norm else nn.Identity()
        self.attention = Attention(shape, layer)
        self.feed_forward_norm = make_norm(shape)
        self.feed_forward = FeedForward(shape)

    def forward(
        self,
        hidden: Tensor,
        added: Tensor | None,
        rotation: Rotation | None,
        mask: Seen,
        cache: Cache | None,
        drop: Drop = undropped,
        ragged: Ragged | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        if self.before:
            hidden, normal = add_and_norm(self.attention_norm, hidden, added)
            mixed = drop(self.attention(normal, rotation, mask, cache, ragged))
            kept = hidden if ragged is None else ragged.narrowed(hidden)
            hidden, normal = add_and_norm(self.feed_forward_norm, kept, mixed)
            return hidden, drop(self.feed_forward(normal))
        mixed = drop(self.attention(hidden, rotation, mask, cache, ragged))
        hidden = self.attention_norm((hidden if ragged is None else ragged.narrowed(hidden)) + mixed)
        return self.feed_forward_norm(hidden + drop(self.feed_forward(hidden))), None


class Transformer(nn.Module):
    """A trunk with a head. `drop` is applied to the embedding, each sub-layer's output and the head's input.

    `extra` is a further module of the caller's (inputs or outputs that no published model has); its weights are trained and
    saved with the model's own.
    """

    cosines: Tensor
    sines: Tensor
    local_cosines: Tensor
    local_sines: Tensor

    def __init__(self, shape: Architecture, head: HeadShape = LANGUAGE) -> None:
        super().__init__()
        self.shape, self.head = shape, head
        self.drop: Drop = undropped
        self.extra: nn.Module | None = None
        self.embedding = nn.Embedding(shape.vocab_size, shape.hidden_size)
        if shape.positions == "learned":
            self.position_embedding = nn.Embedding(shape.position_offset + shape.max_positions, shape.hidden_size)
        if shape.num_segments:
            self.type_embedding = nn.Embedding(shape.num_segments, shape.hidden_size)
        self.embedding_norm = make_norm(shape) if shape.embedding_norm else nn.Identity()
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(shape.num_layers))
        self.final_norm = make_norm(shape) if shape.norm_place == "pre" else nn.Identity()
        self._make_head(shape, head)
        if shape.positions == "rope":
            self._make_tables(shape)

    def _make_head(self, shape: Architecture, head: HeadShape) -> None:
        if head.kind == "none":
            return
        if head.dense:
            self.head_dense = Linear(shape.hidden_size, shape.hidden_size, bias=head.dense_bias)
        if head.norm:
            self.head_norm = make_norm(shape)
        if not head.over_vocabulary:
            self.head_out = Linear(shape.hidden_size, len(head.labels), bias=head.bias)
            return
        if not shape.tie_embeddings:
            self.unembedding = Linear(shape.hidden_size, shape.vocab_size, bias=False)
        self.output_bias = nn.Parameter(torch.zeros(shape.vocab_size)) if head.bias else None
        if head.kind == "pretraining":
            self.pooler = Linear(shape.hidden_size, shape.hidden_size)
            self.pair_out = Linear(shape.hidden_size, 2)

    def _make_tables(self, shape: Architecture) -> None:
        for name, theta in (("", shape.rope_theta), ("local_", shape.local_rope_theta)):
            if theta:
                cosines, sines = rotation_table(shape.max_positions, shape.head_dim, theta, shape.rope_scaling)
                self.register_buffer(f"{name}cosines", cosines, persistent=False)
                self.register_buffer(f"{name}sines", sines, persistent=False)

    @property
    def attentions(self) -> list[Attention]:
        """The attention of each layer."""
        return [block.attention for block in self.blocks if isinstance(block, Block)]

    @property
    def output_weight(self) -> Tensor:
        """(V, D), the head over the vocabulary; the embedding itself where the two are tied."""
        return self.embedding.weight if self.shape.tie_embeddings else self.unembedding.weight

    def forward(
        self,
        tokens: Tensor | Ragged,
        *,
        real: Tensor | None = None,
        types: Tensor | None = None,
        positions: Tensor | None = None,
        segments: Tensor | Documents | None = None,
        prefix: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Hidden states (B, T, D) after the last norm, for `tokens` (B, T); what follows is (B, T) each.

        `real` is False on padding, which nothing sees; `types` tell first and second text apart (where the shape has
        segments); `positions` are 0..T-1 where not given; `segments` keep documents of one row apart; tokens where `prefix`
        is True are seen by all of their row, also by those before them. Of `Ragged` rows, only in a causal model, the M
        hidden states that are asked for come back, (1, M, D).
        """
        ragged = None
        if isinstance(tokens, Ragged):
            ragged, positions = tokens, tokens.positions
            tokens = ragged.tokens
        hidden = self.embed(tokens, positions, types)
        return self.run(
            hidden, real=real, positions=positions, segments=segments, prefix=prefix, cache=cache, ragged=ragged
        )

    def embed(self, tokens: Tensor, positions: Tensor | None = None, types: Tensor | None = None) -> Tensor:
        """What the first block reads but for its norm, (B, T, D)."""
        hidden = F.embedding(tokens, self.embedding.weight)  # (B, T, D)
        if self.shape.num_segments:
            told = types is not None and self.shape.num_segments > 1
            hidden = hidden + self.type_embedding(types if told else torch.zeros_like(tokens))
        if self.shape.positions == "learned":
            if positions is None:
                positions = torch.arange(tokens.shape[1], device=tokens.device)
            hidden = hidden + self.position_embedding(positions + self.shape.position_offset)
        return hidden

    def run(
        self,
        hidden: Tensor,
        *,
        real: Tensor | None = None,
        positions: Tensor | None = None,
        segments: Tensor | Documents | None = None,
        prefix: Tensor | None = None,
        cache: Cache | None = None,
        ragged: Ragged | None = None,
    ) -> Tensor:
        """Hidden states (B, T, D) after the last norm, for embedded tokens (B, T, D)."""
        length, windows = hidden.shape[1], self.shape.layer_windows
        documents: Documents | None = None
        if isinstance(segments, Documents):
            if real is None and prefix is None and reads_documents(hidden.device, self.shape):
                documents = segments
            segments = segments.numbers
        masks: dict[int, Seen] = dict.fromkeys(windows)
        for window in masks:
            if cache is not None:
                masks[window] = cache.mask(window)
            elif documents is not None:
                masks[window] = apart(documents, window, self.shape.causal)
            elif ragged is None:
                masks[window] = attention_mask(
                    (length, window, self.shape.causal), hidden.device, real, segments, prefix
                )
        assert ragged is None or self.shape.causal, "a row may share its beginning only where nothing sees what follows"
        passes = [None] * len(windows) if ragged is None else ragged.layers(windows)
        rotations = {window: self._rotation(length, positions, bool(window)) for window in set(windows)}
        hidden = self.drop(self.embedding_norm(hidden))
        added = None
        for block, window, part in zip(self.blocks, windows, passes, strict=True):
            hidden, added = block(hidden, added, rotations[window], masks[window], cache, self.drop, part)
        return self.final_norm(hidden if added is None else hidden + added)  # type: ignore[no-any-return]

    def _rotation(self, length: int, positions: Tensor | None, local: bool) -> Rotation | None:
        if self.shape.positions != "rope":
            return None
        own = local and self.shape.local_rope_theta
        cosines, sines = (self.local_cosines, self.local_sines) if own else (self.cosines, self.sines)
        if positions is None:
            return cosines[:length, None], sines[:length, None]  # (T, 1, E/2)
        return cosines[positions].unsqueeze(2), sines[positions].unsqueeze(2)  # (B, T, 1, E/2)

    def features(self, hidden: Tensor) -> Tensor:
        """What the head's last matrix reads, of the size of `hidden` (..., D)."""
        if self.head.dense:
            hidden = ACTIVATIONS[self.head.dense](self.head_dense(hidden))
        return self.head_norm(hidden) if self.head.norm else hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., D); only with a head over the vocabulary."""
        return linear(self.features(hidden), self.output_weight, self.output_bias)

    def pair_logits(self, hidden: Tensor) -> Tensor:
        """Logits (B, 2) of a pair's relation, from the first token of (B, T, D); only with the 'pretraining' head."""
        return self.pair_out(torch.tanh(self.pooler(hidden[:, 0])))  # type: ignore[no-any-return]

    def outputs(self, hidden: Tensor, real: Tensor | None = None, shares: Tensor | None = None) -> Tensor:
        """What the head says of hidden states (B, T, D), padded where `real` (B, T) is False: (B, T, V) over the vocabulary,
        (B, L) of a row, (B, T, L) of each token or of starts and ends, (B,) for one score a row. With `shares` (I, B) it is of
        I texts, each a mean of pooled rows by these shares."""
        if self.head.over_vocabulary:
            return self.logits(hidden)
        if self.head.pool:
            hidden = pool(hidden, real, self.head.pool)
            hidden = hidden if shares is None else shares.to(hidden.dtype) @ hidden
        return self.told(hidden)

    def told(self, pooled: Tensor) -> Tensor:
        """(..., L), or (...,) for one score, of states (..., D) that are pooled where the head pools."""
        result = self.head_out(self.drop(self.features(self.drop(pooled))))
        return result.squeeze(-1) if self.head.kind == "score" else result  # type: ignore[no-any-return]

    def scores(self, hidden: Tensor) -> Tensor:
        """One number (...) for each hidden state (..., D); only with the 'score' head."""
        return self.head_out(hidden).squeeze(-1)  # type: ignore[no-any-return]


def parameter_count(model: nn.Module) -> int:
    """Distinct trainable numbers in a model; tied matrices count once."""
    return sum(math.prod(parameter.shape) for parameter in {id(p): p for p in model.parameters()}.values())
