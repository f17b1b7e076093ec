"""What a head learns from a batch: one objective a kind of task, each a sum, and the weight that it is divided by.

Legend: B rows, I texts, T tokens, D hidden size, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trivium.base.words import TaskBatch
from trivium.loss.labels import label_loss, multilabel_loss, span_loss, squared_loss
from trivium.model.further import states
from trivium.model.heads import Dropout
from trivium.model.transformer import Transformer
from trivium.task.declaration import Kind
from trivium.train.step import Objective


def supervised_weight(batches: Sequence[TaskBatch]) -> float:
    """The weight of all supervised items of a step: its denominator."""
    return float(sum(batch.weights.sum().item() for batch in batches))


def objective_of(kind: Kind, smoothing: float = 0.0, dropout: float = 0.0) -> Objective:
    """The objective of a task of this kind on a model with its head."""

    def objective(model: Transformer, batch: TaskBatch) -> Tensor:
        device = batch.targets.device
        keep = model.drop
        if dropout:
            model.drop = Dropout(dropout, batch.seed, device)
        try:
            if kind == "tag":
                return _tags(model, batch, smoothing)
            return _whole_rows(model, batch, kind, smoothing)
        finally:
            model.drop = keep  # nobody else is to draw

    return objective


def _whole_rows(model: Transformer, batch: TaskBatch, kind: Kind, smoothing: float) -> Tensor:
    hidden = states(model, batch.rows)  # (B, T, D)
    logits = model.outputs(hidden, batch.rows.real, batch.shares)  # (B, L), (I, L), or (B, T, 2) of a span finder
    match kind:
        case "answer":
            assert batch.allowed is not None
            return span_loss(logits, batch.targets, batch.allowed, batch.weights)
        case "multilabel":
            return multilabel_loss(logits, batch.targets, batch.weights)
        case "regress":
            return squared_loss(logits.squeeze(-1), batch.targets, batch.weights)
        case _:
            return label_loss(logits, batch.targets, batch.weights, smoothing)


def _tags(model: Transformer, batch: TaskBatch, smoothing: float) -> Tensor:
    hidden = states(model, batch.rows)  # (B, T, D)
    kept = batch.weights.reshape(-1).nonzero().squeeze(1)  # (N,)
    chosen = hidden.reshape(1, -1, hidden.shape[-1]).index_select(1, kept)  # (1, N, D): only words enter the head
    logits = model.outputs(chosen, None).squeeze(0)  # (N, L)
    targets, weights = batch.targets.reshape(-1)[kept], batch.weights.reshape(-1)[kept]
    return label_loss(logits, targets, weights, smoothing)
