"""What a task is: its kind, where its data is, which columns hold what, how labels are called, and its views.

A view is a way for a model to meet the task: `head` puts a classifier, tagger or span finder on the trunk; `prompt`
writes the item as text and reads the answer from the text that follows; `cloze` leaves a gap for a masked model. All
share data, splits, label names and scores. A declaration is data: a recipe's section or a YAML file. How to train, and with
how many examples to ask, is not said here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from trivium.base.config import Settings, read_yaml_lines, validate
from trivium.base.hub import HubDataset
from trivium.task.items import Asked, Chosen, Labelled, Written
from trivium.task.tags import Scheme

Kind = Literal["classify", "multilabel", "regress", "tag", "answer", "generate", "choose"]
Format = Literal[
    "auto", "jsonl", "json", "csv", "tsv", "conll", "squad", "folders", "parallel", "parquet", "huggingface"
]
WorldTask = Literal[
    "sentiment",
    "entities",
    "questions",
    "headlines",
    "mail",
    "intents",
    "translations",
    "next_things",
    "codes",
    "unseen",
]
KIND_OF_WORLD: Mapping[WorldTask, Kind] = {
    "sentiment": "classify",
    "entities": "tag",
    "questions": "answer",
    "headlines": "generate",
    "mail": "classify",
    "intents": "classify",
    "translations": "generate",
    "next_things": "choose",
    "codes": "classify",
    "unseen": "choose",
}
# The parts of an item of each kind, and the column that holds each where none is named; "" for one that may be absent.
PARTS: Mapping[Kind, Mapping[str, str]] = {
    "classify": {"text": "text", "second": "", "label": "label"},
    "multilabel": {"text": "text", "second": "", "label": "labels"},
    "regress": {"text": "text", "second": "", "label": "label"},
    "tag": {"words": "words", "tags": "tags"},
    "answer": {"context": "context", "question": "question", "answers": "answers"},
    "generate": {"source": "source", "target": "target"},
    "choose": {"question": "question", "options": "options", "answer": "answer"},
}
# What of the head's view each kind reads, besides dropout.
HEAD_OF: Mapping[Kind, tuple[str, ...]] = {
    "classify": ("pooling", "windows", "class_weight", "label_smoothing"),
    "multilabel": ("pooling", "windows"),
    "regress": ("pooling", "windows"),
    "tag": ("train_as", "spelling", "window_overlap", "class_weight", "label_smoothing"),
    "answer": ("matching", "window_overlap", "longest_answer", "null_threshold"),
    "generate": (),
    "choose": (),
}
HEADLESS: tuple[Kind, ...] = ("generate", "choose")  # asked in words only
WRITING: tuple[Kind, ...] = (
    "generate",
    "answer",
)  # what a decoder writes, rather than chooses, where it is asked in words
# What a template may read of an item, the first always; and what the target tells.
PROMPTED: Mapping[Kind, tuple[tuple[str, ...], str]] = {
    "classify": (("text", "second"), "label"),
    "answer": (("question", "context"), "answer"),
    "generate": (("source",), "target"),
    "choose": (("question",), "option"),
}
GAP = "[MASK]"  # in a cloze, whatever the tokenizer calls it
_SLOT = re.compile(r"\{([^{}]*)\}")


class FileData(Settings):
    """Labelled files. Where there is no file for validation or test, a share of the training rows is kept for it."""

    kind: Literal["files"] = "files"
    train: Path = Field(description="a file; a folder of label folders; or a Hugging Face dataset folder")
    valid: Path | None = Field(default=None, description="to choose by: early stopping, the best step")
    test: Path | None = Field(default=None, description="to be measured on, once")
    format: Format = Field(default="auto", description="auto: by the file's ending")
    valid_share: float = Field(
        default=0.1, gt=0, lt=0.5, description="of the training items, where `valid` is not given"
    )
    test_share: float = Field(default=0.1, ge=0, lt=0.5, description="of the training items, where `test` is not given")


INVENTED: tuple[WorldTask, ...] = ("questions", "headlines")  # what can be said with words that nobody knows


class HubData(HubDataset):
    """Labelled items of a dataset on the hub, by the names of its splits. What is not given a split of its own is a share of
    the training items."""

    kind: Literal["hub"] = "hub"
    train: str = Field(default="train", min_length=1, description="the split to train on")
    valid: str | None = Field(default=None, min_length=1, description="the split to choose by, such as validation")
    test: str | None = Field(default=None, min_length=1, description="the split to be measured on, once")
    format: Format = Field(default="auto", description="auto: by each file's ending")
    valid_share: float = Field(
        default=0.1, gt=0, lt=0.5, description="of the training items, where `valid` is not given"
    )
    test_share: float = Field(default=0.1, ge=0, lt=0.5, description="of the training items, where `test` is not given")


class WorldData(Settings):
    """A task of the built-in world, with exact labels; validation and test speak of people, towns and things that the
    training items never name."""

    kind: Literal["world"] = "world"
    task: WorldTask = Field(description="which one")
    train: int = Field(default=3_000, ge=8, description="items to train on")
    valid: int = Field(default=300, ge=8, description="items to choose by")
    test: int = Field(default=1_000, ge=8, description="items to be measured on")
    invented: float = Field(
        default=0.0, ge=0, le=1, description="share of the training items whose names and things have invented words"
    )

    @model_validator(mode="after")
    def _fits(self) -> WorldData:
        if self.invented and self.task not in INVENTED:
            raise ValueError(f"invented: {self.task} has none; {' and '.join(INVENTED)} have. Leave it out")
        return self


class HeadView(Settings):
    """A head on the trunk. What a kind does not read is refused."""

    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="of embeddings, sub-layers and the head's input, while training"
    )
    pooling: Literal["auto", "mean", "cls", "last"] = Field(
        default="auto", description="of the states into one; auto: mean for an encoder, last for a decoder"
    )
    windows: bool = Field(
        default=False,
        description="a text that is too long is read in windows, of whose states the head reads the mean; else cut",
    )
    class_weight: Literal["none", "balanced"] | dict[str, float] = Field(
        default="none", description="of the loss; balanced: every label weighs the same; or a weight a label"
    )
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of the target spread over all labels")
    train_as: Scheme = Field(default="bioes", description="the scheme that the model learns; told in the data's one")
    spelling: bool = Field(default=False, description="the tagger also reads each word's letters and shape")
    matching: bool = Field(
        default=False, description="the finder of answers also reads which words of the context the question has"
    )
    window_overlap: int = Field(default=32, ge=0, description="tokens that two windows of a long text share")
    longest_answer: int = Field(default=30, ge=1, description="tokens of an answer, at most")
    null_threshold: float = Field(
        default=0.0, description="how much better 'no answer' must score than the best answer"
    )

    @property
    def further(self) -> Literal["", "spelling", "matching"]:
        """The input that the model gets besides tokens."""
        return "spelling" if self.spelling else "matching" if self.matching else ""


class PromptView(Settings):
    """The item as text, the answer after it. Prompt and answer are joined as tokens, so the border never moves."""

    template: str = Field(description="with {column} for each part of the item that is read")
    target: str = Field(
        default="", description="what follows; {label}, {target}, {answer} or {option}, the kind's own if not given"
    )
    words: dict[str, str] = Field(default={}, description="what a label is called in the prompt: {label: word}")
    phrasings: list[str] = Field(default=[], description="further templates; scores are told over all of them")
    separator: str = Field(default="\n\n", description="between examples, and before the item itself")
    unanswerable: str = Field(default="unknown", description="what is to be said where the context has no answer")
    max_new_tokens: int = Field(default=64, ge=1, description="of an answer, at most")
    prefix_attention: bool = Field(
        default=False,
        description="tokens of the prompt see all of it, also what follows them; to write texts, by training",
    )

    @property
    def templates(self) -> tuple[str, ...]:
        """All phrasings, the view's own template first."""
        return (self.template, *self.phrasings)


class ClozeView(Settings):
    """The item as text with one gap, which the label's word fills."""

    template: str = Field(description="with {column} for each part of the item that is read, and one [MASK]")
    words: dict[str, str] = Field(
        default={}, description="the word of each label: {label: word}; its name if not given"
    )
    phrasings: list[str] = Field(default=[], description="further templates; scores are told over all of them")
    separator: str = Field(default="\n\n", description="between examples, and before the item itself")

    @property
    def templates(self) -> tuple[str, ...]:
        """All phrasings, the view's own template first."""
        return (self.template, *self.phrasings)


class Views(Settings):
    """How a model meets the task."""

    head: HeadView = HeadView()
    prompt: PromptView | None = Field(
        default=None, description="asks in words, with and without training; needed to generate and to choose"
    )
    cloze: ClozeView | None = Field(default=None, description="asks a masked model for the word in a gap")


class Task(Settings):
    """One task. Raises ValueError (told by `validate` with its place) where its parts do not fit together."""

    kind: Kind = Field(description="what is to be told of an item")
    data: Annotated[FileData | HubData | WorldData, Field(discriminator="kind")] = Field(description="labelled items")
    columns: dict[str, str | int] = Field(
        default={}, description="which column holds which part; a number counts from 0 in files without a header"
    )
    labels: list[str] | dict[str, str] | None = Field(
        default=None,
        description="names in their order, or {what the data says: name}; those of the training data if not given",
    )
    scheme: Scheme = Field(default="bio", description="of the tags in the data; none: tags are classes of words")
    views: Views = Views()

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: list[str] | dict[str, str] | None) -> list[str] | dict[str, str] | None:
        names = [] if labels is None else list(labels)
        if labels is not None and (len(names) < 2 or len(set(names)) < len(names)):
            raise ValueError("give at least two different labels, or leave it out")
        return labels

    @model_validator(mode="before")
    @classmethod
    def _kind_of_data(cls, given: Any) -> Any:
        """`data` without a kind is files, or the hub's where it names a dataset; a task of the world knows its own kind."""
        if not isinstance(given, Mapping) or not isinstance(given.get("data"), Mapping):
            return given
        data = {"kind": "hub" if "dataset" in given["data"] else "files", **given["data"]}
        kinds = {"kind": KIND_OF_WORLD[data["task"]]} if data.get("task") in KIND_OF_WORLD else {}
        return {**kinds, **given, "data": data}

    @model_validator(mode="after")
    def _fits(self) -> Task:
        known = PARTS[self.kind]
        for part in self.columns:
            if part not in known:
                near = difflib.get_close_matches(part, known, n=1)
                meant = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
                raise ValueError(f"columns.{part}: a task of kind {self.kind} has no such part; {meant}")
        if isinstance(self.data, WorldData) and KIND_OF_WORLD[self.data.task] != self.kind:
            raise ValueError(f"kind is {self.kind}; the world's {self.data.task} is {KIND_OF_WORLD[self.data.task]}")
        head, plain = self.views.head, HeadView()
        for name in HeadView.model_fields:
            if getattr(head, name) != getattr(plain, name) and name not in (*HEAD_OF[self.kind], "dropout"):
                raise ValueError(f"views.head.{name}: not read by a task of kind {self.kind}")
        if head.windows and self.is_pair:
            raise ValueError("views.head.windows: two texts of an item are read in one row; leave it out")
        if self.scheme != "bio" and self.kind != "tag":
            raise ValueError(f"scheme: only tags have one; the kind is {self.kind}")
        if self.kind in HEADLESS and self.views.prompt is None:
            first = PROMPTED[self.kind][0][0]
            raise ValueError(f"views.prompt: a task of kind {self.kind} needs a template, such as '{{{first}}}\\n=>'")
        for name, view in (("prompt", self.views.prompt), ("cloze", self.views.cloze)):
            if view is not None:
                self._check_view(name, view)
        return self

    def _check_view(self, name: str, view: PromptView | ClozeView) -> None:
        kinds = [kind for kind in PROMPTED if name == "prompt" or kind == "classify"]
        if self.kind not in kinds:
            raise ValueError(
                f"views.{name}: a task of kind {self.kind} has no such view; {' and '.join(kinds)} have one"
            )
        read, told = PROMPTED[self.kind]
        for number, template in enumerate(view.templates):
            place = f"views.{name}.{'phrasings' if number else 'template'}"
            if told in _SLOT.findall(template):
                raise ValueError(f"{place}: {{{told}}} would tell the answer; it belongs into the target")
            for slot in _SLOT.findall(template):
                if slot not in read:
                    raise ValueError(f"{place}: {{{slot}}} is unknown; it may name {', '.join(read)}")
            if f"{{{read[0]}}}" not in template:
                raise ValueError(f"{place}: it must hold {{{read[0]}}}")
            if name == "cloze" and template.count(GAP) != 1:
                raise ValueError(f"{place}: it must hold {GAP} once; that is where the label's word goes")
        if len(set(view.words.values())) < len(view.words):
            raise ValueError(f"views.{name}.words: two labels have one word; give each its own")
        if view.words and self.kind != "classify":
            raise ValueError(f"views.{name}.words: only classify has labels to name; the kind is {self.kind}")
        if isinstance(view, PromptView) and view.prefix_attention and self.kind not in WRITING:
            writing = " or ".join(WRITING)
            raise ValueError(
                f"views.prompt.prefix_attention: only texts are written by it; the kind is {self.kind}, not {writing}"
            )
        if isinstance(view, PromptView) and view.target and _SLOT.findall(view.target) != [told]:
            raise ValueError(f"views.prompt.target: it must hold {{{told}}}, and nothing else in braces")

    def column(self, part: str) -> str | int:
        """The column of a part of the item; '' where the data has none."""
        return self.columns.get(part, PARTS[self.kind][part])

    @property
    def is_pair(self) -> bool:
        """Whether an item is two texts."""
        return bool(self.columns.get("second"))

    @property
    def sees_prompt_whole(self) -> bool:
        """Whether a decoder that is taught the task by its prompt reads that in both directions."""
        return self.views.prompt is not None and self.views.prompt.prefix_attention

    @property
    def trained_scheme(self) -> Scheme:
        """The scheme that a tagger learns."""
        return "none" if self.scheme == "none" else self.views.head.train_as

    def prompt_of(self, item: Promptable, template: str = "") -> Callable[[str], str]:
        """The prompt view of an item, by its own template or another, as a function of its main text."""
        assert self.views.prompt
        used, name = template or self.views.prompt.template, _MAIN[self.kind]
        return lambda text: _fill(used, {**item.fields(), name: text})

    def target_of(self, item: Promptable) -> str:
        """What follows the prompt of an item."""
        assert self.views.prompt
        told, view = PROMPTED[self.kind][1], self.views.prompt
        fields = dict(item.fields())
        fields[told] = view.words.get(fields[told], fields[told])
        if self.kind == "answer":
            fields[told] = fields[told] or view.unanswerable
        return _fill(view.target or f" {{{told}}}", fields)

    def gapped(self, item: Labelled, template: str) -> tuple[str, str]:
        """What stands before and after the gap of an item's cloze, without spaces at the gap."""
        before, _, after = template.partition(GAP)
        return _fill(before, item.fields()), _fill(after, item.fields())


Promptable: TypeAlias = Labelled | Written | Asked | Chosen
_MAIN: Mapping[Kind, str] = {"classify": "text", "answer": "context", "generate": "source", "choose": "question"}


def _fill(template: str, fields: Mapping[str, str]) -> str:
    """`template` with its slots filled; what the fields hold is never read as a slot."""
    return _SLOT.sub(lambda slot: fields[slot[1]], template)


def declared(task: Task | Path) -> Task:
    """The task, read from its file where it is given by one. Raises RecipeError where that is at fault."""
    return task if isinstance(task, Task) else read_task(task)


def read_task(path: Path) -> Task:
    """The task in a YAML file; its paths are relative to the file. Raises RecipeError with file and line."""
    content, lines = read_yaml_lines(path)
    task = validate(Task, content, str(path), lines)
    if not isinstance(task.data, FileData):
        return task
    folder = path.resolve().parent
    places = {name: folder / value for name in ("train", "valid", "test") if (value := getattr(task.data, name))}
    return task.model_copy(update={"data": task.data.model_copy(update=places)})
