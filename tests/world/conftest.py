"""Documents drawn once and read by many tests."""

from __future__ import annotations

import pytest

from trivium.base.words import Document
from trivium.world.documents import document


@pytest.fixture(scope="session")
def corpus() -> list[Document]:
    """The first 12,000 training documents of seed 0."""
    return [document(0, "train", number) for number in range(12_000)]


@pytest.fixture(scope="session")
def by_kind(corpus: list[Document]) -> dict[str, list[Document]]:
    """The same documents by their kind."""
    kinds: dict[str, list[Document]] = {}
    for one in corpus:
        kinds.setdefault(one.meta["kind"], []).append(one)
    return kinds
