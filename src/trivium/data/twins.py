"""Counterfactual twins among the rows that a gathering writes: after duplicates were found, so that they stay, and on the
training side alone, beside the document that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trivium.data.counterfactual_settings import CounterfactualSettings
from trivium.data.intake import Item

if TYPE_CHECKING:
    from trivium.data.counterfactual import Exchange

TWIN = "{id}#counterfactual"


class Twins:
    """Adds twins (or puts them in the place of their documents) and counts."""

    def __init__(self, settings: CounterfactualSettings, seed: int) -> None:
        """Raises DataError where the user's own table of terms is at fault."""
        self.settings, self.seed = settings, seed
        self.documents = self.swaps = self.factual = self.nothing = self.foreign = 0
        self._exchange: Exchange | None = None
        if settings.share:
            from trivium.data.counterfactual import exchange_of

            self._exchange = exchange_of(settings)

    def beside(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with the twins of those that get one."""
        for item in items:
            twin = self._twin(item)
            if twin is None or self.settings.how == "add":
                yield item
            if twin is not None:
                yield twin

    def _twin(self, item: Item) -> Item | None:
        if self._exchange is None or (item.part, item.split) != ("documents", "train"):
            return None
        from trivium.data.counterfactual import is_chosen, swap

        row = item.row
        if not is_chosen(row["id"], self.settings.share, self.seed):
            return None
        if row["meta"].get("language", "en") != "en":
            self.foreign += 1
            return None
        swapped = swap(row["text"], self._exchange)
        self.factual += swapped.factual
        if not swapped.swaps:
            self.nothing += 1
            return None
        self.documents += 1
        self.swaps += swapped.swaps
        # of the rest of meta (places of entities, labels) nothing holds for another text
        meta = {key: row["meta"][key] for key in ("kind", "language") if key in row["meta"]}
        twin = {**row, "id": TWIN.format(id=row["id"]), "text": swapped.text, "meta": {**meta, "twin_of": row["id"]}}
        return replace(item, row=twin)

    def figures(self) -> dict[str, Any]:
        """For gather.json; nothing where no twins were asked for."""
        if self._exchange is None:
            return {}
        told = {"documents": self.documents, "swaps": self.swaps, "sentences_that_stay": self.factual}
        return {"counterfactual": {**told, "without_a_term": self.nothing, "not_english": self.foreign}}
