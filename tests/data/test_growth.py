"""Growing batches and rows: every window in the seeded order once, whatever the growth, and the same tokens in short rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.data.shards_for_tests import make_shard
from trivium.data.growth import Growth, GrowthSettings, cut, faults_of
from trivium.data.windows import Windows

GROWTHS = [
    GrowthSettings(),
    GrowthSettings(batch_size=2, batch_steps=7),
    GrowthSettings(batch_size=8, batch_steps=3),
    GrowthSettings(length=2, length_steps=10),
    GrowthSettings(batch_size=1, batch_steps=20, length=4, length_steps=5),
]


@pytest.mark.parametrize("settings", GROWTHS)
def test_steps_take_the_windows_one_after_the_other(settings: GrowthSettings) -> None:
    growth = Growth(9, 16, settings)
    number = 0
    for step in range(30):
        assert growth.first(step) == number
        number += growth.windows(step)
    assert growth.windows(29) == 9 and growth.pieces(29) == 1
    assert all(growth.windows(step) == 9 and growth.pieces(step) == 1 for step in range(growth.steps, 30))


def test_the_batch_grows_evenly_and_rows_double() -> None:
    batches = Growth(10, 16, GrowthSettings(batch_size=2, batch_steps=4))
    assert [batches.windows(step) for step in range(6)] == [2, 4, 6, 8, 10, 10]
    rows = Growth(10, 16, GrowthSettings(length=2, length_steps=6))
    assert [16 // rows.pieces(step) for step in range(8)] == [2, 2, 4, 4, 8, 8, 16, 16]


@pytest.mark.parametrize("settings", GROWTHS)
@pytest.mark.parametrize("apart", [False, True])
def test_no_token_is_lost_or_comes_twice(tmp_path: Path, settings: GrowthSettings, apart: bool) -> None:
    shard = make_shard(tmp_path, [37, 20, 41, 30, 190])  # every token a number of its own
    windows = Windows(shard, 8, seed=1, apart=apart)
    growth, plain = Growth(5, 8, settings), []
    found: list[int] = []
    step = 0
    while growth.first(step + 1) <= windows.per_epoch:
        batch = cut(windows.batch(growth.first(step), growth.windows(step)), growth.pieces(step))
        assert batch.tokens.shape == (growth.windows(step) * growth.pieces(step), 8 // growth.pieces(step))
        assert torch.equal(batch.targets[:, :-1], batch.tokens[:, 1:])
        found += batch.tokens.flatten().tolist()
        step += 1
    for number in range(growth.first(step)):
        plain += windows.batch(number, 1).tokens.flatten().tolist()
    assert found == plain
    seen = [token for token in found if token != shard.end_of_text]
    assert len(seen) == len(set(seen)) > 150


def test_pieces_of_packed_rows_keep_their_documents(tmp_path: Path) -> None:
    windows = Windows(make_shard(tmp_path, [3, 9, 5, 30]), 16, seed=0, apart=True)
    whole = windows.batch(0, 2)
    parts = cut(whole, 4)
    assert parts.segments is not None and whole.segments is not None and parts.positions is not None
    assert torch.equal(parts.segments.reshape(2, 16), whole.segments)
    same = whole.segments[:, 1:] == whole.segments[:, :-1]
    steps = parts.positions.reshape(2, 16).diff(dim=1)
    assert bool((steps[same] == 1).all())  # distances inside a document are what they were


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"batch_size": 99, "batch_steps": 3}, r"growth.batch_size is 99; it must be at most batch_size, which is 32"),
        ({"batch_size": 4}, r"growth.batch_size and growth.batch_steps belong together"),
        ({"length_steps": 4}, r"growth.length and growth.length_steps belong together"),
        (
            {"length": 48, "length_steps": 4},
            r"growth.length is 48; it must be length \(128\) halved some times: 64, 32, 16",
        ),
    ],
)
def test_what_does_not_fit_is_told(given: dict[str, int], fault: str) -> None:
    import re

    (told,) = faults_of(GrowthSettings(**given), 32, 128)
    assert re.search(fault, told)
    assert not faults_of(GrowthSettings(batch_size=4, batch_steps=2, length=16, length_steps=9), 32, 128)
