"""The trunk's pass for decoding: the same function of the same weights in few operations, over a cache.

A step for a few rows is overhead and memory traffic more than arithmetic. So weights that do not change are prepared once
(in bfloat16 norms are folded into the matrices behind them, and oneDNN gets these in its own layout), a row's attention is
two batched products over what is written, and nothing is kept for a gradient. In float32 the model's own matrices are read,
so that the pass is made in no time. On a CPU a small kernel does what lies between the products, where it can be built;
otherwise keys, values and attention are float32 there, which PyTorch computes faster (docs/decisions.md).

`decoding_pass` gives this pass for the shapes that it knows (RMS norms before each part, rotary positions, gated feed-forward:
Qwen3, Qwen2, Llama, Mistral), and the trunk itself for others.

Legend: B rows, T new tokens, W tokens in the cache, D hidden size, H query heads, K key and value heads, G = H / K, E head
size, V vocabulary.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trivium.base.native import NUMBERS
from trivium.base.product import Linear as LinearLayer
from trivium.model.architecture import GATED, Architecture
from trivium.model.cache import SlotCache
from trivium.model.decode_kernel import Kernel, kernel
from trivium.model.lora import LowRank
from trivium.model.norms import RMSNorm
from trivium.model.transformer import Attention, Block, Transformer

FREE_ROWS = 32  # of a product, which are never filled up: in a step for few rows the copy would be felt
Norm = Callable[[Tensor], Tensor]


class Pass(Protocol):
    """What the engine computes with."""

    def cache(self, slots: int, capacity: int) -> SlotCache:
        """An empty cache for this pass."""

    def hidden(self, tokens: Tensor, positions: Tensor, cache: SlotCache) -> Tensor:
        """Hidden states (B, T, D) of `tokens` at `positions` (B, T), which the cache was told of by `enter`."""

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., D)."""


def decoding_pass(model: Transformer, dtype: torch.dtype = torch.float32) -> Pass:
    """The pass for a model, its matrix products in `dtype`, for as long as the weights stay what they are now."""
    return FewOperations(model, dtype) if _known(model) else Trunk(model, dtype)


def _known(model: Transformer) -> bool:
    shape = model.shape
    usual = shape.causal and shape.norm == "rms" and shape.norm_place == "pre" and shape.first_norm
    other = shape.embedding_norm or shape.num_segments or shape.local_rope_theta or model.head.dense or model.head.norm
    return usual and shape.positions == "rope" and shape.mlp in GATED and not other and model.output_bias is None


class Trunk:
    """The model itself, its products under autocast where `dtype` is not float32."""

    def __init__(self, model: Transformer, dtype: torch.dtype) -> None:
        self.model, self.dtype = model, dtype

    def cache(self, slots: int, capacity: int) -> SlotCache:
        return SlotCache(self.model.shape, slots, capacity, self.model.embedding.weight)

    def hidden(self, tokens: Tensor, positions: Tensor, cache: SlotCache) -> Tensor:
        with torch.autocast(tokens.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.model(tokens, positions=positions, cache=cache)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.model.logits(hidden)


class FewOperations:
    """The pass that the header describes."""

    def __init__(self, model: Transformer, dtype: torch.dtype) -> None:
        self.model, self.shape, self.dtype = model, model.shape, dtype
        self.on_cpu = model.embedding.weight.device.type == "cpu"
        small = self.on_cpu and dtype in NUMBERS and model.shape.mlp == "swiglu"
        self.kernel = kernel(dtype) if small else None
        self.wide = torch.float32 if self.on_cpu and not self.kernel else dtype
        with torch.no_grad():
            self.embedding = model.embedding.weight.to(dtype)
            self.layers = [_Layer(block, model.shape, dtype) for block in model.blocks if isinstance(block, Block)]
            vocabulary, width = model.output_weight.shape
            head = LinearLayer(width, vocabulary, bias=False, device="meta")
            head.weight = nn.Parameter(model.output_weight, requires_grad=False)
            self.norm, self.head = _normed(model.final_norm, head, dtype)
            self.tables = model.cosines.float().contiguous(), model.sines.float().contiguous()
            self.cosines = torch.cat([model.cosines, model.cosines], dim=-1)  # (positions, E)
            self.sines = torch.cat([-model.sines, model.sines], dim=-1)

    def cache(self, slots: int, capacity: int) -> SlotCache:
        return SlotCache(self.shape, slots, capacity, self.embedding.new_empty(0, dtype=self.wide))

    def hidden(self, tokens: Tensor, positions: Tensor, cache: SlotCache) -> Tensor:
        rows, length = tokens.shape
        if length == 1 and cache.in_order and self.kernel is not None:
            return self._quick_step(self.kernel, tokens[:, 0], positions[:, 0].contiguous(), cache).unsqueeze(1)
        flat = positions.reshape(-1)
        # cosines and sines (B T, 1, E): every token is a row of its own but in attention
        rotation = self.cosines[flat].unsqueeze(1), self.sines[flat].unsqueeze(1)
        hidden = F.embedding(tokens.reshape(-1), self.embedding)  # (B T, D)
        for number, (layer, window) in enumerate(zip(self.layers, self.shape.layer_windows, strict=True)):
            query, key, value = layer.heads(hidden, rotation, self.wide)  # (B T, H or K, E) each
            if length == 1 and cache.in_order:
                mixed = self._step(query, (key, value), cache, (number, window))
            else:
                mixed = self._piece(query.view(rows, length, *query.shape[1:]), (key, value), cache, (number, window))
            hidden = layer.after(hidden, mixed.reshape(rows * length, -1).to(self.dtype))
        return hidden.view(rows, length, -1)

    def _quick_step(self, kernel: Kernel, tokens: Tensor, positions: Tensor, cache: SlotCache) -> Tensor:
        """Hidden states (B, D) of one new token (B,) for each of the first slots."""
        hidden = F.embedding(tokens, self.embedding)  # (B, D)
        room = self.shape.hidden_size * self.shape.norm_epsilon
        for number, (layer, window) in enumerate(zip(self.layers, self.shape.layer_windows, strict=True)):
            turn = layer.weight, *self.tables
            sizes = self.shape.num_heads, self.shape.num_kv_heads, window
            product = layer.qkv(kernel.over_norm(hidden, room, layer.first_weight))  # (B, (H + 2K) E)
            store = cache.store[number]
            mixed = kernel.attend(product, turn, store, positions, sizes, self.shape.norm_epsilon)  # (B, H E)
            hidden = layer.out(mixed, hidden)
            normal = kernel.over_norm(hidden, room, layer.second_weight)
            hidden = layer.down(kernel.swiglu(layer.gate_up(normal)), hidden)
        return hidden

    def _step(
        self, query: Tensor, new: tuple[Tensor, Tensor], cache: SlotCache, layer: tuple[int, int]
    ) -> Tensor:  # (B, H, E)
        keys, values = cache.append(layer[0], *new)  # (B K, W, E)
        scores = torch.bmm(query.reshape(len(keys), -1, query.shape[-1]), keys.transpose(1, 2))  # (B K, G, W)
        mask = cache.bias(layer[1])  # (B, 1, 1, W)
        if mask is not None:
            scores.view(len(query), -1, scores.shape[1], scores.shape[2]).add_(mask)
        return torch.bmm(scores.softmax(dim=-1), values)  # (B K, G, E)

    def _piece(self, query: Tensor, new: tuple[Tensor, Tensor], cache: SlotCache, layer: tuple[int, int]) -> Tensor:
        rows, length = query.shape[:2]
        key, value = (part.view(rows, length, *part.shape[1:]).transpose(1, 2) for part in new)  # (B, K, T, E)
        keys, values = cache.extend(layer[0], key, value)  # (B, K, W, E)
        if self.on_cpu:
            query, keys, values = query.float(), keys.float(), values.float()
        mixed = F.scaled_dot_product_attention(
            query.transpose(1, 2),
            keys,
            values,
            attn_mask=cache.mask(layer[1]),
            scale=1.0,  # `heads` has scaled them
            enable_gqa=query.shape[2] != keys.shape[1],
        )  # (B, H, T, E)
        return mixed.transpose(1, 2)

    def logits(self, hidden: Tensor) -> Tensor:
        flat = hidden.reshape(-1, hidden.shape[-1])
        return self.head(self.norm(flat)).view(*hidden.shape[:-1], -1)


class _Layer:
    """One block: `heads` up to attention, `after` from there on."""

    def __init__(self, block: Block, shape: Architecture, dtype: torch.dtype) -> None:
        attention = block.attention
        self.sizes = [shape.num_heads + shape.num_kv_heads, shape.num_kv_heads]
        self.counts = [shape.num_heads, shape.num_kv_heads]
        self.size, self.epsilon = shape.head_dim, shape.norm_epsilon
        self.activation = F.silu if shape.mlp == "swiglu" else F.gelu
        self.first_norm, self.qkv = _normed(block.attention_norm, attention.qkv, dtype)
        self.out = _linear(attention.out, dtype)
        self.second_norm, self.gate_up = _normed(block.feed_forward_norm, block.feed_forward.gate_up, dtype)
        self.first_weight, self.second_weight = (  # what norms multiply with, where no matrix has it in it
            _scale(norm) if dtype == torch.float32 else None for norm in (block.attention_norm, block.feed_forward_norm)
        )
        self.down = _linear(block.feed_forward.down, dtype)
        self.weight, self.scale = self._head_weight(attention), shape.head_dim**-0.5

    def _head_weight(self, attention: Attention) -> Tensor | None:
        """Of each query's and key's norm, (H+K, E), with sqrt(E), and queries with attention's 1 / sqrt(E)."""
        if not attention.normalised:
            return None
        query, key = attention.query_norm.weight.float(), attention.key_norm.weight.float()
        parts = [query.expand(self.counts[0], -1), (key * math.sqrt(self.size)).expand(self.counts[1], -1)]
        return torch.cat(parts)

    def heads(
        self, hidden: Tensor, rotation: tuple[Tensor, Tensor], wide: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (N, H, E), scaled for attention, keys and values (N, K, E) of hidden states (N, D)."""
        product = self.qkv(self.first_norm(hidden)).float().view(len(hidden), -1, self.size)  # (N, H+2K, E)
        looking, value = torch.split(product, self.sizes, dim=1)
        if self.weight is not None:
            looking = _over_norm(looking, self.size * self.epsilon) * self.weight
        half = self.size // 2
        swapped = torch.cat([looking[..., half:], looking[..., :half]], dim=-1)
        turned = (looking * rotation[0]).addcmul_(swapped, rotation[1]).to(wide)
        query, key = torch.split(turned, self.counts, dim=1)
        return query if self.weight is not None else query * self.scale, key, value.to(wide)

    def after(self, hidden: Tensor, mixed: Tensor) -> Tensor:
        """The block's result (N, D), from what came in and what attention gave (N, H E)."""
        hidden = self.out(mixed, hidden)
        gate, up = self.gate_up(self.second_norm(hidden)).chunk(2, dim=-1)
        return self.down(self.activation(gate).mul_(up), hidden)


def _over_norm(values: Tensor, room: float) -> Tensor:
    """x / sqrt(|x|^2 + room) over the last axis, in the type of x: x / rms(x) but for a factor sqrt(size), with room = size
    epsilon."""
    length = torch.linalg.vector_norm(values, dim=-1, keepdim=True, dtype=torch.float32)
    length = torch.hypot(length, length.new_full((), math.sqrt(room)))
    return torch.div(values, length, out=torch.empty_like(values))


def _normed(norm: nn.Module, linear: nn.Linear, dtype: torch.dtype) -> tuple[Norm, Linear]:
    """A norm and the layer behind it. In a lower type the norm's weights go into the layer's."""
    assert isinstance(norm, RMSNorm)
    scale, room = _scale(norm), len(norm.weight) * norm.epsilon
    if dtype == torch.float32:
        return (lambda hidden: _over_norm(hidden, room).mul_(scale)), Linear(linear)
    return (lambda hidden: _over_norm(hidden, room)), _copied(linear, dtype, scale)


def _scale(norm: nn.Module) -> Tensor:
    """What x / |x| is multiplied with, (D,)."""
    assert isinstance(norm, RMSNorm)
    return norm.weight * math.sqrt(len(norm.weight))


def _linear(linear: nn.Linear, dtype: torch.dtype) -> Linear:
    return Linear(linear) if dtype == torch.float32 else _copied(linear, dtype)


class Linear:
    """A linear layer as it stands; called with a second tensor, that is added to the result."""

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer

    def __call__(self, values: Tensor, added: Tensor | None = None) -> Tensor:
        result: Tensor = self.layer(values)
        return result if added is None else result.add_(added)


class Packed(Linear):
    """The same in oneDNN's own layout, which inductor uses too: at one row it takes two thirds of the time.

    oneDNN makes a kernel for every number of rows that it meets, and keeps it, half a megabyte each: prompts of all lengths
    would let a server grow by hundreds of megabytes. So numbers above `FREE_ROWS` are filled up to one of a few.

    Raises AttributeError or RuntimeError in a build of PyTorch that has it not.
    """

    def __init__(self, layer: nn.Linear) -> None:
        weight = layer.weight.detach()
        self.bias = layer.bias
        self.product = torch.ops.mkldnn._linear_pointwise.default
        self.summed = torch.ops.mkldnn._linear_pointwise.binary
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        self(weight.new_zeros(1, weight.shape[1]), weight.new_zeros(1, len(weight)))

    def __call__(self, values: Tensor, added: Tensor | None = None) -> Tensor:
        rows = len(values)
        more = _filled(rows) - rows
        if more:
            values, added = F.pad(values, (0, 0, 0, more)), None if added is None else F.pad(added, (0, 0, 0, more))
        if added is None:
            result = self.product(values, self.weight, self.bias, "none", [], "")
        else:
            result = self.summed(values, added, self.weight, self.bias, "add")
        return result[:rows]  # type: ignore[no-any-return]


def _filled(rows: int) -> int:
    """`rows`, above 32 filled up to one of at most eight numbers between a power of two and the next."""
    step = 1 if rows <= FREE_ROWS else max(16, 1 << (rows.bit_length() - 4))
    return -(-rows // step) * step


def _copied(linear: nn.Linear, dtype: torch.dtype, before: Tensor | None = None) -> Linear:
    """A copy of a linear layer in `dtype`, its inputs multiplied by `before`."""
    plain = linear.merged() if isinstance(linear, LowRank) else linear
    weight = plain.weight if before is None else plain.weight * before
    copy = nn.Linear(plain.in_features, plain.out_features, bias=plain.bias is not None, device="meta")
    copy.weight = nn.Parameter(weight.detach().to(dtype), requires_grad=False)
    if plain.bias is not None:
        copy.bias = nn.Parameter(plain.bias.detach().to(dtype), requires_grad=False)
    if weight.device.type == "cpu":
        with contextlib.suppress(AttributeError, RuntimeError):
            return Packed(copy)
    return Linear(copy)
