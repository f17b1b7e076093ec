"""One labelled example of each kind of task, and its place in the data it came from.

Labels are names, never numbers: which number a name has is the model's business, stored with the model. Items of one
`group` never fall on two sides of a split; `main` is the text that is shortened where an item is too long for a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Place:
    """Where an item stands, for faults: file and line (or a name and a number)."""

    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


NOWHERE = Place()


@dataclass(frozen=True)
class Labelled:
    """A text (or two) with its label names, or with a number. Exactly one label for `classify`, any for `multilabel`."""

    text: str
    second: str | None = None
    labels: tuple[str, ...] = ()
    value: float | None = None
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def group(self) -> str:
        return "\x1f".join((self.text, self.second or ""))

    @property
    def main(self) -> str:
        return self.text

    def fields(self) -> Mapping[str, str]:
        """What a template may name."""
        return {"text": self.text, "second": self.second or "", "label": ", ".join(self.labels)}


@dataclass(frozen=True)
class Tagged:
    """Words and, in the declared scheme, a tag for each; none where nothing is known."""

    words: tuple[str, ...]
    tags: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def group(self) -> str:
        return "\x1f".join(self.words)


@dataclass(frozen=True)
class Asked:
    """A question about a context. `answers` are (start, text) with context[start:start + len(text)] == text; none means
    that the context does not say. Questions of one `article` are one group."""

    context: str
    question: str
    answers: tuple[tuple[int, str], ...] = ()
    id: str = ""
    article: str = ""
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def group(self) -> str:
        return self.article or self.context

    @property
    def main(self) -> str:
        return self.context

    def fields(self) -> Mapping[str, str]:
        """What a template may name; the answer is '' where the context does not say."""
        first = self.answers[0][1] if self.answers else ""
        return {"context": self.context, "question": self.question, "answer": first}


@dataclass(frozen=True)
class Written:
    """A source text and what is to be written from it."""

    source: str
    target: str = ""
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def group(self) -> str:
        return self.source

    @property
    def main(self) -> str:
        return self.source

    def fields(self) -> Mapping[str, str]:
        """What a template may name."""
        return {"source": self.source, "target": self.target}


@dataclass(frozen=True)
class Chosen:
    """A question and what may answer it: options[right] does."""

    question: str
    options: tuple[str, ...]
    right: int
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def group(self) -> str:
        return "\x1f".join((self.question, *sorted(self.options)))

    @property
    def main(self) -> str:
        return self.question

    def fields(self) -> Mapping[str, str]:
        """What a template may name."""
        return {"question": self.question, "option": self.options[self.right]}


Item: TypeAlias = Labelled | Tagged | Asked | Written | Chosen
