"""Mixing: every prefix has its shares, each sample of a source comes once, limits hold, windows stay in their source."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.errors import UserError
from trivium.data.mixing import Mixture
from trivium.data.shards import Section, Shard, write_shard
from trivium.data.windows import Windows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=7))
def test_every_prefix_has_its_shares(weights: list[float]) -> None:
    count = 1500
    sources, places = Mixture(weights, [None] * len(weights)).draw(numpy.arange(count))
    for source, weight in enumerate(weights):
        mine = sources == source
        assert (places[mine] == numpy.arange(mine.sum())).all()
        ideal = numpy.arange(1, count + 1) * weight / sum(weights)
        assert abs(numpy.cumsum(mine) - ideal).max() < 2


def test_a_sample_can_be_asked_for_alone() -> None:
    mixture = Mixture([3, 1, 1.5], [None, 40, 7])
    whole = mixture.draw(numpy.arange(400))
    for number in (0, 17, 33, 399):
        alone = mixture.draw(numpy.array([number]))
        assert (alone[0][0], alone[1][0]) == (whole[0][number], whole[1][number])


def test_what_is_used_up_leaves_and_the_others_keep_their_proportion() -> None:
    mixture = Mixture([2, 1, 1], [None, 50, 10])
    sources, _ = mixture.draw(numpy.arange(1000))
    assert [(sources == s).sum() for s in (1, 2)] == [50, 10] and mixture.total is None
    between = sources[numpy.flatnonzero(sources == 2)[-1] + 1 : numpy.flatnonzero(sources == 1)[-1]]
    assert (between == 0).sum() == pytest.approx(2 * (between == 1).sum(), abs=2)
    assert Mixture([1, 5], [3, 4]).total == 7


def mixed_shard(folder: Path, *sections: Section) -> Shard:
    with write_shard(folder, "0" * 64, 1000, 999) as writer:
        writer.sections = list(sections)
        for number, section in enumerate(sections):
            for document in range(section.documents):
                writer.add(numpy.full(9, 100 * number + document, numpy.uint32), 9)
    return Shard(folder)


def test_windows_stay_inside_their_source_and_come_by_weight(tmp_path: Path) -> None:
    shard = mixed_shard(tmp_path / "s", Section("a", 20, 200, 3.0, None), Section("b", 10, 100, 1.0, None))
    windows = Windows(shard, 12, seed=1)
    tokens = windows.batch(0, 400).tokens.numpy()
    of_b = ((tokens >= 100) & (tokens != 999)).any(axis=1)
    assert not (((tokens < 100).any(axis=1)) & of_b).any()
    assert abs(of_b.sum() - 100) < 2
    assert (Windows(shard, 12, seed=1).batch(37, 1).tokens.numpy()[0] == tokens[37]).all()


def test_epochs_end_a_source_and_too_many_steps_are_told(tmp_path: Path) -> None:
    shard = mixed_shard(tmp_path / "s", Section("a", 20, 200, 1.0, 2.0), Section("b", 10, 100, 1.0, 1.0))
    windows = Windows(shard, 10, seed=0)
    assert windows.total == 2 * 20 + 10
    of_b = (windows.batch(0, 50).tokens.numpy() >= 100) & (windows.batch(0, 50).tokens.numpy() != 999)
    assert of_b.any(axis=1).sum() == 10
    with pytest.raises(UserError, match=r"50 rows.*60 are asked for.*epochs"):
        windows.require(60)
