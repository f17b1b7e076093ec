"""Passes of a model over rows of any length, without gradients: similar lengths together, results in the order asked for.

Legend: N texts, B rows, T tokens, L labels, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from trivium.base.device import Machine
from trivium.base.words import Rows
from trivium.model.further import states
from trivium.model.heads import pool
from trivium.model.transformer import Transformer
from trivium.tokenizer.rows import Row, padded, spelled

TOKENS_AT_ONCE = 8192


def batches(rows: Sequence[Row]) -> Iterator[list[int]]:
    """Numbers of rows, shortest first, in groups of about `TOKENS_AT_ONCE` tokens with their padding."""
    group: list[int] = []
    for number in sorted(range(len(rows)), key=lambda one: len(rows[one].ids)):
        if group and (len(group) + 1) * len(rows[number].ids) > TOKENS_AT_ONCE:
            yield group
            group = []
        group.append(number)
    if group:
        yield group


@torch.inference_mode()
def head_outputs(
    model: Transformer, rows: Sequence[Row], pad: int, machine: Machine, words: Sequence[Sequence[str]] = ()
) -> list[Tensor]:
    """For each row what the head tells, float32 on the CPU: (L,), or (T, L) of a tagger, or (T, 2) of a span finder.

    `words` are those of each row's places, for a tagger that reads spelling.
    """
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    for group, batch in _batches(model, rows, pad, machine, words):
        with machine.autocast():
            logits = model.outputs(states(model, batch), batch.real).float().cpu()
        for number, one in zip(group, logits, strict=True):
            found[number] = one
    return found


def pooled_outputs(model: Transformer, groups: Sequence[Sequence[Row]], pad: int, machine: Machine) -> Tensor:
    """(N, L) float32 on the CPU, what the head tells of each of N groups of rows: it reads the mean of what they are pooled
    into."""
    rows = [row for group in groups for row in group]
    found = torch.zeros(len(rows), model.shape.hidden_size, device=machine.device)
    for numbers, batch, hidden in row_states(model, rows, pad, machine):
        found[numbers] = pool(hidden, batch.real, model.head.pool)
    with torch.inference_mode(), machine.autocast():
        means = [part.mean(dim=0) for part in torch.split(found, [len(group) for group in groups])]
        return model.told(torch.stack(means)).float().cpu()


@torch.inference_mode()
def row_states(
    model: Transformer, rows: Sequence[Row], pad: int, machine: Machine
) -> Iterator[tuple[list[int], Rows, Tensor]]:
    """(numbers of rows, the rows as tensors, hidden states (B, T, D)) of each pass."""
    for group, batch in _batches(model, rows, pad, machine, ()):
        with machine.autocast():
            hidden = states(model, batch).float()
        yield group, batch, hidden


def _batches(
    model: Transformer, rows: Sequence[Row], pad: int, machine: Machine, words: Sequence[Sequence[str]]
) -> Iterator[tuple[list[int], Rows]]:
    model.eval()
    for group in batches(rows):
        batch = padded([rows[number] for number in group], pad)
        if words:
            batch = spelled(batch, [rows[number] for number in group], [words[number] for number in group])
        moved = [None if one is None else one.to(machine.device) for one in vars(batch).values()]
        yield group, Rows(*moved)  # type: ignore[arg-type]  # None only where it was
