"""What happened to the data on its way in: nothing is left out without being counted and named here."""

from __future__ import annotations

from typing import Any

MOST_NAMES = 10  # names kept for each reason; the counts are whole


class Ledger:
    """Counts of what was dropped and what was mended, by reason, with the names of the first ones."""

    def __init__(self) -> None:
        self.dropped: dict[str, int] = {}
        self.mended: dict[str, int] = {}
        self.names: dict[str, list[str]] = {}

    def drop(self, reason: str, name: str) -> None:
        """Something was left out."""
        self._count(self.dropped, reason, name, 1)

    def mend(self, reason: str, name: str, count: int = 1) -> None:
        """Something was taken in changed, `count` times."""
        if count:
            self._count(self.mended, reason, name, count)

    def figures(self) -> dict[str, Any]:
        """For the stage's record."""
        return {"dropped": self.dropped, "mended": self.mended, "names": self.names}

    def _count(self, counts: dict[str, int], reason: str, name: str, count: int) -> None:
        counts[reason] = counts.get(reason, 0) + count
        names = self.names.setdefault(reason, [])
        if len(names) < MOST_NAMES:
            names.append(name)
