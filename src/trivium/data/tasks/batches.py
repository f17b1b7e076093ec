"""Labelled items as batches: rows of ids with what is to be told of them, in the seeded order.

A step is a random set of rows, cut into a few batches of similar length whose gradients add up. A long text has several
rows; each word of it, and each answer, is supervised in the one row that it belongs to. A long text with one label is
taught as a whole: its rows lie in one batch, and the head reads the mean of what they are pooled into, as it does in use.

Legend: B rows, I items, T tokens, L labels.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trivium.base.errors import DataError
from trivium.base.seeds import derive, python_random
from trivium.base.words import TaskBatch
from trivium.data.conversations import Conversations
from trivium.data.order import chosen_rows
from trivium.task.declaration import Task
from trivium.task.items import Asked, Item, Labelled, Tagged
from trivium.task.tags import convert
from trivium.tokenizer.rows import (
    Row,
    context_rows,
    in_question,
    null_place,
    padded,
    prompt_ids,
    spelled,
    text_rows,
    word_rows,
)

if TYPE_CHECKING:
    from trivium.tokenizer.bpe import Tokenizer

PARTS = 2  # batches of a step; more need less memory, fewer are faster
LEAST_TOKENS = 4096  # of a step that is cut at all: a pass over fewer costs more than what it spares


@dataclass(frozen=True)
class Taught:
    """A row, what is to be told of it, and with what weight; `words` are those whose first tokens are at the row's places.
    `more` are the further rows of a text that is read in windows and told of as one."""

    row: Row
    target: Any
    weight: Any = 1.0
    words: tuple[str, ...] = ()
    more: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of its rows."""
        return (self.row, *self.more)


@dataclass(frozen=True)
class Lesson:
    """All that is taught of a set of items. `shortened` counts items of which a part is in no row; `lost` answers that no row
    holds whole."""

    rows: Sequence[Taught]
    shortened: int = 0
    lost: int = 0

    def in_a_step(self, rows: int) -> int:
        """How many of what is taught are a step of about so many rows: fewer where texts have several, of which a step shows
        so many at most."""
        every = sum(min(len(one.rows), rows) for one in self.rows)
        return max(1, min(len(self.rows), round(rows * len(self.rows) / every)))


def prepare(task: Task, names: Sequence[str], items: Sequence[Item], tokenizer: Tokenizer, limit: int) -> Lesson:
    """The items as rows of at most `limit` tokens. `names` are the labels in the order of the head's outputs."""
    weights = label_weights(task, names, items)
    if task.kind == "tag":
        return Lesson(
            [one for item in items for one in _tag_rows(task, names, weights, _tagged(item), tokenizer, limit)]
        )
    if task.kind == "answer":
        found = [_answer_rows(task, _asked(item), tokenizer, limit) for item in items]
        lost = sum(bool(_asked(item).answers) and not held for item, (_, held) in zip(items, found, strict=True))
        return Lesson([one for rows, _ in found for one in rows], lost=lost)
    numbers = {name: number for number, name in enumerate(names)}
    rows = []
    for item in items:
        assert isinstance(item, Labelled)
        target, weight = _target(task, item, numbers, weights)
        windows = text_rows(tokenizer, item.text, item.second, limit, windows=task.views.head.windows)
        rows.append(Taught(windows[0], target, weight, more=tuple(windows[1:])))
    return Lesson(rows, shortened=sum(one.row.shortened for one in rows))


def label_weights(task: Task, names: Sequence[str], items: Sequence[Item]) -> Mapping[str, float]:
    """The weight of each label in the loss. Raises DataError for a weight of a label that is not there."""
    asked = task.views.head.class_weight
    if asked == "none" or task.kind not in ("classify", "tag"):
        return dict.fromkeys(names, 1.0)
    if isinstance(asked, dict):
        wrong = sorted(set(asked) - set(names))
        if wrong:
            raise DataError(f"'{wrong[0]}' is none of the labels: {', '.join(names)}", field="views.head.class_weight")
        return {name: asked.get(name, 1.0) for name in names}
    counts = dict.fromkeys(names, 0)
    for item in items:
        for label in _names_of(task, item):
            counts[label] += 1
    present = [name for name in names if counts[name]]
    total = sum(counts.values())
    return {name: total / (len(present) * counts[name]) if counts[name] else 0.0 for name in names}


def _names_of(task: Task, item: Item) -> Sequence[str]:
    if isinstance(item, Labelled):
        return item.labels
    return convert(_tagged(item).tags, task.scheme, task.trained_scheme)


def _target(task: Task, item: Labelled, numbers: Mapping[str, int], weights: Mapping[str, float]) -> tuple[Any, float]:
    match task.kind:
        case "regress":
            return item.value, 1.0
        case "multilabel":
            return [float(name in item.labels) for name in numbers], 1.0
        case _:
            return numbers[item.labels[0]], weights[item.labels[0]]


def _tag_rows(
    task: Task, names: Sequence[str], weights: Mapping[str, float], item: Tagged, tokenizer: Tokenizer, limit: int
) -> list[Taught]:
    tags = convert(item.tags, task.scheme, task.trained_scheme)
    numbers = {name: number for number, name in enumerate(names)}
    taught = []
    for row in word_rows(tokenizer, item.words, limit, task.views.head.window_overlap):
        own = tags[slice(*row.kept)]
        words = item.words[row.first : row.first + len(row.places)]
        taught.append(Taught(row, [numbers[tag] for tag in own], [weights[tag] for tag in own], words))
    return taught


def _answer_rows(task: Task, item: Asked, tokenizer: Tokenizer, limit: int) -> tuple[list[Taught], bool]:
    """The rows of a question, and whether one of them holds the whole answer. A row that does not is taught to say so."""
    spans = tokenizer.encode_spans(item.context)
    head = task.views.head
    asked_for = in_question(item.question, item.context, spans) if head.matching else None
    rows = context_rows(tokenizer, item.question, spans.ids, limit, head.window_overlap, asked_for)
    answer = None
    if item.answers:
        start, text = item.answers[0]
        end = start + len(text)
        covered = [n for n, (a, b) in enumerate(zip(spans.starts, spans.ends, strict=True)) if a < end and b > start]
        answer = (covered[0], covered[-1]) if covered else None
    taught, held = [], False
    for row in rows:
        last = row.first + len(row.places) - 1
        if answer and row.first <= answer[0] and answer[1] <= last:
            held = True
            taught.append(Taught(row, [row.places[number - row.first] for number in answer]))
        else:
            null = null_place(row, tokenizer)
            taught.append(Taught(row, [null, null]))
    return taught, held


class TaskBatches:
    """Steps of about `batch_size` rows in the seeded order; `batches(step)` is a pure function of the step."""

    def __init__(self, task: Task, lesson: Lesson, tokenizer: Tokenizer, batch_size: int, seed: int) -> None:
        self.task, self.rows, self.tokenizer, self.seed = task, lesson.rows, tokenizer, seed
        self.size = lesson.in_a_step(batch_size)
        self.most_windows = batch_size

    def batches(self, step: int) -> list[TaskBatch]:
        """The micro-batches of a 0-based step, shortest rows first."""
        chosen = chosen_rows(step, self.size, len(self.rows), self.seed).tolist()
        taught = sorted((self.drawn(number, step) for number in chosen), key=lambda one: len(one.row.ids))
        return [
            self.collate(part, derive(self.seed, "dropout", step, number))
            for number, part in enumerate(self._parted(taught))
        ]

    def _parted(self, taught: Sequence[Taught]) -> list[Sequence[Taught]]:
        """What is taught in a step, in parts of about as many rows each, and of about `batch_size` at most."""
        import numpy

        rows = numpy.cumsum([len(one.rows) for one in taught])
        if rows[-1] * len(taught[-1].row.ids) < LEAST_TOKENS:
            return [taught]
        parts = max(min(PARTS, len(taught)), -(-int(rows[-1]) // self.most_windows))
        borders = numpy.searchsorted(rows, rows[-1] * numpy.arange(1, parts) / parts) + 1
        cuts = sorted({0, *borders.tolist(), len(taught)})
        return [taught[start:stop] for start, stop in itertools.pairwise(cuts)]

    def drawn(self, number: int, step: int) -> Taught:
        """What is taught under this number; of a text with more windows than a step has rows only so many, drawn anew in each
        step: a book alone must not need more memory than a step."""
        one = self.rows[number]
        if len(one.rows) <= self.most_windows:
            return one
        kept = python_random(self.seed, "windows", step, number).sample(range(len(one.rows)), self.most_windows)
        first, *more = (one.rows[place] for place in sorted(kept))
        return replace(one, row=first, more=tuple(more))

    def collate(self, taught: Sequence[Taught], seed: int = 0) -> TaskBatch:
        """What is taught as one batch."""
        import torch

        rows = padded([row for one in taught for row in one.rows], self.tokenizer.pad)
        if self.task.kind == "tag":
            targets, weights = torch.zeros_like(rows.tokens), torch.zeros(rows.tokens.shape)
            for number, one in enumerate(taught):
                targets[number, list(one.row.own)] = torch.tensor(one.target)
                weights[number, list(one.row.own)] = torch.tensor(one.weight, dtype=torch.float32)
            if self.task.views.head.spelling:
                rows = spelled(rows, [one.row for one in taught], [one.words for one in taught])
            return TaskBatch(rows, targets, weights, seed)
        kind = torch.float32 if self.task.kind in ("multilabel", "regress") else torch.int64
        targets = torch.tensor([one.target for one in taught], dtype=kind)
        weights = torch.tensor([one.weight for one in taught], dtype=torch.float32)
        if self.task.kind != "answer":
            counts = torch.tensor([len(one.rows) for one in taught])
            each = torch.diag(1.0 / counts).repeat_interleave(counts, dim=1)  # (I, B)
            return TaskBatch(rows, targets, weights, seed, shares=each if len(taught) < len(rows.tokens) else None)
        allowed = torch.zeros(rows.tokens.shape, dtype=torch.bool)
        for number, one in enumerate(taught):
            allowed[number, [*one.row.places, null_place(one.row, self.tokenizer)]] = True
        return TaskBatch(rows, targets, weights, seed, allowed)


def prompts_of(task: Task, items: Sequence[Item], tokenizer: Tokenizer, limit: int) -> tuple[Conversations, int]:
    """The prompt view of the items: learned is the target and the end of text after it; and how many sources were shortened.

    Raises DataError where a target alone is longer than the model reads.
    """
    import numpy

    tokens, learned, shortened = [], [], 0
    for item in items:
        assert not isinstance(item, Tagged)
        target = [*tokenizer.encode(task.target_of(item)), tokenizer.end_of_text]
        if len(target) > limit // 2:
            raise DataError(
                f"the target has {len(target)} tokens, more than half of the {limit} that the model reads; shorten it",
                file=item.place.file,
                line=item.place.line,
                field="target",
            )
        prompt, cut = prompt_ids(tokenizer, task.prompt_of(item), item.main, limit - len(target))
        shortened += cut
        tokens.append(numpy.array([*prompt, *target], numpy.int32))
        learned.append(numpy.array([False] * len(prompt) + [True] * len(target)))
    starts = numpy.cumsum([0, *(len(row) for row in tokens)])
    return Conversations(numpy.concatenate(tokens), numpy.concatenate(learned), starts, tokenizer.pad, 0), shortened


def _tagged(item: Item) -> Tagged:
    assert isinstance(item, Tagged)
    return item


def _asked(item: Item) -> Asked:
    assert isinstance(item, Asked)
    return item
