"""What every source hands in, and the questions that all of them ask: is this new, and on which side does it fall?

`Intake` holds the ledger and the hashes of what was taken in, so that an exact duplicate, from whichever source, is
dropped and counted. It reads and writes no files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from trivium.base.seeds import derive
from trivium.base.words import Document
from trivium.data.ledger import Ledger

Part = Literal["documents", "instructions", "prompts"]
Split = Literal["train", "valid", "heldout"]
OWN_LEVEL = "own"  # of the user's held-out instructions; the world's are phrasing, entity or task
OWN_KIND = "own"  # of the user's open requests, of which the simulated rater knows nothing
_WHOLE = 1 << 63


@dataclass(frozen=True)
class Item:
    """One row for PART/SPLIT.jsonl."""

    part: Part
    split: Split
    row: Mapping[str, Any]


@dataclass
class Intake:
    """Shared by the sources of one gathering. `facts` holds what a source found out about itself, by its name."""

    seed: int
    valid_share: float
    ledger: Ledger = field(default_factory=Ledger)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _seen: dict[Part, set[bytes]] = field(default_factory=dict)

    def is_new(self, part: Part, key: str, name: str) -> bool:
        """Whether nothing with this `key` was taken into this part before; if something was, `name` goes to the ledger."""
        digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
        seen = self._seen.setdefault(part, set())
        if digest in seen:
            self.ledger.drop(f"exact duplicate ({part})", name)
            return False
        seen.add(digest)
        return True

    def document(self, split: Split, document: Document) -> Iterator[Item]:
        """The item of a document; none where its text is blank or was there before."""
        if not document.text.strip():
            self.ledger.drop("blank text", document.id)
        elif self.is_new("documents", document.text, document.id):
            yield Item("documents", split, asdict(document))

    def side(self, name: str, share: float | None = None) -> bool:
        """Whether `name` falls to the validation (held-out) side: a function of the name alone, so that runs with
        different seeds are measured on the same text."""
        return derive(0, "split", name) < (self.valid_share if share is None else share) * _WHOLE
