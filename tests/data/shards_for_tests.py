"""Small shards with documents that can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy

from trivium.data.shards import Shard, write_shard

SEPARATOR = 0


def make_shard(folder: Path, lengths: Sequence[int], vocab_size: int = 50_000) -> Shard:
    """Documents of these lengths (separators come on top), every token of the shard a different number."""
    number = 1
    with write_shard(folder, "a" * 64, vocab_size, SEPARATOR) as writer:
        for length in lengths:
            writer.add(numpy.arange(number, number + length, dtype=numpy.uint32), length * 3)
            number += length
    return Shard(folder, "a" * 64)
