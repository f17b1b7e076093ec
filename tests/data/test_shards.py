"""Shards: what was written comes back, and nothing else is ever read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy
import pytest

from tests.data.shards_for_tests import make_shard
from trivium.base.errors import RunError
from trivium.data.shards import Shard, write_shard

SHA = "a" * 64


def test_documents_come_back_each_with_its_separator(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "s", [3, 0, 2])
    assert shard.tokens.tolist() == [1, 2, 3, 0, 0, 4, 5, 0]
    assert shard.ends.tolist() == [4, 5, 8]
    assert (shard.bytes, shard.end_of_text, shard.vocab_size) == (15, 0, 50_000)
    shard.verify()
    header = json.loads((tmp_path / "s/shard.json").read_text())
    assert header["documents"] == 3 and header["tokens"] == 8
    for name in ("tokens.bin", "ends.bin"):
        assert header["sha256"][name] == hashlib.sha256((tmp_path / "s" / name).read_bytes()).hexdigest()


@pytest.mark.parametrize(("vocab_size", "width"), [(65_536, 2), (65_537, 4)])
def test_tokens_take_two_bytes_as_long_as_they_fit(tmp_path: Path, vocab_size: int, width: int) -> None:
    with write_shard(tmp_path / "s", SHA, vocab_size, 0) as writer:
        writer.add(numpy.array([vocab_size - 1, 1], numpy.uint32), 2)
    assert (tmp_path / "s/tokens.bin").stat().st_size == 3 * width
    assert Shard(tmp_path / "s").tokens.tolist() == [vocab_size - 1, 1, 0]
    expected = numpy.array([vocab_size - 1, 1, 0], f"<u{width}").tobytes()
    assert (tmp_path / "s/tokens.bin").read_bytes() == expected


def test_an_empty_shard_is_a_shard(tmp_path: Path) -> None:
    shard = make_shard(tmp_path / "s", [])
    assert len(shard.tokens) == len(shard.ends) == 0
    shard.verify()


def test_an_id_outside_the_vocabulary_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(AssertionError), write_shard(tmp_path / "s", SHA, 300, 0) as writer:
        writer.add(numpy.array([300], numpy.uint32), 1)


def test_a_failure_leaves_the_old_shard_and_nothing_else(tmp_path: Path) -> None:
    make_shard(tmp_path / "s", [3])
    with pytest.raises(ZeroDivisionError), write_shard(tmp_path / "s", SHA, 300, 0) as writer:
        writer.add(numpy.array([7], numpy.uint32), 1)
        raise ZeroDivisionError
    assert Shard(tmp_path / "s").tokens.tolist() == [1, 2, 3, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    make_shard(tmp_path / "s", [3])
    with pytest.raises(RunError, match="another tokenizer"):
        Shard(tmp_path / "s", "b" * 64)


def test_damage_is_found_and_named(tmp_path: Path) -> None:
    make_shard(tmp_path / "s", [30])
    tokens, header = tmp_path / "s/tokens.bin", tmp_path / "s/shard.json"
    whole = tokens.read_bytes()
    tokens.write_bytes(whole[:-1])
    with pytest.raises(RunError, match=r"tokens\.bin.*61 bytes instead of 62"):
        Shard(tmp_path / "s")
    tokens.write_bytes(whole[:-1] + b"\x07")  # the right size: only reading it all finds this
    with pytest.raises(RunError, match=r"tokens\.bin.*hash"):
        Shard(tmp_path / "s").verify()
    tokens.unlink()
    with pytest.raises(RunError, match=r"tokens\.bin"):
        Shard(tmp_path / "s")
    content = json.loads(header.read_text())
    header.write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(RunError, match="format 99"):
        Shard(tmp_path / "s")
    header.write_text(json.dumps({"format": 1}))
    with pytest.raises(RunError, match=r"shard\.json.*damaged"):
        Shard(tmp_path / "s")
    header.unlink()
    with pytest.raises(RunError, match=r"shard\.json"):
        Shard(tmp_path / "s")
