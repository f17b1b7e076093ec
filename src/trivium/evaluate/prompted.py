"""A decoder that meets a task in words: the prompt view of its declaration, asked and read back.

A label is chosen by the log-likelihood of its whole text and the end after it, given the prompt; a text is written greedily.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trivium.base.device import Machine
from trivium.base.files import read_json
from trivium.generate.generator import Generator, load_generator
from trivium.generate.options import Ask, log_likelihoods
from trivium.model.transformer import Transformer
from trivium.predict.predictor import TASK_FILE, Predictor
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

    def labels(self, items: Sequence[Labelled]) -> list[str]:
        """The likeliest label of each item."""
        told = self._likeliest([[replace(item, labels=(name,)) for name in self.names] for item in items])
        return [self.names[number] for number in told]

    def choices(self, items: Sequence[Chosen]) -> list[int]:
        """The number of the likeliest option of each item."""
        return self._likeliest([[replace(item, right=number) for number in range(len(item.options))] for item in items])

    def texts(self, items: Sequence[Written | Asked]) -> list[str]:
        """What is written for each item, until it ends by itself or is as long as the view allows; '' of a question that is
        said to have no answer."""
        prompts = [self._prompt(item, self._longest) for item in items]
        told = [one.text for one in self.generator.complete(prompts, max_new_tokens=self._longest)]
        assert self.task.views.prompt is not None
        none = self.task.views.prompt.unanswerable
        return ["" if self.task.kind == "answer" and one == none else one for one in told]

    def _likeliest(self, asked: Sequence[Sequence[Labelled | Chosen]]) -> list[int]:
        """Of each item's variants the number of the one whose target, and the end after it, is likeliest."""
        tokenizer = self.generator.tokenizer
        asks = []
        for variants in asked:
            options = tuple((*tokenizer.encode(self.task.target_of(one)), tokenizer.end_of_text) for one in variants)
            asks.append(Ask(tuple(self._prompt(variants[0], max(map(len, options)))), options))
        found = log_likelihoods(self.generator.model, asks)
        return [max(range(len(told)), key=lambda number: told[number].total) for told in found]

    def _prompt(self, item: Promptable, more: int) -> list[int]:
        room = self.generator.model.shape.max_positions - more
        return prompt_ids(self.generator.tokenizer, self.task.prompt_of(item), item.main, room)[0]


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
