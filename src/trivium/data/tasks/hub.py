"""The files of a task whose data is a dataset on the hub, split by split, all of one commit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from trivium.data.hub import Fetched, fetch
from trivium.task.declaration import HubData


class HubFiles:
    """`files(split)` brings a split; only files with one of `suffixes` can be read."""

    def __init__(self, data: HubData, suffixes: Collection[str]) -> None:
        self._data, self._suffixes = data, suffixes
        self._fetched: Fetched | None = None

    def files(self, split: str) -> list[Path]:
        """The files of a split. Raises DataError where they cannot be had."""
        first, data = self._fetched, self._data
        named = data.model_copy(update={"revision": first.revision}) if first else data
        found = fetch(named, lambda layout: layout.choose(data.subset, split, self._is_readable))
        self._fetched = first or found
        return [found.folder / name for name in found.files]

    def facts(self) -> dict[str, Any]:
        """Where the items came from."""
        return {key: self._fetched.facts[key] for key in ("dataset", "revision")} if self._fetched else {}

    def _is_readable(self, name: str) -> bool:
        return Path(name).suffix.lower() in self._suffixes
