"""Which files of a dataset on the hub are meant: by patterns, or by a subset and a split.

Subsets and splits are those that the dataset's card names (`configs`, as the hub and `datasets` read it); where it names
none, a subset is a folder, and a split is told from the names of files and folders: train-00000-of-00002.parquet. Nothing
is fetched or opened here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import yaml

from trivium.base.errors import DataError
from trivium.data.find import fits

CARD = "README.md"
ALL = "all"
WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}  # what a file's name says of its split, as `datasets` reads it
BESIDE = (CARD, "config.json", "dataset_info.json", "dataset_infos.json", "state.json")
MOST_SHOWN = 8
Readable = Callable[[str], bool]  # by its name
_WORD = re.compile(r"[^\W\d_]+")
_OTHER_FORM = "most datasets are also there as Parquet: set revision to refs/convert/parquet"


def card_of(text: str) -> dict[str, Any]:
    """The metadata at the head of a dataset's card; empty where there is none that can be read."""
    parts = re.split(r"^---\s*$", text.lstrip("\ufeff"), maxsplit=2, flags=re.MULTILINE)
    if len(parts) < 3 or parts[0].strip():
        return {}
    try:
        content = yaml.safe_load(parts[1])
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def license_of(card: Mapping[str, Any]) -> str | None:
    """The licence that a card names; None where it names none."""
    given = card.get("license")
    names = [str(one) for one in (given if isinstance(given, list) else [given]) if one]
    if names == ["other"] and card.get("license_name"):
        return str(card["license_name"])
    return ", ".join(names) or None


class Layout:
    """The files of a dataset, and what its card says of them; `place` is how messages call it."""

    def __init__(self, names: Iterable[str], card: Mapping[str, Any], place: str = "dataset") -> None:
        self._place = place
        self._names = sorted(name for name in names if not _is_beside(name))
        given = card.get("configs")
        entries = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
        self._subsets = {str(one["config_name"]): one for one in entries if one.get("config_name")}

    def choose(self, subset: str | None, split: str, readable: Readable) -> list[str]:
        """The names of the files of a subset and a split ('all' for every split). Raises DataError where none is meant."""
        names = self._readable(readable)
        entry = self._entry(subset)
        if entry is None:
            return self._by_names(names if subset is None else self._inside(subset, names), split)
        folder = f"{str(entry['data_dir']).strip('./')}/" if entry.get("data_dir") else ""
        names = [name for name in names if name.startswith(folder)]
        declared = _declared(entry.get("data_files"), folder)
        if not declared:
            return self._by_names(names, split)
        if None in declared:
            return self._by_names([name for name in names if fits(name, declared[None])], split)
        wanted = [one for one in declared if split in (ALL, one) or one in WORDS.get(split, ())]
        if not wanted:
            raise self._fault(f"has no split '{split}'; there are: {_some(map(str, declared))}")
        found = [name for name in names if any(fits(name, declared[one]) for one in wanted)]
        if not found:
            raise self._fault(f"the files that its card names for '{split}' cannot be read here; {_OTHER_FORM}")
        return found

    def matching(self, patterns: Sequence[str], readable: Readable) -> list[str]:
        """The names of the files that fit one of the patterns. Raises DataError where none does."""
        names = self._readable(readable)
        found = [name for name in names if fits(name, patterns)]
        if not found:
            raise self._fault(f"no file fits {', '.join(patterns)}; there are: {_some(names)}")
        return found

    def _readable(self, readable: Readable) -> list[str]:
        names = [name for name in self._names if readable(name)]
        if not names:
            raise self._fault(f"has no file that can be read here; there are: {_some(self._names)}; {_OTHER_FORM}")
        return names

    def _entry(self, subset: str | None) -> Mapping[str, Any] | None:
        """What the card says of a subset; of the dataset's first or only one where none is asked for."""
        if subset is not None or not self._subsets:
            return self._subsets.get(subset or "")
        first = [one for name, one in self._subsets.items() if one.get("default") is True or name == "default"]
        if not first and len(self._subsets) > 1:
            raise self._fault(f"has several subsets: {_some(self._subsets)}; say which one with subset")
        return first[0] if first else next(iter(self._subsets.values()))

    def _inside(self, subset: str, names: Sequence[str]) -> list[str]:
        found = [name for name in names if subset in name.split("/")[:-1]]
        if not found:
            folders = sorted({folder for name in names for folder in name.split("/")[:-1]})
            raise self._fault(f"has no subset '{subset}'; there are: {_some([*self._subsets, *folders])}")
        return found

    def _by_names(self, names: Sequence[str], split: str) -> list[str]:
        """The files whose names tell that they are of `split`; all of them where none tells anything and training is wanted."""
        if split == ALL:
            return list(names)
        told: dict[str | None, list[str]] = {}
        for name in names:
            told.setdefault(_split_told(name), []).append(name)
        wanted = next((key for key, words in WORDS.items() if split in words), split)
        if wanted not in told and (wanted != "train" or set(told) != {None}):
            there = _some(one for one in told if one is not None)
            raise self._fault(
                f"has no split '{split}'; by the names of its files there are: {there}; or name files with only"
            )
        return told.get(wanted, list(names))

    def _fault(self, told: str) -> DataError:
        return DataError(told, file=self._place)


def _is_beside(name: str) -> bool:
    """Whether a file is about the data, or hidden, and no data."""
    *folders, last = name.split("/")
    return last in BESIDE or any(part.startswith((".", "__")) for part in (*folders, last))


def _declared(given: Any, folder: str) -> dict[str | None, list[str]]:
    """The patterns of each split of a card's entry; None stands for patterns without a split."""
    if isinstance(given, Mapping):
        given = [{"split": split, "path": path} for split, path in given.items()]
    declared: dict[str | None, list[str]] = {}
    for one in given if isinstance(given, list) else [given]:
        split, path = (one.get("split"), one.get("path")) if isinstance(one, Mapping) else (None, one)
        for pattern in path if isinstance(path, list) else [path]:
            if isinstance(pattern, str):
                patterns = declared.setdefault(None if split is None else str(split), [])
                patterns.append(folder + pattern.removeprefix("./"))
    return declared


def _split_told(name: str) -> str | None:
    """The split that a file's name tells, or else the nearest of its folders that tells one."""
    for part in reversed(name.lower().split("/")):
        words = _WORD.findall(part)
        for split, known in WORDS.items():
            if any(word in words for word in known):
                return split
    return None


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:MOST_SHOWN]) + (" ..." if len(shown) > MOST_SHOWN else "") or "none"
