"""Names that a given function finds are taken out of documents, logged by kind and place, never by value."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from trivium.data.intake import Item
from trivium.data.ledger import Ledger
from trivium.data.names import AT_ONCE, Names
from trivium.data.outbox import writing
from trivium.data.private import PrivateSettings, put_by_rules, redact


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


@pytest.mark.parametrize("replace", ["placeholder", "surrogate"])
def test_what_the_rules_have_put_into_a_text_is_no_name(
    tmp_path: Path, replace: Literal["placeholder", "surrogate"]
) -> None:
    settings = PrivateSettings(
        find=("email", "ip", "card", "iban", "key"), replace=replace, surrogate_key="a long secret"
    )
    secret = "Write to a.b@firm.com, 81.2.69.142, 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00 or AKIAIOSFODNN7EXAMPLB. Mira"
    text = redact(secret, settings).text
    ledger = Ledger()

    def everything(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        return [[(m.start(), m.end(), "PER") for m in re.finditer(r"[\w.@-]+", one)] for one in texts]

    with writing(tmp_path, ["steps/private"]) as outbox:
        row = Item("documents", "train", {"id": "d", "text": text})
        (told,) = Names(everything, PrivateSettings(), outbox, ledger)([row])
    put = [text[start:end] for start, end in put_by_rules(text)]
    assert len(put) == 5 and all(one in told.row["text"] for one in put)
    assert told.row["text"].startswith("[PER] [PER] ") and told.row["text"].endswith("[PER]")


@pytest.mark.parametrize("count", [AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_order_is_kept_whatever_the_number_of_documents(tmp_path: Path, count: int) -> None:
    told, _, _ = run([f"{n} Mira" for n in range(count)], tmp_path, PrivateSettings())
    assert told == [f"{n} [PER]" for n in range(count)]
