"""Two files whose lines belong together, found by a pattern and told apart by their endings.

`train: corpus/train.*` with `columns: {source: en, target: de}` reads train.en and train.de; either may end in .gz.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from trivium.base.errors import DataError
from trivium.data.find import files_at
from trivium.data.tasks.rows import Row
from trivium.task.declaration import Task
from trivium.task.items import Place


def read(path: Path, task: Task) -> Iterator[Row]:
    """A row a line. Raises DataError where a file is missing, or one is longer than the other."""
    endings = [str(task.column(part)) for part in ("source", "target")]
    files = {ending: _file(path, ending) for ending in endings}
    texts = [_lines(file) for file in files.values()]
    for line, pair in enumerate(zip_longest(*texts), 1):
        if None in pair:
            short = list(files.values())[pair.index(None)]
            raise DataError("ends here, the other file goes on; the lines must belong together", file=short, line=line)
        yield Row(dict(zip(endings, pair, strict=True)), Place(str(files[endings[0]]), line))


def _file(path: Path, ending: str) -> Path:
    found = [file for file in files_at(path) if file.name.removesuffix(".gz").endswith(f".{ending}")]
    if len(found) != 1:
        raise DataError(
            f"{len(found)} files end in .{ending}, one is needed; give a pattern such as corpus/train.*, and the endings as "
            "columns: {source: en, target: de}",
            file=path,
        )
    return found[0]


def _lines(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else open(file, encoding="utf-8") as text:
            for line in text:
                yield line.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as UTF-8 ({error})", file=file) from None
