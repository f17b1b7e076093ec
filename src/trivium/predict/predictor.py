"""A fine-tuned model that tells what it was taught: labels, tags, answers, texts.

`load_predictor(folder)` is what the command line, `trivium.load` and evaluation hold. Items go in as `task.items` has them
or as plain texts; names come out, never numbers.

Legend: N items, L labels, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy
import torch

from trivium.base.device import Machine, choose_machine
from trivium.base.errors import RunError, UserError
from trivium.base.files import read_json
from trivium.model.folder import load, load_extra
from trivium.model.further import add_input
from trivium.model.transformer import Transformer
from trivium.predict.passes import head_outputs, pooled_outputs
from trivium.predict.spans import SpanAnswer, best_answer
from trivium.task.declaration import Task
from trivium.task.items import Asked, Labelled
from trivium.task.tags import best_sequence, convert, rules, spans_of
from trivium.task.words import words_in
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.letters import SIZE
from trivium.tokenizer.rows import context_rows, in_question, text_rows, word_rows

TASK_FILE = "trivium/task.json"


@dataclass(frozen=True)
class Judged:
    """A text's labels (one of `classify`, any number of `multilabel`), the probability of each, or a number."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    value: float | None = None

    @property
    def label(self) -> str:
        """The one label."""
        return self.labels[0] if self.labels else ""


@dataclass(frozen=True)
class Entity:
    """A tagged span of a text, by characters."""

    start: int
    end: int
    kind: str
    text: str


class Predictor:
    """A model with a head and the task that it was taught."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, task: Task, machine: Machine) -> None:
        self.model, self.tokenizer, self.task, self.machine = model, tokenizer, task, machine
        self.names: tuple[str, ...] = model.head.labels
        self.limit: int = model.shape.max_positions
        self.shortened = 0  # texts that lost their end, of all that were read

    def logits(self, items: Sequence[Labelled]) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]:
        """(N, L), what the head says of each item before any softmax; it reads the mean of its windows."""
        windows = self.task.views.head.windows
        grouped = [text_rows(self.tokenizer, item.text, item.second, self.limit, windows=windows) for item in items]
        self.shortened += sum(row.shortened for group in grouped for row in group)
        if not grouped:
            return numpy.zeros((0, len(self.names)))
        return pooled_outputs(self.model, grouped, self.tokenizer.pad, self.machine).double().numpy()

    def told_shortened(self, before: int, items: int) -> str:
        """That of `items` texts, read since `shortened` was `before`, some lost their end; nothing where none did."""
        count = self.shortened - before
        if not count:
            return ""
        remedy = "give shorter texts" if self.task.is_pair else "views.head.windows: true in the task reads them whole"
        return f"{count:,} of {items:,} texts are longer than {self.limit} tokens and lost their end; {remedy}"

    def classify(self, texts: Sequence[str | tuple[str, str] | Labelled]) -> list[Judged]:
        """What each text (or pair of texts) is. Raises UserError for an empty one, or for a pair where one is wanted."""
        self._require("classify", "multilabel", "regress")
        items = [labelled(self.task, text) for text in texts]
        if not items:
            return []
        logits = self.logits(items)  # (N, L)
        if self.task.kind == "regress":
            return [Judged((), {}, float(row[0])) for row in logits]
        if self.task.kind == "multilabel":
            shares = 1.0 / (1.0 + numpy.exp(-logits))
            return [
                Judged(
                    tuple(name for name, share in zip(self.names, row, strict=True) if share > 0.5),
                    dict(zip(self.names, map(float, row), strict=True)),
                )
                for row in shares
            ]
        shares = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return [
            Judged((self.names[int(row.argmax())],), dict(zip(self.names, map(float, row), strict=True)))
            for row in shares
        ]

    def tag_words(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """A tag for every word, in the scheme of the task's data; the most likely legal sequence."""
        self._require("tag")
        overlap, scheme = self.task.views.head.window_overlap, self.task.trained_scheme
        rows, owners, words = [], [], []
        for number, sentence in enumerate(sentences):
            if not sentence or not all(word.strip() for word in sentence):
                raise UserError(f"sentence {number + 1} has no words, or an empty one; give the words")
            for row in word_rows(self.tokenizer, sentence, self.limit, overlap):
                rows.append(row)
                owners.append(number)
                words.append(tuple(sentence[row.first : row.first + len(row.places)]))
        spelled = words if self.task.views.head.spelling else ()
        found = head_outputs(self.model, rows, self.tokenizer.pad, self.machine, spelled)
        scores: list[list[numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]]] = [[] for _ in sentences]
        for row, owner, logits in zip(rows, owners, found, strict=True):
            scores[owner].append(logits[list(row.own)].log_softmax(dim=-1).double().numpy())
        given = rules(self.names, scheme)
        told = []
        for parts in scores:
            path = best_sequence(numpy.concatenate(parts), given)
            told.append(convert([self.names[number] for number in path], scheme, self.task.scheme))
        return told

    def tag(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The spans of each text, by characters; of a task without spans, every word with its class."""
        places = [words_in(text) for text in texts]
        for number, found in enumerate(places, 1):
            if not found:
                raise UserError(f"text {number} is empty; give the words")
        tagged = self.tag_words([[t[a:b] for a, b in found] for t, found in zip(texts, places, strict=True)])
        return [self.entities(*one) for one in zip(texts, places, tagged, strict=True)]

    def tag_given(self, sentences: Sequence[Sequence[str]]) -> list[list[Entity]]:
        """The spans of sentences whose words are given, by characters of the words with a space between. Raises UserError for
        an empty word."""
        told = []
        for words, tags in zip(sentences, self.tag_words(sentences), strict=True):
            starts = accumulate((len(word) + 1 for word in words[:-1]), initial=0)
            places = [(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
            told.append(self.entities(" ".join(words), places, tags))
        return told

    def entities(self, text: str, places: Sequence[tuple[int, int]], tags: Sequence[str]) -> list[Entity]:
        """The spans of a text by the tags of its words, which are at `places`; of a task without spans every word."""
        if self.task.scheme == "none":
            spans = [(number, number + 1, tag) for number, tag in enumerate(tags)]
        else:
            spans = spans_of(tags, self.task.scheme)
        cut = [(places[start][0], places[end - 1][1], kind) for start, end, kind in spans]
        return [Entity(start, end, kind, text[start:end]) for start, end, kind in cut]

    def answer(self, items: Sequence[tuple[str, str] | Asked], null_threshold: float | None = None) -> list[SpanAnswer]:
        """The answer to each (question, context): a piece of the context, or nothing where it does not say."""
        self._require("answer")
        head = self.task.views.head
        threshold = head.null_threshold if null_threshold is None else null_threshold
        asked = [item if isinstance(item, Asked) else Asked(item[1], item[0]) for item in items]
        rows, owners, spans = [], [], []
        for number, item in enumerate(asked):
            if not item.context.strip() or not item.question.strip():
                raise UserError(f"item {number + 1}: question and context must not be empty")
            spans.append(self.tokenizer.encode_spans(item.context))
            asked_for = in_question(item.question, item.context, spans[-1]) if head.matching else None
            found = context_rows(
                self.tokenizer, item.question, spans[-1].ids, self.limit, head.window_overlap, asked_for
            )
            rows += found
            owners += [number] * len(found)
        outputs = head_outputs(self.model, rows, self.tokenizer.pad, self.machine)
        grouped: list[list[int]] = [[] for _ in asked]
        for place, owner in enumerate(owners):
            grouped[owner].append(place)
        return [
            best_answer(
                item.context,
                span,
                [(rows[place], outputs[place].double().numpy()) for place in group],
                self.tokenizer,
                head.longest_answer,
                threshold,
            )
            for item, span, group in zip(asked, spans, grouped, strict=True)
        ]

    def _require(self, *kinds: str) -> None:
        if self.task.kind not in kinds:
            verbs = {"tag": "tag", "answer": "answer", "generate": "write"}
            raise UserError(f"this model was taught to {verbs.get(self.task.kind, 'classify')}; call that")


def labelled(task: Task, given: str | tuple[str, str] | Labelled) -> Labelled:
    """A text, or a pair, as an item of the task. Raises UserError for an empty one, or for a pair where one is wanted."""
    item = given if isinstance(given, Labelled) else Labelled(*((given,) if isinstance(given, str) else given))
    if not item.text.strip() or (item.second is not None and not item.second.strip()):
        raise UserError("a text is empty; give the words")
    if (item.second is not None) != task.is_pair:
        wanted = "pairs of texts" if task.is_pair else "single texts"
        raise UserError(f"this model was taught on {wanted}; give those")
    return item


def load_predictor(folder: Path, device: str = "auto", threads: int = 0) -> Predictor:
    """The predictor of a fine-tuned model folder. Raises RunError where it was taught no task with a head."""
    if not (folder / TASK_FILE).is_file():
        raise RunError(f"{folder}: not fine-tuned on a task (no {TASK_FILE}); give the folder of a finetune-NAME stage")
    content = read_json(folder / TASK_FILE)
    task = Task.model_validate(content["task"])
    machine = choose_machine(device, threads, "float32")
    tokenizer = Tokenizer.load(folder)
    model = load(folder)
    if task.views.head.further:
        add_input(model, task.views.head.further, SIZE, torch.Generator())
        load_extra(model, folder)
    return Predictor(model.to(machine.device), tokenizer, task, machine)
