"""Held-out loss of a causal language model, in bits per byte of the text itself, and as perplexity.

Windows cover the shard once; the separators between documents are not text and are not counted. Bits per byte are comparable
between tokenizers, but only at the same rows' length; perplexity is one of a tokenizer's tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from trivium.base.device import Machine
from trivium.base.words import Batch
from trivium.data.shards import Shard
from trivium.data.windows import valid_windows
from trivium.evaluate.intervals import Estimate, ratio
from trivium.model.transformer import Transformer
from trivium.train.distributed import Team
from trivium.train.step import mean_loss, next_token_loss

ROWS_AT_ONCE, POSITIONS_AT_ONCE = 64, 8192  # at most: long rows would else need more memory than training does
ROWS_IN_GROUP = 8  # neighbours in the text: they stand or fall together


def bits_per_byte(
    model: Transformer, shard: Shard, length: int, team: Team, most_rows: int | None = None
) -> dict[str, float]:
    """`valid_loss` (nats a token) and `valid_bits_per_byte` over the first `most_rows` windows, or all of them.

    Over a part of the shard the bytes are taken in proportion to the tokens. All processes of the team call it, and read
    a share of the windows each.
    """
    rows = min(rows_at_once(length), most_rows or ROWS_AT_ONCE)
    batches = valid_windows(shard, length, rows, most_rows, team.ranks)
    parts = _parts(model, shard, batches, team.machine)
    nats, counted = team.sum(sum(part[0] for part in parts), sum(part[1] for part in parts))
    return {
        "valid_loss": nats / max(counted, 1.0),
        "valid_bits_per_byte": nats / max(counted, 1.0) * _bits_per_nat_and_token(shard),
    }


def rows_at_once(length: int) -> int:
    """Rows of so many tokens that are read together."""
    return max(1, min(ROWS_AT_ONCE, POSITIONS_AT_ONCE // length))


def bits_per_byte_estimate(model: Transformer, shard: Shard, length: int, machine: Machine) -> Estimate:
    """Bits per byte over the whole shard, with a bootstrap interval over groups of `ROWS_IN_GROUP` rows."""
    parts = _parts(model, shard, valid_windows(shard, length, ROWS_IN_GROUP), machine)
    scale = _bits_per_nat_and_token(shard)
    return ratio([nats * scale for nats, _ in parts], [tokens for _, tokens in parts])


def perplexity(bits: Estimate, shard: Shard) -> Estimate:
    """exp(nats a token) from bits per byte of the same shard; the interval goes with it, for one follows from the other."""
    scale = _bits_per_nat_and_token(shard)
    value, low, high = (
        math.exp(min(one / scale, 700.0)) for one in (bits.value, bits.low, bits.high)
    )  # still a number
    return Estimate(value, low, high, bits.items)


def _bits_per_nat_and_token(shard: Shard) -> float:
    text_tokens = len(shard.tokens) - len(shard.ends)
    return text_tokens / (math.log(2) * max(shard.bytes, 1))


def _parts(model: Transformer, shard: Shard, batches: Iterable[Batch], machine: Machine) -> list[tuple[float, float]]:
    """Nats and counted tokens of each batch."""
    model.eval()
    parts = []
    for batch in batches:
        text_only = Batch(batch.tokens, batch.targets, batch.weights * (batch.targets != shard.end_of_text))
        parts.append(mean_loss(model, [text_only], next_token_loss, machine))
    model.train()
    return parts
