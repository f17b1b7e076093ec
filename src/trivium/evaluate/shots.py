"""Which examples stand before an item, and the item as a question with them.

Examples come from the training items, the labels taking turns, in a shuffled order that follows from the seed; none that is
also a test item is taken. Where a prompt is too long, examples are left out from the front before the item loses anything.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from trivium.base.errors import DataError, UserError
from trivium.base.seeds import python_random
from trivium.data.tasks import few
from trivium.evaluate.readers import Question, Reader
from trivium.task.declaration import ClozeView, Promptable, PromptView, Task
from trivium.task.items import Chosen, Labelled

CONTENT_FREE = ("N/A", "", "[MASK]")  # Zhao et al. 2021


@dataclass(frozen=True)
class Draw:
    """One way to ask: a template and the examples before the item."""

    seed: int
    phrasing: int
    template: str
    shots: tuple[Promptable, ...]


@dataclass(frozen=True)
class Form:
    """A task, its label names, and the view by which it is asked: 'prompt' or 'cloze'."""

    task: Task
    names: tuple[str, ...]
    view: str

    @property
    def templates(self) -> tuple[str, ...]:
        return self._view.templates

    @property
    def _view(self) -> PromptView | ClozeView:
        found = self.task.views.cloze if self.view == "cloze" else self.task.views.prompt
        assert found is not None
        return found

    def words(self, item: Promptable) -> tuple[str, ...]:
        """What the options of an item are called, () where there are none."""
        if isinstance(item, Labelled):
            return tuple(self._view.words.get(name, name) for name in self.names)
        return item.options if isinstance(item, Chosen) else ()

    def right(self, item: Promptable) -> int:
        """The number of the right option."""
        return self.names.index(item.labels[0]) if isinstance(item, Labelled) else item.right  # type: ignore[union-attr]

    def plain(self, item: Promptable, template: str, text: str | None = None) -> Question:
        """The item alone; `text` instead of its own where given."""
        shown = item.main if text is None else text
        if self.view == "cloze":
            assert isinstance(item, Labelled)
            before, after = self.task.gapped(replace(item, text=shown), template)
            space = " " if before.endswith(" ") else ""
            options = tuple(f"{space}{word}" for word in self.words(item))
            return Question(before.removesuffix(" "), options, after)
        variants: Sequence[Promptable] = ()
        if isinstance(item, Labelled):
            variants = [replace(item, labels=(name,)) for name in self.names]
        elif isinstance(item, Chosen):
            variants = [replace(item, right=number) for number in range(len(item.options))]
        options = tuple(self.task.target_of(one) for one in variants)
        return Question(self.task.prompt_of(item, template)(shown), options)

    def solved(self, item: Promptable, template: str) -> str:
        """The item with its right answer, as an example."""
        question = self.plain(item, template)
        told = question.options[self.right(item)] if question.options else self.task.target_of(item)
        return question.before + told + question.after

    def question(
        self, reader: Reader, item: Promptable, draw: Draw, text: str | None = None, more: int = 0
    ) -> tuple[Question, int]:
        """The item behind the draw's examples, and how many of those had to be left out. Raises DataError where an option is
        longer than what the model reads."""
        bare = self.plain(item, draw.template, text)
        shots = [self.solved(one, draw.template) for one in draw.shots]
        for start in range(len(shots) + 1):
            before = self._view.separator.join([*shots[start:], bare.before])
            whole = replace(bare, before=before)
            if reader.fits(whole, more):
                return whole, start
        if not reader.fits(self.plain(item, draw.template, ""), more):
            raise DataError(
                "what is around the item's text, and its longest option, are more than the model reads; shorten them, or take "
                "a model that reads more",
                file=item.place.file or None,
                line=item.place.line,
                field="options" if isinstance(item, Chosen) else "template",
            )
        shown = item.main if text is None else text
        while not reader.fits(self.plain(item, draw.template, shown), more):
            shown = shown[: min(len(shown) * 3 // 4, len(shown) - 1)]
        return self.plain(item, draw.template, shown), len(shots)


def draws(form: Form, pool: Sequence[Promptable], shots: int, seeds: int) -> Iterator[Draw]:
    """Every phrasing with every draw of `shots` examples; without examples there is one draw a phrasing.

    Raises UserError where the pool has fewer examples.
    """
    if shots > len(pool):
        raise UserError(
            f"{shots} examples are asked for; {len(pool)} training items are left that are no test items: ask for fewer"
        )
    for phrasing, template in enumerate(form.templates):
        for seed in range(seeds if shots else 1):
            chosen = cast(list[Promptable], few(pool, shots, seed)) if shots else []
            python_random(seed, "order of shots").shuffle(chosen)
            yield Draw(seed, phrasing, template, tuple(chosen))


def content_free(item: Labelled | Chosen, text: str) -> Labelled | Chosen:
    """The item with nothing in it to judge."""
    if isinstance(item, Chosen):
        return replace(item, question=text)
    return replace(item, text=text, second=None if item.second is None else text)


def told_in_prompt(form: Form, items: Sequence[Promptable], template: str) -> int:
    """Items of labels whose text holds the right label's word and no other label's: part of the answer can be read off."""
    found = 0
    for item in items:
        if isinstance(item, Labelled):
            text = form.plain(item, template).before.lower()
            there = [bool(re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", text)) for word in form.words(item)]
            found += there[form.right(item)] and sum(there) == 1
    return found


def require_apart(form: Form, reader: Reader, items: Sequence[Promptable]) -> int:
    """Raises UserError where one label's tokens begin another's: the shorter is never less likely. Returns how many items of
    kind choose have such options, which their data bring along."""
    if not items:
        return 0
    first = items[0]
    if isinstance(first, Labelled):
        options = form.plain(first, form.templates[0]).options
        ids = [reader.ids(one) for one in options]
        for one, name in zip(ids, form.names, strict=True):
            for other, longer in zip(ids, form.names, strict=True):
                if name != longer and other[: len(one)] == one:
                    raise UserError(
                        f"the label '{name}' begins the label '{longer}' (as the tokenizer cuts them), so it can never be less "
                        f"likely; give one of them another word in views.{form.view}.words"
                    )
        return 0
    count = 0
    for item in items:
        if isinstance(item, Chosen):
            cut = sorted(reader.ids(one) for one in form.plain(item, form.templates[0]).options)
            count += any(two[: len(one)] == one for one, two in itertools.pairwise(cut))
    return count
