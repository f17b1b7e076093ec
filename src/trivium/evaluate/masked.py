"""Held-out scores of a masked model, at a mask that never changes, beside what knowing no context gives.

`unigram_loss` is the cross-entropy of the hidden tokens under the training text's own token frequencies. A model whose loss
stays there has learned how often tokens come, and nothing about their context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy
import torch

from trivium.base.device import Machine
from trivium.base.words import MaskedBatch
from trivium.data.shards import Shard
from trivium.evaluate.intervals import Estimate, ratio
from trivium.model.transformer import Transformer
from trivium.train.distributed import Team
from trivium.train.masked import found
from trivium.train.step import on_device

COUNTED_AT_ONCE = 1 << 22


def masked_scores(model: Transformer, batches: Sequence[MaskedBatch], team: Team) -> dict[str, float]:
    """`valid_loss` (nats a hidden token), `masked_accuracy`, and with pairs `pair_accuracy` beside `pair_majority`, the share
    of the commoner relation. All processes of the team call it, each with its own batches."""
    model.eval()
    loss = 0.0
    hidden = right = told = pairs = ones = 0
    for batch in batches:
        with team.machine.autocast():
            parts = found(model, on_device(batch, team.machine.device))
        loss, right, told = loss + parts[0], right + parts[1], told + parts[2]
        hidden += len(batch.places)
        if batch.relations is not None:
            pairs += len(batch.relations)
            ones += int(batch.relations.sum())
    model.train()
    sums = team.sum(loss, float(hidden), float(right), float(told), float(pairs), float(ones))
    scores = {"valid_loss": sums[0] / max(sums[1], 1.0), "masked_accuracy": sums[2] / max(sums[1], 1.0)}
    if sums[4]:
        share = sums[5] / sums[4]
        scores |= {"pair_accuracy": sums[3] / sums[4], "pair_majority": max(share, 1.0 - share)}
    return scores


def masked_estimates(
    model: Transformer, batches: Sequence[MaskedBatch], machine: Machine
) -> dict[str, tuple[Estimate, str]]:
    """The same scores of a whole shard with bootstrap intervals over batches, and the unit of each. The number of items is
    that of the hidden tokens, or of the pairs."""
    model.eval()
    parts = []
    for batch in batches:
        with machine.autocast(), torch.inference_mode():
            loss, right, told = found(model, on_device(batch, machine.device))
        pairs = 0 if batch.relations is None else len(batch.relations)
        parts.append((loss, float(right), float(len(batch.places)), float(told), float(pairs)))
    losses, rights, hidden, tolds, pairs_of = (list(column) for column in zip(*parts, strict=True))
    scores = {
        "masked_loss": (ratio(losses, hidden), "nats"),
        "masked_accuracy": (ratio(rights, hidden), "share"),
    }
    counts = {name: int(sum(hidden)) for name in scores}
    if sum(pairs_of):
        scores["pair_accuracy"] = (ratio(tolds, pairs_of), "share")
        counts["pair_accuracy"] = int(sum(pairs_of))
    return {name: (replace(one, items=counts[name]), unit) for name, (one, unit) in scores.items()}


def unigram_loss(train: Shard, batches: Sequence[MaskedBatch], team: Team) -> float:
    """Mean -log of the share of each hidden token in the training text (one added to each count), in nats."""
    counts = numpy.ones(train.vocab_size)
    for start in range(0, len(train.tokens), COUNTED_AT_ONCE):
        counts += numpy.bincount(train.tokens[start : start + COUNTED_AT_ONCE], minlength=train.vocab_size)
    logs = torch.from_numpy(numpy.log(counts / counts.sum()))
    total, hidden = team.sum(
        -sum(float(logs[batch.targets].sum()) for batch in batches), float(sum(len(batch.places) for batch in batches))
    )
    return total / max(hidden, 1.0)
