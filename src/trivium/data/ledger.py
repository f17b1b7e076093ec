"""What happened to the data on its way in: nothing is left out without being counted and named here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.base.errors import DataError

MOST_NAMES = 10  # names kept for each reason; the counts are whole
MOST_FAULTS = 1000  # of what could not be read, each with its place


class Ledger:
    """Counts of what was dropped and what was mended, by reason, with the names of the first ones.

    A strict one raises the first fault of the data; another one counts it as dropped and names it.
    """

    def __init__(self, strict: bool = True) -> None:
        self.strict = strict
        self.dropped: dict[str, int] = {}
        self.mended: dict[str, int] = {}
        self.names: dict[str, list[str]] = {}
        self.faults: list[str] = []  # those reasons of `dropped` that stand for what could not be read

    def drop(self, reason: str, name: str) -> None:
        """Something was left out."""
        self._count(self.dropped, reason, name, 1)

    def mend(self, reason: str, name: str, count: int = 1) -> None:
        """Something was taken in changed, `count` times."""
        if count:
            self._count(self.mended, reason, name, count)

    def fault(self, reason: str, error: DataError) -> None:
        """Something cannot be read. Raises `error` where the ledger is strict."""
        if self.strict:
            raise error
        if reason not in self.faults:
            self.faults.append(reason)
        self.drop(reason, str(error))

    def add(self, figures: Mapping[str, Any]) -> None:
        """Take in the figures of another ledger."""
        for counts, more in ((self.dropped, figures["dropped"]), (self.mended, figures["mended"])):
            for reason, count in more.items():
                counts[reason] = counts.get(reason, 0) + count
        self.faults += [reason for reason in figures["faults"] if reason not in self.faults]
        for reason, names in figures["names"].items():
            kept = self.names.setdefault(reason, [])
            kept += names[: self._most(reason) - len(kept)]

    def figures(self) -> dict[str, Any]:
        """For the stage's record."""
        return {"dropped": self.dropped, "mended": self.mended, "names": self.names, "faults": self.faults}

    def _count(self, counts: dict[str, int], reason: str, name: str, count: int) -> None:
        counts[reason] = counts.get(reason, 0) + count
        names = self.names.setdefault(reason, [])
        if len(names) < self._most(reason):
            names.append(printable(name))

    def _most(self, reason: str) -> int:
        return MOST_FAULTS if reason in self.faults else MOST_NAMES


def printable(name: str) -> str:
    """A file's name as a line can show it: control characters and what is no character are spelled out."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    return shown.encode("utf-8", "backslashreplace").decode()
