"""Windows: each epoch sees every token once, targets are the next tokens, documents stay apart where asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.data.shards_for_tests import SEPARATOR, make_shard
from trivium.base.errors import UserError
from trivium.data.windows import Windows, valid_windows


def test_an_epoch_has_every_target_once_and_epochs_differ(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "s", [100, 59, 37])  # 199 tokens
    windows = Windows(shard, 7, seed=3)
    assert windows.per_epoch == 28
    seen = []
    for epoch in range(4):
        batch = windows.batch(epoch * 28, 28)
        assert batch.tokens.shape == batch.targets.shape == batch.weights.shape == (28, 7)
        targets = sorted(number for number in batch.targets.flatten().tolist() if number != SEPARATOR)
        assert len(targets) == len(set(targets)) >= 196 - 3 - 3  # 3 separators; 199 - 28 * 7 = 3 are left over
        seen.append(batch.tokens.flatten().tolist())
    assert len({tuple(sorted(epoch)) for epoch in seen}) > 1 and len({tuple(epoch) for epoch in seen}) == 4
    assert len({windows.offset(epoch) for epoch in range(4)}) == 4


def test_targets_are_the_next_tokens_of_the_shard(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "s", [40, 9])
    stream = shard.tokens.tolist()
    batch = Windows(shard, 5, seed=1).batch(0, 30)
    assert batch.tokens.dtype == batch.targets.dtype == torch.int64 and batch.weights.dtype == torch.float32
    assert torch.equal(batch.weights, torch.ones(30, 5))
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    for token, target in zip(batch.tokens.flatten().tolist(), batch.targets.flatten().tolist(), strict=True):
        if token != SEPARATOR:
            assert target == stream[stream.index(token) + 1]
        else:  # after a separator the next document begins, after the last one the first
            assert target in (1, 41)


def test_a_batch_is_a_function_of_its_samples_alone(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "s", [300])
    whole = Windows(shard, 6, seed=5).batch(40, 24)  # goes over the end of the first epoch (50 windows)
    again = Windows(shard, 6, seed=5)
    parts = [again.batch(first, count).tokens for first, count in ((60, 4), (40, 12), (52, 8))]
    assert torch.equal(whole.tokens, torch.cat([parts[1], parts[2], parts[0]]))
    assert not torch.equal(whole.tokens, Windows(shard, 6, seed=6).batch(40, 24).tokens)


def test_documents_apart_have_their_own_numbers_and_positions(tmp_path: Path) -> None:
    """A separator is the last target of its document and the first input of the next one."""
    shard = make_shard(tmp_path / "s", [3, 1, 0, 9])
    batch = Windows(shard, 8, seed=2, apart=True).batch(0, 40)
    assert batch.segments is not None and batch.positions is not None
    stream = shard.tokens.tolist()
    document = dict(zip(stream, [0, 0, 0, 0, 1, 1, 2, *[3] * 10], strict=True))
    for tokens, targets, segments, positions in zip(
        batch.tokens, batch.targets, batch.segments, batch.positions, strict=True
    ):
        assert segments[0] == positions[0] == 0
        for place in range(1, 8):
            begins = tokens[place] == SEPARATOR
            assert segments[place] == segments[place - 1] + int(begins)
            assert positions[place] == (0 if begins else positions[place - 1] + 1)
        for segment in segments.unique():  # no target is predicted from another document's words
            words = {document[int(t)] for t in tokens[segments == segment] if t != SEPARATOR}
            aims = {document[int(t)] for t in targets[segments == segment] if t != SEPARATOR}
            assert len(words) <= 1 and len(words | aims) <= 1
    assert Windows(shard, 8, seed=2).batch(0, 3).segments is None


def test_a_shard_shorter_than_a_window_is_refused(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "s", [7])
    with pytest.raises(UserError, match="8 tokens; a window of 8 needs at least 9"):
        Windows(shard, 8, seed=0)
    assert Windows(shard, 7, seed=0).batch(0, 2).tokens.shape == (2, 7)


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
@pytest.mark.parametrize("lengths", [[20], [6, 6], [1], [3, 0, 30]])
def test_evaluation_has_every_token_as_a_target_exactly_once(tmp_path: Path, rows: int, lengths: list[int]) -> None:
    shard = make_shard(tmp_path / "s", lengths)
    inputs: list[int] = []
    targets: list[int] = []
    for batch in valid_windows(shard, 7, rows=rows):
        assert batch.tokens.shape == batch.targets.shape == batch.weights.shape
        assert batch.tokens.shape[0] <= rows and batch.tokens.shape[1] == 7
        counted = batch.weights.bool()
        inputs += batch.tokens[counted].tolist()
        targets += batch.targets[counted].tolist()
    assert targets == shard.tokens.tolist()
    assert inputs == [SEPARATOR, *shard.tokens.tolist()[:-1]]


def test_evaluation_of_a_part_is_its_beginning(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "s", [50])
    part = list(valid_windows(shard, 4, rows=2, most_rows=5))
    assert [len(batch.tokens) for batch in part] == [2, 2, 1]
    assert torch.cat([batch.targets for batch in part]).flatten().tolist() == list(range(1, 21))
    assert len(list(valid_windows(shard, 4, rows=2, most_rows=500))) == len(list(valid_windows(shard, 4, rows=2)))
