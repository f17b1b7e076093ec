"""Names and addresses in documents: found by a model that is given, replaced as other personal data are.

The model reads what the rules have left, so the places that are logged are places in that text; what the rules have put there
is no name, whatever the model says. Which model it is, is the caller's business: here it is a function from texts to spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from trivium.data.intake import Item
from trivium.data.ledger import Ledger
from trivium.data.outbox import Outbox
from trivium.data.private import PrivateSettings, put_by_rules, replaced
from trivium.data.private_rules import Found

# For each text the characters from and to, and the kind of name, in the order of the text.
FindNames = Callable[[Sequence[str]], Sequence[Sequence[tuple[int, int, str]]]]
AT_ONCE = 64  # documents that the model is given together


class Names:
    """Replaces names in documents, and writes down where they stood; `counts` are by kind."""

    def __init__(self, find: FindNames, settings: PrivateSettings, outbox: Outbox, ledger: Ledger) -> None:
        self._find, self._settings, self._outbox, self._ledger = find, settings, outbox, ledger
        self.counts: dict[str, int] = {}

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items; documents without their names. Rows of other parts pass as they are."""
        stream = iter(items)
        while group := list(islice(stream, AT_ONCE)):
            texts = [item.row["text"] for item in group if item.part == "documents"]
            spans = iter(self._find(texts) if texts else ())
            for item in group:
                yield self._without(item, next(spans)) if item.part == "documents" else item

    def _without(self, item: Item, spans: Sequence[tuple[int, int, str]]) -> Item:
        ours = put_by_rules(item.row["text"]) if spans else []
        found = tuple(
            Found(kind.lower(), "model", start, end)
            for start, end, kind in spans
            if not any(low < end and start < high for low, high in ours)
        )
        name = item.row["id"]
        for one in found:
            self._outbox.write(
                "steps/private", {"id": name, "kind": one.kind, "rule": one.rule, "start": one.start, "end": one.end}
            )
            self.counts[one.kind] = self.counts.get(one.kind, 0) + 1
            self._ledger.mend(f"personal data: {one.kind}", name)
        return replace(item, row={**item.row, "text": replaced(item.row["text"], found, self._settings).text})
