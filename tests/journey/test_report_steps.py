"""The report's page of what was done to documents: figures as they are, lengths in their order, nothing on damaged ones."""

from __future__ import annotations

from typing import Any

import pytest

from trivium.journey.report_steps import samples_of, tables_of

CONTENT: dict[str, Any] = {
    "fates": {
        "web": {"kept": {"documents": 7, "characters": 900}, "near duplicate": {"documents": 3, "characters": 70}}
    },
    "languages": {"en": 9, "de": 1},
    "lengths": {"1024": 4, "16": 1, "128": 5},
    "private": {"email": 12},
    "quality": {"gopher": {"words": 2}},
    "duplicates": {"exact": 0, "near": 3, "near_groups": {"2": 1, "3": 1}, "paragraphs": 5},
    "contaminated": {"quiz.jsonl:4": 2},
    "dropped_samples": {"near duplicate": [{"id": "web/a", "text": "the text"}]},
}


def test_every_figure_has_its_place() -> None:
    tables = {table.title: [(name, values[0]) for name, _, values in table.rows] for table in tables_of(CONTENT)}
    assert tables["Kept and dropped: web"] == [("kept", "7"), ("near duplicate", "3")]
    assert tables["Documents by length"] == [
        ("up to 16 characters", "1"),
        ("up to 128 characters", "5"),
        ("up to 1,024 characters", "4"),
    ]
    assert tables["Duplicates"] == [("nearly another", "3"), ("paragraphs", "5")]
    assert tables["Documents beyond a limit of gopher"] == [("words", "2")]
    assert tables["Personal data found"] == [("email", "12")]
    (sample,) = samples_of(CONTENT)
    assert (sample.reason, sample.name, sample.text) == ("near duplicate", "web/a", "the text")


@pytest.mark.parametrize("wrong", [None, 3, "text", [1], {"a": None}, {"a": {"b": "c"}}])
@pytest.mark.parametrize("key", CONTENT)
def test_what_is_damaged_is_left_out(key: str, wrong: Any) -> None:
    titles = {table.title for table in tables_of({**CONTENT, key: wrong})}
    assert len(titles) >= len(list(tables_of(CONTENT))) - 2
    samples_of({**CONTENT, key: wrong})
