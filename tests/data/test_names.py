"""Names that a given function finds are taken out of documents, logged by kind and place, never by value."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from trivium.data.intake import Item
from trivium.data.ledger import Ledger
from trivium.data.names import AT_ONCE, Names
from trivium.data.outbox import writing
from trivium.data.private import PrivateSettings


def find(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    """Mira is a person, Oslo a place."""
    kinds = {"Mira": "PER", "Oslo": "LOC"}
    return [[(m.start(), m.end(), kinds[m[0]]) for m in re.finditer("Mira|Oslo", text)] for text in texts]


def run(
    texts: Sequence[str], folder: Path, settings: PrivateSettings
) -> tuple[list[str], list[dict[str, object]], Names]:
    ledger = Ledger()
    rows = [Item("documents", "train", {"id": f"d{n}", "text": text}) for n, text in enumerate(texts)]
    with writing(folder, ["steps/private"]) as outbox:
        names = Names(find, settings, outbox, ledger)
        told = [item.row["text"] for item in names(rows)]
    path = folder / "steps/private.jsonl"
    logged = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return told, logged, names


def test_names_are_replaced_and_logged_without_their_value(tmp_path: Path) -> None:
    told, logged, names = run(["Mira went to Oslo.", "Nobody."], tmp_path, PrivateSettings())
    assert told == ["[PER] went to [LOC].", "Nobody."]
    assert logged == [
        {"id": "d0", "kind": "per", "rule": "model", "start": 0, "end": 4},
        {"id": "d0", "kind": "loc", "rule": "model", "start": 13, "end": 17},
    ]
    assert names.counts == {"per": 1, "loc": 1}
    assert "Mira" not in (tmp_path / "steps/private.jsonl").read_text()


def test_a_surrogate_stays_the_same_in_every_document(tmp_path: Path) -> None:
    settings = PrivateSettings(replace="surrogate", surrogate_key="a long secret")
    told, _, _ = run(["Mira saw Mira.", "It was Mira."], tmp_path, settings)
    first = told[0].split(" saw ")[0]
    assert re.fullmatch("Per [0-9a-f]{8}", first)
    assert told == [f"{first} saw {first}.", f"It was {first}."]


@pytest.mark.parametrize("count", [AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_order_is_kept_whatever_the_number_of_documents(tmp_path: Path, count: int) -> None:
    told, _, _ = run([f"{n} Mira" for n in range(count)], tmp_path, PrivateSettings())
    assert told == [f"{n} [PER]" for n in range(count)]
