"""A task's labelled items, read from whatever form they come in, checked, and cut into training, validation and test.

`read` is the way in. Faults name file, line and field. Nothing is skipped: an item that cannot be used is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError, UserError
from trivium.base.files import hash_file
from trivium.base.seeds import derive, python_random
from trivium.data.find import files_at
from trivium.data.hub import place_of
from trivium.data.rows import holds_list
from trivium.data.tasks import conll, folders, parallel, squad, tables, world
from trivium.data.tasks.hub import HubFiles
from trivium.data.tasks.rows import Row, items_of
from trivium.task.declaration import FileData, Format, HubData, Task, WorldData, declared
from trivium.task.items import Item, Labelled, Tagged
from trivium.task.tags import names_in

SUFFIXES: Mapping[str, Format] = {
    ".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".conll": "conll", ".bio": "conll", ".iob": "conll",
    ".parquet": "parquet", ".zip": "folders",
}  # fmt: skip
REGRESSION = ("score",)


@dataclass(frozen=True)
class Splits:
    """The items of a task. `names` are its labels in order (tags in the scheme that is learned); `facts` tell how the
    items came to be: their numbers, and how many test items stand word for word in training."""

    train: Sequence[Item]
    valid: Sequence[Item]
    test: Sequence[Item]
    names: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


def read(task: Task, seed: int) -> Splits:
    """The items of the task. Raises DataError for whatever is wrong with them."""
    files = HubFiles(task.data, SUFFIXES) if isinstance(task.data, HubData) else None
    if isinstance(task.data, WorldData):
        train, valid, test = (list(world.items(task.data, seed, split)) for split in ("train", "valid", "test"))
    else:
        train, valid, test = _from_files(task, task.data, files, seed)
    names = label_names(task, train)
    _require_named(task, names, train)
    for items in (valid, test):
        _require_seen(task, items, train)
    seen = {item.group for item in train}
    overlap = sum(item.group in seen for item in test) if task.kind != "answer" else 0
    facts = {"train": len(train), "valid": len(valid), "test": len(test), "test_items_seen_in_training": overlap}
    return Splits(train, valid, test, names, facts | (files.facts() if files else {}))


def faults_of(task: Task) -> list[str]:
    """What is wrong with the task's files, which are read whole: later it would be found after the pre-training."""
    paths = [path for path in vars(task.data).values() if isinstance(path, Path)]
    if not paths or not all(files_at(path) for path in paths):
        return []  # the world is right; a missing file is told by the recipe
    try:
        read(task, 0)
    except UserError as error:
        return [str(error)]
    return []


def contents_of(task: Task | Path) -> dict[str, str] | None:
    """The hashes, by name, of the files that a task's own file names; None for a task that is declared in the recipe, whose
    paths the recipe knows."""
    if isinstance(task, Task):
        return None
    paths = [path for path in vars(declared(task).data).values() if isinstance(path, Path)]
    return {file.name: hash_file(file) for path in paths for file in files_at(path)}


def read_file(task: Task, path: Path) -> list[Item]:
    """The items of one file (or folder) in the task's format. Raises DataError where one is wrong or there is none."""
    rows = _rows(task, path)
    items = list(items_of(task, rows))
    if not items:
        raise DataError("nothing to read: there is no item in it; add some", file=path)
    return items


def label_names(task: Task, train: Iterable[Item]) -> tuple[str, ...]:
    """The label names in order: the task's own, or those of the training items, sorted."""
    if task.kind == "regress":
        return REGRESSION
    if task.kind in ("answer", "generate", "choose"):
        return ()
    if task.kind == "tag":
        tags = (tag for item in train if isinstance(item, Tagged) for tag in item.tags)
        return tuple(names_in(tags, task.scheme, task.trained_scheme))
    if task.labels is not None:
        given = task.labels.values() if isinstance(task.labels, dict) else task.labels
        return tuple(dict.fromkeys(given))
    found = sorted({label for item in train if isinstance(item, Labelled) for label in item.labels}, key=_by_number)
    if len(found) < 2 and task.kind == "classify":
        raise DataError(
            f"all training items have the label '{found[0]}'; at least two labels are needed", field="label"
        )
    return tuple(found)


def _require_named(task: Task, names: Sequence[str], train: Iterable[Item]) -> None:
    """Raises DataError for a declared label that no training item has, and for a word of a view that stands for no label."""
    if task.kind not in ("classify", "multilabel"):
        return
    file = task.data.train if isinstance(task.data, FileData) else None
    seen = {label for item in train for label in _labels_of(item, task)}
    for name in names:
        if name not in seen:
            told = f"'{name}' is in no training item; those have {', '.join(sorted(seen)[:12])}: add such items, or take it out"
            raise DataError(told, file=file, field="labels")
    for view, found in (("prompt", task.views.prompt), ("cloze", task.views.cloze)):
        for name in found.words if found else ():
            if name not in names:
                told = f"'{name}' is none of the labels: {', '.join(names)}"
                raise DataError(told, file=file, field=f"views.{view}.words")


def _by_number(name: str) -> tuple[float, str]:
    return (float(name), "") if name.lstrip("-").isdigit() else (float("inf"), name)


def _require_seen(task: Task, items: Iterable[Item], train: Iterable[Item]) -> None:
    """Raises DataError for a label that no training item has: it could only be scored as wrong."""
    if task.kind not in ("classify", "multilabel", "tag"):
        return
    seen = {label for item in train for label in _labels_of(item, task)}
    for item in items:
        for label in _labels_of(item, task):
            if label not in seen:
                raise DataError(
                    f"'{label}' is in no training item; those have {', '.join(sorted(seen)[:12])}: add such items, or take "
                    "this one out",
                    file=item.place.file,
                    line=item.place.line,
                    field=str(task.column("tags" if task.kind == "tag" else "label")),
                )


def _labels_of(item: Item, task: Task) -> Iterable[str]:
    if isinstance(item, Labelled):
        return item.labels
    assert isinstance(item, Tagged)
    return item.tags if task.scheme == "none" else {tag[2:] for tag in item.tags if tag != "O"}


def _from_files(
    task: Task, data: FileData | HubData, hub: HubFiles | None, seed: int
) -> tuple[list[Item], list[Item], list[Item]]:
    def items(given: Path | str) -> list[Item]:
        found = hub.files(str(given)) if hub else [Path(given)]
        return [item for file in found for item in read_file(task, file)]

    train = items(data.train)
    kept: dict[str, list[Item]] = {}
    for split, given, share in (("test", data.test, data.test_share), ("valid", data.valid, data.valid_share)):
        if given is not None:
            kept[split] = items(given)
        else:
            train, kept[split] = hold_out(train, share, seed, split)
    if not train or not kept["valid"]:
        raise DataError(
            f"{len(train)} items to train on and {len(kept['valid'])} to choose by; both are needed: give more items, or a "
            "file for data.valid",
            file=place_of(data) if isinstance(data, HubData) else data.train,
        )
    return train, kept["valid"], kept["test"]


def hold_out(items: Sequence[Item], share: float, seed: int, purpose: str) -> tuple[list[Item], list[Item]]:
    """(the rest, about `share` of the items): whole groups, the same share of every label, the same for every order."""
    strata: dict[str, dict[str, list[Item]]] = {}
    for item in items:
        label = item.labels[0] if isinstance(item, Labelled) and len(item.labels) == 1 else ""
        strata.setdefault(label, {}).setdefault(item.group, []).append(item)
    taken: set[str] = set()
    for groups in strata.values():
        wanted = round(share * sum(len(group) for group in groups.values()))
        count = 0
        for name in sorted(groups, key=lambda name: derive(seed, "hold out", purpose, name)):
            if count >= wanted:
                break
            count += len(groups[name])
            taken.add(name)
    return [one for one in items if one.group not in taken], [one for one in items if one.group in taken]


def few(items: Sequence[Item], size: int, seed: int) -> list[Item]:
    """`size` of the items, drawn so that labels take turns."""
    random = python_random(seed, "few labels")
    by_label: dict[tuple[str, ...], list[Item]] = {}
    for item in random.sample(list(items), len(items)):
        by_label.setdefault(item.labels if isinstance(item, Labelled) else (), []).append(item)
    rows = [
        [group[turn] for group in by_label.values() if turn < len(group)]
        for turn in range(max(map(len, by_label.values())))
    ]
    return [item for row in rows for item in row][:size]


def _rows(task: Task, path: Path) -> Iterator[Row]:
    assert not isinstance(task.data, WorldData)
    kind = task.data.format if task.data.format != "auto" else _format_of(task, path)
    match kind:
        case "conll":
            return conll.read(path, task)
        case "squad":
            return squad.read(path)
        case "folders":
            return folders.read(path)
        case "parallel":
            return parallel.read(path, task)
        case _:
            return tables.read(path, kind, task)


def _format_of(task: Task, path: Path) -> Format:
    if path.is_dir():
        return "huggingface" if (path / "dataset_info.json").exists() or (path / "state.json").exists() else "folders"
    kind = SUFFIXES.get(path.suffix.lower())
    if kind == "json" and isinstance(task.data, HubData):
        return "json" if holds_list(path) else "jsonl"
    if kind == "json" and task.kind == "answer":
        return "squad"
    if kind is None and task.kind == "tag":
        return "conll"
    if kind is None:
        known = ", ".join(SUFFIXES)
        raise DataError(f"'{path.suffix}' says nothing about its form; known: {known}, or give data.format", file=path)
    return kind


__all__ = ["Splits", "contents_of", "faults_of", "few", "hold_out", "label_names", "read", "read_file"]
