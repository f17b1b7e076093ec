"""Rows of different lengths as one list of tokens, in which a common beginning stands once.

All that a decoder does but attention is done token by token. So no padding is computed there, and what several rows begin with
is computed once for all of them, its gradient the sum of theirs. For attention the rows are put together again, in blocks of
similar length; what stands behind a row's end is seen by nobody. The last layer is computed only for the tokens that are asked
for. The slow twin is the model on padded rows.

Legend: R rows, T tokens in a row, N tokens of the list, S places in the blocks, M tokens that the last layer gives, A places
that are asked for (several may be one token), D hidden size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trivium.base.product import SIZES
from trivium.model.masks import attention_mask

BLOCKS = 4  # of rows, by length: with more of them products are smaller, with fewer more is padding
Rotation = tuple[Tensor, Tensor]  # cosines and sines


@dataclass(frozen=True)
class Ragged:
    """What the trunk reads in place of rows. All int64: `tokens` and `positions` (1, N); `places` (S,), which token stands at
    each place of the blocks, whose `sizes` are (rows, tokens) each; `back` (N,), at which place each token stands; `kept`
    (M,), the tokens that the last layer gives; `asked` (A,), which of those each place asks for.

    As one layer gets it, `kept` is None where the layer gives all tokens, and `masks` say what each block's queries see.
    """

    tokens: Tensor
    positions: Tensor
    places: Tensor
    sizes: tuple[tuple[int, int], ...]
    back: Tensor
    kept: Tensor | None
    asked: Tensor
    masks: tuple[Tensor | None, ...] = ()

    def layers(self, windows: Sequence[int]) -> list[Ragged]:
        """What each layer is given, by their windows (0: all): those before the last compute every token."""
        device = self.tokens.device
        seen = {
            window: tuple(attention_mask((length, window, True), device, None, None, None) for _, length in self.sizes)
            for window in set(windows)
        }
        last = self if self.kept is None else replace(self, back=self.back[self.kept])
        given = [replace(self, kept=None)] * (len(windows) - 1) + [last]
        return [replace(one, masks=seen[window]) for one, window in zip(given, windows, strict=True)]

    def spread(self, values: Tensor) -> list[Tensor]:
        """Values (1, N, ...) as each block's (rows, tokens, ...)."""
        table = values.reshape(values.shape[1], -1).contiguous()
        found = F.embedding(self.places, table)  # whose gradient adds up what several rows share
        parts = torch.split(found, [rows * length for rows, length in self.sizes])
        return [part.view(*size, *values.shape[2:]) for part, size in zip(parts, self.sizes, strict=True)]

    def parts(self, values: Tensor, rotation: Rotation | None) -> list[tuple[Tensor, Rotation | None, Tensor | None]]:
        """What attention is given of each block: values as `spread`, cosines and sines (T, 1, E/2) out of those of the tokens,
        (1, N, 1, E/2), and what its queries see."""
        ends = itertools.accumulate(rows * length for rows, length in self.sizes)
        longest = [self.places[end - length : end] for end, (_, length) in zip(ends, self.sizes, strict=True)]
        turns = [None if rotation is None else (rotation[0][0, row], rotation[1][0, row]) for row in longest]
        return list(zip(self.spread(values), turns, self.masks, strict=True))

    def joined(self, blocks: Sequence[Tensor]) -> Tensor:
        """What each block gave, (rows, tokens, D), as (1, N or M, D)."""
        return F.embedding(self.back, torch.cat([block.flatten(0, 1) for block in blocks])).unsqueeze(0)

    def narrowed(self, hidden: Tensor) -> Tensor:
        """Of hidden states (1, N, D) those of the tokens that this layer gives."""
        return hidden if self.kept is None else F.embedding(self.kept, hidden.squeeze(0)).unsqueeze(0)


def ragged(tokens: Tensor, lengths: Tensor, asked: Tensor, blocks: int = BLOCKS) -> Ragged:
    """The list of right-padded rows of tokens (R, T) with `lengths` (R,), at least 1 each. `asked`, boolean (R, T), is True at
    the places whose hidden states are asked for, at least one and none of them padding."""
    known, counts = tokens.tolist(), lengths.tolist()
    order = sorted(range(len(counts)), key=lambda row: known[row][: counts[row]])
    turn = torch.tensor(order, device=tokens.device)
    tokens, lengths = tokens[turn], lengths[turn]  # from here on a row shares what it has in common with the one before
    columns = torch.arange(tokens.shape[1], device=tokens.device)
    real = columns < lengths[:, None]  # (R, T)
    alike = (tokens[1:] == tokens[:-1]) & real[1:] & real[:-1]
    new = real & ~F.pad(alike.long().cumprod(dim=1), (0, 0, 1, 0)).bool()
    numbers = (new.flatten().cumsum(dim=0) - 1).view(new.shape)
    # the newest number in a column so far is that of the row which said this token first
    where = numbers.masked_fill(~new, -1).cummax(dim=0).values.masked_fill(~real, 0)
    row, column = new.nonzero(as_tuple=True)  # (N,) each
    places, sizes, starts, first = list[Tensor](), [], torch.empty_like(lengths), 0
    for part in lengths.argsort(stable=True).chunk(blocks):
        longest = int(lengths[part[-1]])
        places.append(where[part, :longest].flatten())
        sizes.append((len(part), longest))
        starts[part] = first + longest * torch.arange(len(part), device=tokens.device)
        first += len(part) * longest
    wanted = where[turn.argsort()][asked]  # (A,)
    chosen = torch.zeros_like(row, dtype=torch.bool).index_fill_(0, wanted, True)  # (N,)
    return Ragged(
        tokens=_filled(tokens[new]).unsqueeze(0),
        positions=_filled(column).unsqueeze(0),
        places=torch.cat(places),
        sizes=tuple(sizes),
        back=_filled(starts[row] + column),
        kept=_filled(chosen.nonzero().squeeze(1)),
        asked=(chosen.cumsum(dim=0) - 1)[wanted],
    )


def _filled(numbers: Tensor) -> Tensor:
    """With zeros behind them up to a multiple of `SIZES`: tokens that nobody asks for."""
    return F.pad(numbers, (0, -len(numbers) % SIZES))


def read(model: nn.Module, rows: Ragged) -> Tensor:
    """The hidden states (A, D) of the places that are asked for."""
    hidden: Tensor = model(rows)  # (1, M, D)
    return F.embedding(rows.asked, hidden.squeeze(0))
