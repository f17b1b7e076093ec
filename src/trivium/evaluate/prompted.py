"""A decoder that meets a task in words: the prompt view of its declaration, asked and read back.

A label is chosen by the log-likelihood of its whole text and the end after it, given the prompt; a text is written greedily.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trivium.base.device import Machine
from trivium.base.errors import UserError
from trivium.base.files import read_json
from trivium.generate.generator import Generator, load_generator
from trivium.generate.options import Ask, log_likelihoods
from trivium.model.transformer import Transformer
from trivium.predict.predictor import TASK_FILE, Judged, Predictor, labelled
from trivium.predict.spans import SpanAnswer
from trivium.task.declaration import Promptable, Task
from trivium.task.items import Asked, Chosen, Labelled, Written
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.rows import prompt_ids


class Prompted:
    """A generator that was fine-tuned on the prompt view of `task`; `names` are its labels, if it has any."""

    def __init__(self, generator: Generator, task: Task, names: Sequence[str]) -> None:
        self.generator, self.task, self.names = generator, task, tuple(names)
        generator.engine.prefix = task.sees_prompt_whole  # as it was trained
        assert task.views.prompt is not None
        self._longest = task.views.prompt.max_new_tokens

    def classify(self, texts: Sequence[str | tuple[str, str] | Labelled]) -> list[Judged]:
        """The likeliest label of each text (or pair). Raises UserError for an empty one, or for a pair where one is wanted."""
        return [Judged((label,), {}) for label in self.labels([labelled(self.task, text) for text in texts])]

    def answer(self, items: Sequence[tuple[str, str] | Asked]) -> list[SpanAnswer]:
        """What is written to answer each (question, context), and where it stands. Raises UserError for an empty one."""
        asked = [item if isinstance(item, Asked) else Asked(item[1], item[0]) for item in items]
        for number, item in enumerate(asked, 1):
            if not item.context.strip() or not item.question.strip():
                raise UserError(f"item {number}: question and context must not be empty")
        return [_found(item.context, text) for item, text in zip(asked, self.texts(asked), strict=True)]

    def write(self, sources: Sequence[str]) -> list[str]:
        """What is written from each source. Raises UserError for an empty one."""
        if not all(source.strip() for source in sources):
            raise UserError("a text is empty; give the words")
        return self.texts([Written(source) for source in sources])

    def labels(self, items: Sequence[Labelled]) -> list[str]:
        """The likeliest label of each item."""
        told = self._totals([[replace(item, labels=(name,)) for name in self.names] for item in items])
        return [self.names[_highest(totals)] for totals in told]

    def choices(self, items: Sequence[Chosen]) -> list[int]:
        """The number of the likeliest option of each item."""
        return [_highest(totals) for totals in self.weighed(items)]

    def weighed(self, items: Sequence[Chosen]) -> list[list[float]]:
        """The log-likelihood of each option of each item, in nats."""
        return self._totals([[replace(item, right=number) for number in range(len(item.options))] for item in items])

    def texts(self, items: Sequence[Written | Asked]) -> list[str]:
        """What is written for each item, until it ends by itself or is as long as the view allows; '' of a question that is
        said to have no answer."""
        prompts = [self._prompt(item, self._longest) for item in items]
        told = [one.text for one in self.generator.complete(prompts, max_new_tokens=self._longest)]
        assert self.task.views.prompt is not None
        none = self.task.views.prompt.unanswerable
        return ["" if self.task.kind == "answer" and one == none else one for one in told]

    def _totals(self, asked: Sequence[Sequence[Labelled | Chosen]]) -> list[list[float]]:
        """The log-likelihood of the target, and the end after it, of each of an item's variants."""
        tokenizer = self.generator.tokenizer
        asks = []
        for variants in asked:
            options = tuple((*tokenizer.encode(self.task.target_of(one)), tokenizer.end_of_text) for one in variants)
            asks.append(Ask(tuple(self._prompt(variants[0], max(map(len, options)))), options))
        found = log_likelihoods(self.generator.model, asks)
        return [[one.total for one in told] for told in found]

    def _prompt(self, item: Promptable, more: int) -> list[int]:
        room = self.generator.model.shape.max_positions - more
        return prompt_ids(self.generator.tokenizer, self.task.prompt_of(item), item.main, room)[0]


def _highest(totals: Sequence[float]) -> int:
    return max(range(len(totals)), key=totals.__getitem__)


def _found(context: str, text: str) -> SpanAnswer:
    start = context.find(text)
    return SpanAnswer(text, start, start + len(text) if start >= 0 else -1)


def reader_of(
    model: Transformer, tokenizer: Tokenizer, task: Task, names: Sequence[str], machine: Machine | None
) -> Predictor | Prompted:
    """A model that was taught the task, as something that can be asked: by its head on the machine, or in words (None)."""
    if machine is None:
        return Prompted(Generator(model, tokenizer), task, names)
    return Predictor(model, tokenizer, task, machine)


def load_prompted(folder: Path, device: str = "auto", threads: int = 0) -> Prompted:
    """The model of a folder that was fine-tuned on a prompt view. Raises RunError or CheckpointError where it is damaged."""
    content = read_json(folder / TASK_FILE)
    task = Task.model_validate(content["task"])
    return Prompted(load_generator(folder, device, threads), task, content["names"])
