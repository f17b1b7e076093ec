"""A dataset of the Hugging Face hub by its name: fetched, and from then on a source of files like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from trivium.base.hub import HubDataset
from trivium.data.find import fits_name, suffix_of
from trivium.data.formats import SUFFIXES
from trivium.data.hub import Fetched, Told, at_hand, fetch
from trivium.data.hub_layout import Layout
from trivium.data.sources.files import FilesSource, TextSettings

ROWS = ("*.json", "*.ndjson")  # as the hub has many of its rows
UNKNOWN = TextSettings.model_fields["license"].default


class HubSource(HubDataset, TextSettings):
    """A dataset on the hub, its text."""

    kind: Literal["hub"] = "hub"
    part: str = Field(
        default="train", min_length=1, description="which of its splits: train, validation, test, another one, or all"
    )
    only: tuple[str, ...] = Field(
        default=(), description="patterns of its files, such as data/train-*.parquet, instead of subset and part"
    )

    def choose(self, layout: Layout) -> list[str]:
        """The files that are meant."""

        def readable(name: str) -> bool:
            file = Path(name)
            return suffix_of(file) in SUFFIXES or fits_name(file, (*ROWS, *self.as_text, *self.as_rows))

        if self.only:
            return layout.matching(self.only, readable)
        return layout.choose(self.subset, self.part, readable)


def bring(source: HubSource, told: Told = lambda done, total: None) -> tuple[FilesSource, Fetched]:
    """Fetch the dataset; `told` hears of the bytes. Returns it as a source of files, and where it came from.

    Raises DataError where it cannot be had."""
    fetched = fetch(source, source.choose, told)
    return _as_files(source, fetched), fetched


def from_cache(source: HubSource) -> FilesSource | None:
    """The dataset as a source of files where it was fetched before; nobody is asked. None where it was not."""
    fetched = at_hand(source, source.choose)
    return _as_files(source, fetched) if fetched else None


def _as_files(source: HubSource, fetched: Fetched) -> FilesSource:
    common = {name: getattr(source, name) for name in TextSettings.model_fields}
    common["name"] = source.name or source.short_name
    common["as_rows"] = (*source.as_rows, *ROWS)
    if source.license == UNKNOWN and fetched.license:
        common["license"] = fetched.license
    return FilesSource(path=fetched.folder, only=fetched.files, **common)
