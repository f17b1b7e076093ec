"""A folder (or a zip file) with a folder for each label, and in it a text a file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from trivium.base.errors import DataError
from trivium.data.tasks.rows import Row
from trivium.task.items import Place

SUFFIX = ".txt"


def read(path: Path) -> Iterator[Row]:
    """A row a .txt file, labelled with the name of the folder that it is in. Raises DataError where one is not UTF-8."""
    for name, data in _archive(path) if path.is_file() else _folder(path):
        place = Place(f"{path}/{name}")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"not UTF-8 ({error}); turn it into UTF-8", file=place.file) from None
        parent = PurePosixPath(name).parent.name
        if not parent:
            raise DataError("stands in no label's folder; move it into one", file=place.file)
        yield Row({"text": text, "label": parent}, place)


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.rglob(f"*{SUFFIX}")):
        yield file.relative_to(path).as_posix(), file.read_bytes()


def _archive(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(SUFFIX):
                    yield name, archive.read(name)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot be read as a zip file ({error})", file=path) from None
