"""Which files a path in a recipe stands for: a file, a folder with all in it, or a pattern such as texts/*.txt.

Links are followed, a folder that two ways lead to is read once; what is hidden inside a folder is not looked at.
"""

from __future__ import annotations

import functools
import glob
import itertools
import os
import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NoReturn

from trivium.base.errors import DataError
from trivium.data.ledger import Ledger

MOST_SHOWN = 5
PACKED = (".gz", ".zst")


def suffix_of(file: Path) -> str:
    """The ending of a file's name in lower case; of a compressed file with what stands before it: '.jsonl.gz'."""
    suffix = file.suffix.lower()
    return Path(file.stem).suffix.lower() + suffix if suffix in PACKED else suffix


def files_at(path: Path) -> list[Path]:
    """Every regular file at `path`, sorted; none where there is nothing. Raises DataError where a folder cannot be read."""
    return [file for file in sorted(_files_at(path, Ledger())) if file.is_file()]


def fixed_part(pattern: Path) -> Path:
    """The folder that everything which fits a pattern lies in: what stands before the first part with a wildcard; of a plain
    path the folder above it."""
    parts = list(itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    return Path(*parts) if len(parts) < len(pattern.parts) else pattern.parent


def name_inside(path: Path, file: Path) -> str:
    """The name of a file inside the folder that `path` is, or that everything which fits it lies in."""
    root = path if path.is_dir() else fixed_part(path)
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def fits(name: str, patterns: Collection[str]) -> bool:
    """Whether a path inside a folder is one of `patterns` or fits one, as `path` of a source is understood: * stands for
    anything inside a name, **/ for any folders."""
    return name in patterns or any(_as_expression(pattern).fullmatch(name) for pattern in patterns)


@functools.lru_cache(1024)
def _as_expression(pattern: str) -> re.Pattern[str]:
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])", pattern)
    made = (part.replace("[!", "[^") if part[:1] == "[" and part[-1:] == "]" else re.escape(part) for part in parts)
    try:
        return re.compile("".join(wild.get(part, one) for part, one in zip(parts, made, strict=True)), re.DOTALL)
    except re.error:  # brackets that hold no range: the characters themselves
        return re.compile(re.escape(pattern))


def fits_name(file: Path, patterns: Collection[str]) -> bool:
    """Whether a file's name, without a compression's ending, fits one of `patterns`."""
    name = next((file.name.removesuffix(packed) for packed in PACKED if file.name.endswith(packed)), file.name)
    return any(fnmatch(name, pattern) for pattern in patterns)


def find_files(
    path: Path,
    suffixes: Collection[str],
    ledger: Ledger,
    also: Collection[str] = (),
    only: Collection[str] = (),
) -> list[Path]:
    """The regular files at `path` with one of `suffixes` (in any case), or whose name without a compression's ending fits
    one of the patterns `also`, sorted, each once however links lead to it.

    Other files are counted in the ledger; hidden ones, and those of a folder that fit none of `only` if there are any, are
    not looked at. Raises DataError where nothing is left.
    """
    if not _is_there(path):
        raise DataError(
            "there is no such file or folder, nor a pattern that matches one; mend the path (it is relative to the "
            "recipe's folder)",
            file=path,
        )
    found, others = [], []
    for file in sorted(_files_at(path, ledger)):
        if only and not fits(name_inside(path, file), only):
            continue
        if not file.is_file():
            ledger.drop("no regular file", str(file))
        elif suffix_of(file) in suffixes or fits_name(file, also):
            found.append(file)
        else:
            ledger.drop(f"not {_either(suffixes)}", str(file))
            others.append(file.name)
    if not found:
        there = (
            f"only {', '.join(others[:MOST_SHOWN])}{' ...' if len(others) > MOST_SHOWN else ''}"
            if others
            else "nothing"
        )
        raise DataError(
            f"no file to read: {there} there, and {_either(suffixes)} can be read; mend the path or turn the files into text",
            file=path,
        )
    return found


def _either(suffixes: Collection[str]) -> str:
    *others, last = sorted(suffix for suffix in suffixes if not suffix.endswith(PACKED))
    return f"{', '.join(others)} or {last}" if others else last


def _is_there(path: Path) -> bool:
    return path.exists() or any(glob.iglob(str(path), recursive=True))


def _files_at(path: Path, ledger: Ledger) -> Iterator[Path]:
    if path.is_dir():
        yield from _walk(path, ledger)
    elif path.exists():
        yield path
    else:
        seen = set()
        for match in sorted(map(Path, glob.glob(str(path), recursive=True))):
            real = match.resolve()
            if not match.is_dir() and real not in seen:
                seen.add(real)
                yield match


def _walk(folder: Path, ledger: Ledger) -> Iterator[Path]:
    """Every file under `folder`, through links too; a folder that two ways lead to is read once."""
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> NoReturn:
        raise DataError(
            f"cannot be read ({error.strerror}); make it readable or take it out of the source", file=error.filename
        )

    for place, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            ledger.drop("folder that another path leads to", place)
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in files if not name.startswith("."))
