"""The objectives of masked models: tokens that were hidden, and where rows are pairs whether the second text follows the first.

    loss = 1/N sum over hidden tokens of -log p(token | the rest of its row)  +  1/P sum over pairs of -log p(relation | row)

Devlin et al. 2019. The head is computed at hidden tokens alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from trivium.base.words import MaskedBatch
from trivium.loss.language import chosen_cross_entropy
from trivium.model.transformer import Transformer


def masked_loss(model: Transformer, batch: MaskedBatch) -> Tensor:
    """Sum over hidden tokens of -log p(token), and over pairs of `relation_weight` times -log p(relation), in nats."""
    hidden = model(batch.tokens, real=batch.real, types=batch.types)  # (B, T, D)
    features = model.features(hidden.flatten(0, 1).index_select(0, batch.places))  # (N, D)
    kind = features.device.type
    if torch.is_autocast_enabled(kind):
        features = features.to(torch.get_autocast_dtype(kind))
    total = chosen_cross_entropy(features, model.output_weight, batch.targets, batch.weights, model.output_bias)
    if batch.relations is None:
        return total
    relation = F.cross_entropy(model.pair_logits(hidden).float(), batch.relations, reduction="sum")
    return total + batch.relation_weight * relation


def hidden_tokens(batches: Sequence[MaskedBatch]) -> float:
    """How many tokens are to be found: the denominator of a step."""
    return float(sum(len(batch.places) for batch in batches))


@torch.no_grad()
def found(model: Transformer, batch: MaskedBatch) -> tuple[float, int, int]:
    """Summed -log p of the hidden tokens, how many of them are the likeliest, and how many relations are told right."""
    hidden = model(batch.tokens, real=batch.real, types=batch.types)
    logits = model.logits(hidden.flatten(0, 1).index_select(0, batch.places)).float()  # (N, V)
    loss = F.cross_entropy(logits, batch.targets, reduction="sum")
    right = int((logits.argmax(dim=-1) == batch.targets).sum())
    told = 0
    if batch.relations is not None:
        told = int((model.pair_logits(hidden).argmax(dim=-1) == batch.relations).sum())
    return float(loss), right, told
