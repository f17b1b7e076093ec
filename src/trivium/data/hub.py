"""Datasets of the Hugging Face hub, fetched by their names into the cache of `huggingface_hub`, and found there again.

Only the files that are meant are fetched, all at one commit, whatever their branch does meanwhile. No code of a dataset is
fetched or run. Without a network the cache does, where its own list says that all is there.
"""

from __future__ import annotations

import functools
import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError, MissingExtra
from trivium.base.hub import PATIENCE, HubDataset, cut_short, not_there, refusal
from trivium.data.hub_layout import CARD, Layout, card_of, license_of

GIGABYTE = 1_000_000_000
BESIDE = (CARD, ".gitattributes")  # small, and one of them in every dataset
Choose = Callable[[Layout], list[str]]  # which files are meant
Told = Callable[[int, int], None]  # bytes that have come, and bytes of the files that are on their way


@dataclass(frozen=True)
class Fetched:
    """The files of a dataset that are meant, by their names inside `folder`, and the commit that they are of. `license` is
    what the card names; `asked` says that the hub told the commit, and not the cache."""

    dataset: str
    revision: str
    folder: Path
    files: tuple[str, ...]
    license: str | None
    asked: bool

    @property
    def facts(self) -> dict[str, Any]:
        """For records: where the files come from."""
        return {"dataset": self.dataset, "revision": self.revision, "asked_the_hub": self.asked}


def fetch(named: HubDataset, choose: Choose, told: Told = lambda done, total: None) -> Fetched:
    """Bring the files that `choose` picks; `told` hears of the bytes. Raises DataError where that cannot be, MissingExtra
    without the library."""
    library = _library(named)
    api = library.HfApi()
    try:
        api.dataset_info(named.dataset, revision=named.revision, timeout=PATIENCE)  # what follows would wait for longer
    except Exception as error:  # the library raises many kinds, those of its network library among them
        refused = _refusal(named, error)
        found = None if refused else _from_cache(library, named, choose)
        if found is None:
            raise _fault(named, refused or not_there(error)) from None
        return found
    take = _taker(library, named, told)
    try:
        commit = take(named.revision, BESIDE).name  # the cache keeps which commit that is, for when there is no network
        tree = api.list_repo_tree(named.dataset, repo_type="dataset", revision=commit, recursive=True)
        sizes = {one.path: one.size for one in tree if getattr(one, "size", None) is not None}
        return _bring(named, functools.partial(take, commit), choose, sizes, asked=True)
    except DataError:
        raise
    except Exception as error:
        raise _fault(named, _refusal(named, error) or cut_short(error)) from None


def at_hand(named: HubDataset, choose: Choose) -> Fetched | None:
    """The files in the cache, nobody asked; None where they are not all there. Raises as `fetch` does."""
    return _from_cache(_library(named), named, choose)


def place_of(named: HubDataset) -> str:
    """How messages call a dataset."""
    return f"dataset {named.dataset}"


def _library(named: HubDataset) -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise MissingExtra("huggingface_hub", "hub", f"fetching the dataset '{named.dataset}'") from None
    return huggingface_hub


def _from_cache(library: Any, named: HubDataset, choose: Choose) -> Fetched | None:
    take = _taker(library, named, None)
    try:
        commit = take(named.revision, [CARD]).name
        tree = library.get_cached_repo_tree(named.dataset, repo_type="dataset", revision=commit)
        sizes = {one.path: one.size for one in tree}
        return _bring(named, functools.partial(take, commit), choose, sizes, asked=False)
    except DataError:
        raise
    except Exception:  # not there, cut short, or a version that keeps no list of what belongs to a commit
        return None


def _taker(library: Any, named: HubDataset, told: Told | None) -> Callable[[str | None, Sequence[str]], Path]:
    """What gives the folder in which the files of a revision that fit patterns are: fetched, or without `told` only found."""

    def take(revision: str | None, patterns: Sequence[str]) -> Path:
        further = {"local_files_only": True} if told is None else {"tqdm_class": _quiet_bars(library, told)}
        where = library.snapshot_download(
            named.dataset, repo_type="dataset", revision=revision, allow_patterns=list(patterns), **further
        )
        return Path(where)

    return take


def _quiet_bars(library: Any, told: Told) -> type:
    """The library's progress bars, told instead of drawn."""
    base: Any = library.utils.tqdm

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *given: Any, name: str | None = None, **options: Any) -> None:
            super().__init__(*given, **{**options, "disable": True})
            self._counts_bytes, self._done = name == "huggingface_hub.snapshot_download", 0

        def update(self, n: float | None = 1) -> None:
            if self._counts_bytes:
                self._done += int(n or 0)
                told(self._done, int(self.total or 0))

    return Bar


def _bring(
    named: HubDataset, take: Callable[[Sequence[str]], Path], choose: Choose, sizes: Mapping[str, int], asked: bool
) -> Fetched:
    card = {}
    if CARD in sizes:
        card = card_of((take([CARD]) / CARD).read_text(encoding="utf-8", errors="replace"))
    files = choose(Layout(sizes, card, place_of(named)))
    total = sum(sizes[name] for name in files)
    if asked and total > named.fetch_gigabytes * GIGABYTE:
        raise _fault(
            named,
            f"{len(files)} files of {total / GIGABYTE:,.3g} GB are more than fetch_gigabytes, which is "
            f"{named.fetch_gigabytes:g}; name fewer with subset or only, or raise it",
        )
    folder = take([glob.escape(name) for name in files])
    if missing := next((name for name in files if not (folder / name).is_file()), None):
        raise FileNotFoundError(f"{missing} did not come")
    return Fetched(named.dataset, folder.name, folder, tuple(files), license_of(card), asked)


def _fault(named: HubDataset, told: str) -> DataError:
    return DataError(told, file=place_of(named))


def _refusal(named: HubDataset, error: Exception) -> str | None:
    return refusal(error, f"datasets/{named.dataset}", named.revision)
