"""Initial weights, among them a start that already copies.

`initialise` draws every weight; `begin_copying` then wires two layers of attention into the circuit that small models
otherwise find late: the first layer's heads look at the token before, the second's look for an earlier token that was
preceded by the present one (Olsson et al. 2022, "In-context learning and induction heads"). Training is free to change
all of it. What it gives is in docs/decisions.md.

Legend: D hidden size, H query heads, K key and value heads, E head size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trivium.model.transformer import Attention, Transformer

EMBEDDING_SCALE = 0.02
HEADS = ("head_", "pooler.", "pair_out.", "output_bias")
EMBEDDINGS = ("embedding.", "position_embedding.", "type_embedding.", "unembedding.")
SHARPNESS = 2.0  # weight of the query and key norms: a look at one of a hundred tokens needs a score well above 5
BEFORE_GAIN, COPY_GAIN, CARRY_GAIN = 0.06, 0.2, 0.1  # what heads add to a stream whose embeddings have a norm near 0.3
FAST_PAIRS = 3  # rotary pairs that turn fastest tell neighbouring places apart
LOOKERS = 2  # heads of the first layer that look at the token before


def initialise(model: Transformer, generator: torch.Generator) -> None:
    """Normal weights of standard deviation 1/sqrt(fan-in), embeddings 0.02; projections into the stream start at 0.

    Zeroed output projections make each block the identity at the start (Zhang et al. 2019, Fixup; Yang et al. 2022).
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or name.startswith("head_out."):
                parameter.zero_()
            elif parameter.dim() < 2:
                parameter.fill_(1.0)
            elif name.endswith(("attention.out.weight", "feed_forward.down.weight")):
                parameter.zero_()
            elif name.startswith(EMBEDDINGS):
                parameter.normal_(0.0, EMBEDDING_SCALE, generator=generator)
            else:
                parameter.normal_(0.0, parameter.shape[1] ** -0.5, generator=generator)


@torch.no_grad()
def initialise_head(model: Transformer, *, vocabulary: bool = False) -> None:
    """Draw the layers of the head alone, always the same: they go on a trunk that has learned already. The last one over
    labels starts at 0; a matrix over the vocabulary of its own is drawn where `vocabulary` says so."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if name.startswith(("head_dense.", "pooler.", "pair_out.")) and parameter.dim() == 2:
            parameter.normal_(0.0, parameter.shape[1] ** -0.5, generator=generator)
        elif name.startswith(HEADS) and (name.endswith("bias") or name.startswith("head_out.")):
            parameter.zero_()
        elif vocabulary and name == "unembedding.weight":
            parameter.normal_(0.0, EMBEDDING_SCALE, generator=generator)


@torch.no_grad()
def begin_copying(model: Transformer, generator: torch.Generator) -> None:
    """Wire the first two layers as described above, and let the later ones carry values through unchanged.

    Needs a causal model with normalised queries and keys, at least two layers, as many key heads as query heads, H * E at
    most D, and 12 numbers a head; a model of another shape is left as it is.
    """
    shape = model.shape
    fits = shape.num_layers >= 2 and shape.num_kv_heads == shape.num_heads and shape.head_dim >= 12
    fits = fits and shape.causal and shape.query_key_norm and not shape.windows
    if not fits or shape.num_heads * shape.head_dim > shape.hidden_size:
        return
    # Every embedding gets the same small part along `common`, from which a head can tell places without a bias.
    basis = _orthogonal(shape.hidden_size, generator)  # (D, D), rows
    common, axes = basis[0], torch.cat([basis[1:], torch.zeros(1, shape.hidden_size)])
    model.embedding.weight += EMBEDDING_SCALE * math.sqrt(shape.hidden_size) * common
    turn = _orthogonal(shape.hidden_size, generator)  # what the first layer writes is kept apart from the embedding
    first, second, *later = model.attentions
    for attention in (first, second):
        attention.query_norm.weight.fill_(SHARPNESS)
        attention.key_norm.weight.fill_(SHARPNESS)
    _look_at_the_token_before(first, common, axes, turn, shape.rope_theta)
    _look_for_what_came_before(second, axes, turn)
    for attention in later:
        carried = _orthogonal(shape.hidden_size, generator)[: attention.heads * attention.head_dim]
        _part(attention, 2).copy_(carried)
        attention.out.weight.copy_(CARRY_GAIN * carried.t())


def _look_at_the_token_before(attention: Attention, common: Tensor, axes: Tensor, turn: Tensor, theta: float) -> None:
    """Query and key are constant but for their rotation, which agrees best one place apart."""
    size = attention.head_dim
    half = size // 2
    speeds = theta ** (-torch.arange(FAST_PAIRS) / half)
    key, query = torch.zeros(size), torch.zeros(size)
    key[:FAST_PAIRS] = 1.0
    query[:FAST_PAIRS], query[half : half + FAST_PAIRS] = speeds.cos(), -speeds.sin()
    for head in range(min(LOOKERS, attention.heads)):
        rows = slice(head * size, (head + 1) * size)
        _part(attention, 0)[rows] = query[:, None] * common
        _part(attention, 1)[rows] = key[:, None] * common
        _part(attention, 2)[rows] = axes[rows]
        attention.out.weight[:, rows] = BEFORE_GAIN * turn @ axes[rows].t()


def _look_for_what_came_before(attention: Attention, axes: Tensor, turn: Tensor) -> None:
    """The query is the present token, the key what the first layer wrote of the token before; the value is copied."""
    size = attention.head_dim
    half = size // 2
    slow = [*range(half // 2, half), *range(half + half // 2, size)]  # pairs that turn little over a text
    for head in range(attention.heads):
        rows = slice(head * size, (head + 1) * size)
        source = axes[(head % LOOKERS) * size :][: len(slow)]
        query, key = torch.zeros(size, axes.shape[1]), torch.zeros(size, axes.shape[1])
        query[slow], key[slow] = source, source @ turn.t()
        _part(attention, 0)[rows] = query
        _part(attention, 1)[rows] = key
        _part(attention, 2)[rows] = axes[rows]
        attention.out.weight[:, rows] = COPY_GAIN * axes[rows].t()


def _part(attention: Attention, number: int) -> Tensor:
    """The query (0), key (1) or value (2) rows of the fused matrix, (H * E, D)."""
    width = attention.heads * attention.head_dim
    rows: Tensor = attention.qkv.weight[number * width : (number + 1) * width]
    return rows


def _orthogonal(size: int, generator: torch.Generator) -> Tensor:
    rows: Tensor = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
    return rows
