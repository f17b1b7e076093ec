"""Masked language modelling: which tokens of a row are hidden, and what stands in their place.

Of the tokens that are neither added nor padding a share is chosen; of these most become the mask, some another token drawn
from all ordinary ones, some stay (Devlin et al. 2019, section 3.1: 80, 10 and 10%). Whole words fall together where asked;
a word is what the tokenizer says, never a spelling. What is drawn is a pure function of (seed, epoch, sample, place), so
it differs between epochs, and does not depend on the batch, on how many rows there are, or on who asks.
Legend: B rows, T tokens in a row, N chosen tokens of all rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy

from trivium.base.errors import UserError
from trivium.base.seeds import derive
from trivium.data.masking_settings import MaskSettings
from trivium.data.order import mix

Array = numpy.ndarray[Any, Any]
FIXED_RATE = 0.15  # of every evaluation, so that losses compare between training rates


FIXED = MaskSettings(rate=FIXED_RATE)


class Masker:
    """Hides tokens of rows. `evaluating` draws a mask of its own for a sample, the same whatever the settings."""

    def __init__(
        self, settings: MaskSettings, vocab_size: int, special: Iterable[int], mask: int | None, seed: int
    ) -> None:
        """Raises UserError where the tokenizer has no mask."""
        if mask is None:
            raise UserError(
                "the tokenizer has no token for what is hidden; set tokenize.masked_tokens: true, or start from a masked model"
            )
        self.settings, self.mask, self.seed = settings, mask, seed
        kept = set(range(vocab_size)) - set(special) - {mask}
        self.ordinary = numpy.array(sorted(kept), numpy.int64)

    def hide(self, tokens: Array, words: Array, samples: Array, epochs: Array) -> tuple[Array, Array]:
        """`tokens` (B, T) with some replaced, and which were chosen, boolean (B, T).

        `words` (B, T) number the words of a row, ascending, -1 on what is never hidden; `samples` and `epochs` (B,). At least
        one token of every row that has any is chosen.
        """
        settings = self.settings
        units = words if settings.whole_words else numpy.where(words >= 0, numpy.arange(tokens.shape[1]), -1)
        chosen = self._chosen(units, settings.rate, samples, epochs)
        fate = self._uniform("fate", samples, epochs, tokens.shape[1])  # (B, T)
        masked, other = settings.split[0], settings.split[0] + settings.split[1]
        drawn = self._uniform("token", samples, epochs, tokens.shape[1]) * len(self.ordinary)
        hidden = numpy.where(chosen & (fate < masked), self.mask, tokens)
        replaced = chosen & (fate >= masked) & (fate < other)
        return numpy.where(replaced, self.ordinary[drawn.astype(numpy.int64)], hidden), chosen

    def _chosen(self, units: Array, rate: float, samples: Array, epochs: Array) -> Array:
        """The units that come first in a random order, until they are as near as can be to the share `rate` of the tokens."""
        width = units.shape[1]
        possible = units >= 0
        turns = self._uniform("choice", samples, epochs, width)  # one for each unit, read at the unit's number
        turn = numpy.take_along_axis(turns, units.clip(min=0), axis=1)
        turn = numpy.where(possible, turn, 2.0)
        order = numpy.argsort(turn, axis=1, kind="stable")  # (B, T), the tokens of a unit side by side
        inside = numpy.take_along_axis(units, order, axis=1)
        first = numpy.ones_like(possible)
        first[:, 1:] = inside[:, 1:] != inside[:, :-1]
        places = numpy.arange(width)
        before = numpy.maximum.accumulate(
            numpy.where(first, places, 0), axis=1
        )  # tokens that come before this one's unit
        last = numpy.ones_like(possible)
        last[:, :-1] = first[:, 1:]
        after = numpy.minimum.accumulate(numpy.where(last, places, width)[:, ::-1], axis=1)[
            :, ::-1
        ]  # the unit's last place
        wanted = numpy.maximum(numpy.rint(rate * possible.sum(axis=1)), 1)[:, None]  # (B, 1)
        taken = (before + after + 1 <= 2 * wanted) | (before == 0)
        result = numpy.zeros_like(possible)
        numpy.put_along_axis(result, order, taken, axis=1)
        return result & possible

    def _uniform(self, purpose: str, samples: Array, epochs: Array, width: int) -> Array:
        """Numbers in [0, 1), (B, width), each a pure function of seed, purpose, epoch, sample and place."""
        key = derive(self.seed, "mask", purpose)
        rows = mix(mix(samples.astype(numpy.uint64), key), 0) ^ mix(epochs.astype(numpy.uint64), key >> 1)  # (B,)
        words = mix(rows[:, None] + numpy.arange(width, dtype=numpy.uint64), key)
        result: Array = (words >> numpy.uint64(11)).astype(numpy.float64) / float(1 << 53)
        return result
