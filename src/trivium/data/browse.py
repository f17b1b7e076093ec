"""Looking at gathered documents: what every step did to each, and the text as far as it was kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from trivium.base.errors import UserError
from trivium.base.files import read_jsonl

ACCOUNT, DROPPED, PRIVATE = "steps/documents.jsonl", "steps/dropped.jsonl", "steps/private.jsonl"
SPLITS = ("train", "valid")


@dataclass(frozen=True)
class Wanted:
    """Which documents are asked for; None and False ask for all."""

    source: str | None = None
    dropped: bool = False
    reason: str | None = None
    name: str | None = None

    def fits(self, row: dict[str, Any]) -> bool:
        """Whether the account `row` is one of them."""
        return (
            (self.source is None or row.get("source") == self.source)
            and (not self.dropped or row.get("dropped") is not None)
            and (self.reason is None or self.reason in str(row.get("dropped")))
            and (self.name is None or row.get("id") == self.name)
        )


@dataclass
class Shown:
    """A document: the account of it, its side (None: dropped), its text, and the personal data that were found in it."""

    account: dict[str, Any]
    split: str | None = None
    text: str = ""
    private: list[dict[str, Any]] = field(default_factory=list)


def look(folder: Path, wanted: Wanted, skip: int, count: int) -> list[Shown]:
    """So many documents of the gather folder that fit, in the order of the corpus, after `skip` of them.

    Raises UserError where there is none.
    """
    accounts = (row for row in _accounts(folder) if wanted.fits(row))
    found = {str(row["id"]): Shown(row) for row in islice(accounts, skip, skip + count)}
    if not found:
        beyond = "so many pages" if skip else "such document"
        raise UserError(f"{folder}: there is no {beyond}; leave options away to see more, or start at --page 1")
    for split in SPLITS:
        for row in read_jsonl(folder / "documents" / f"{split}.jsonl"):
            one = found.get(str(row["id"]).removesuffix("~"))  # the part behind a cut is called so
            if one is not None:
                one.split = split if one.split is None else f"{one.split} and {split}"
                one.text += row["text"]
    for row in _rows(folder / DROPPED):
        if row["id"] in found:
            found[row["id"]].text = row["text"]
    for row in _rows(folder / PRIVATE):
        if row["id"] in found:
            found[row["id"]].private.append(row)
    return list(found.values())


def _accounts(folder: Path) -> Iterator[dict[str, Any]]:
    """The account of every document; for sources that no step touches, the documents themselves stand for it."""
    told: set[str] = set()
    for row in _rows(folder / ACCOUNT):
        told.add(str(row["source"]))
        yield row
    for split in SPLITS:
        for row in read_jsonl(folder / "documents" / f"{split}.jsonl"):
            if row["source"] not in told:
                yield {"id": row["id"], "source": row["source"], "dropped": None, "characters": len(row["text"])}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return read_jsonl(path) if path.exists() else iter(())
