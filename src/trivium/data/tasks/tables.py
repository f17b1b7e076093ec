"""Rows with named columns: JSONL, a JSON list, CSV, TSV, Parquet, and a dataset that the `datasets` library saved.

A CSV or TSV file has a header unless the task numbers its columns. A TSV field is never quoted. Parquet is read by pyarrow,
a saved dataset by `datasets`, each only when asked for.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

from trivium.base.errors import DataError, MissingExtra
from trivium.data.ledger import Ledger
from trivium.data.rows import read_rows
from trivium.data.tasks.rows import Row
from trivium.task.declaration import Format, Task
from trivium.task.items import Place

LONGEST_FIELD = 16 << 20


def read(path: Path, kind: Format, task: Task) -> Iterator[Row]:
    """The rows of the file. Raises DataError where it cannot be read, MissingExtra without the library for it."""
    match kind:
        case "jsonl":
            return _jsonl(path)
        case "json":
            return _json(path)
        case "parquet":
            return _parquet(path)
        case "huggingface":
            return _huggingface(path)
        case _:
            numbered = any(isinstance(column, int) for column in task.columns.values())
            return _separated(path, "\t" if kind == "tsv" else ",", header=not numbered)


def open_text(path: Path) -> TextIO:
    """The file as UTF-8 text, a byte order mark left out. Raises DataError where it cannot be opened."""
    try:
        return open(path, encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}); mend the path or make it readable", file=path) from None


def _jsonl(path: Path) -> Iterator[Row]:
    for line, row in read_rows(path, "refuse", Ledger()):
        yield Row(dict[str | int, Any](row.items()), Place(str(path), line))


def _json(path: Path) -> Iterator[Row]:
    content = load_json(path)
    if not isinstance(content, list):
        raise DataError(f"should be a list of objects, is a {type(content).__name__}", file=path)
    for number, row in enumerate(content):
        if not isinstance(row, dict):
            raise DataError(f"should be an object, is a {type(row).__name__}", file=f"{path}[{number}]")
        yield Row(row, Place(f"{path}[{number}]"))


def load_json(path: Path) -> Any:
    """The content of a JSON file. Raises DataError where it is none."""
    try:
        with open_text(path) as file:
            return json.load(file)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON ({error.msg} at column {error.colno})", file=path, line=error.lineno) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not JSON in UTF-8 ({error})", file=path) from None


def _separated(path: Path, separator: str, header: bool) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_FIELD)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    with open_text(path) as file:
        reader = csv.reader(file, delimiter=separator, quoting=quoting, strict=True)
        names: list[str] | None = None
        line = 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except (csv.Error, UnicodeDecodeError) as error:
                raise DataError(f"cannot be read ({error}); mend the line", file=path, line=line) from None
            if fields:
                if header and names is None:
                    names = fields
                else:
                    yield _separated_row(fields, names, Place(str(path), line))
            line = reader.line_num + 1


def _separated_row(fields: list[str], names: list[str] | None, place: Place) -> Row:
    if names is None:
        return Row(dict(enumerate(fields)), place)
    if len(fields) != len(names):
        raise DataError(
            f"{len(fields)} fields, the header has {len(names)} ({', '.join(names)}); mend the line",
            file=place.file,
            line=place.line,
        )
    return Row(dict(zip(names, fields, strict=True)), place)


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data", f"{path}: reading Parquet") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        named = _label_names(file.schema_arrow.metadata or {})
        rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
        for number, row in enumerate(rows, 1):
            values = {column: _named(value, named.get(column)) for column, value in row.items()}
            yield Row(values, Place(f"{path}, row {number}"))
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"cannot be read as Parquet ({error})", file=path) from None


def _label_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names of the numbered labels of each column, where `datasets` wrote the file and noted them."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        inner = {column: feature.get("feature", feature) for column, feature in features.items()}
        return {column: one["names"] for column, one in inner.items() if one.get("_type") == "ClassLabel"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _named(value: Any, names: Sequence[str] | None) -> Any:
    if names is None:
        return value
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _huggingface(path: Path) -> Iterator[Row]:
    """A dataset (one split) that `Dataset.save_to_disk` wrote; numbered labels become their names."""
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", "hub", f"{path}: reading a saved dataset") from None
    try:
        found = datasets.load_from_disk(str(path))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as a saved dataset ({error})", file=path) from None
    if not isinstance(found, datasets.Dataset):
        raise DataError(f"holds several splits ({', '.join(found)}); give the folder of one", file=path)
    named: dict[str, Any] = {}
    for column, feature in found.features.items():
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, datasets.ClassLabel):
            named[column] = inner.int2str
    for number, row in enumerate(found, 1):
        values = {column: named[column](value) if column in named else value for column, value in row.items()}
        yield Row(values, Place(f"{path}, row {number}"))
