"""The static key and value cache of the decoding engine: one slot a row, written in place.

A pass is described beforehand with `enter`: which slots take part, how many tokens each already holds, and how many
new ones come. Rows of different lengths live side by side; a mask hides what a row has not written.

Legend as in `transformer`; N slots that are named.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trivium.model.architecture import Architecture


class SlotCache:
    """Keys and values for `slots` rows of at most `capacity` tokens, in the type and on the device of `like`."""

    def __init__(self, shape: Architecture, slots: int, capacity: int, like: Tensor) -> None:
        size = (shape.num_layers, 2, slots, shape.num_kv_heads, capacity, shape.head_dim)
        self.store = torch.zeros(size, dtype=like.dtype, device=like.device)
        self._slots: Tensor | None = None
        self._rows = self._columns = torch.empty(0, dtype=torch.long)
        self._width = 0
        self._even = False
        self._prefix: Tensor | None = None
        self._places = self._rows
        self._masks: dict[int, Tensor] = {}
        self._biases: dict[int, Tensor] = {}

    @property
    def slots(self) -> int:
        return self.store.shape[2]

    @property
    def capacity(self) -> int:
        return self.store.shape[4]

    @property
    def in_order(self) -> bool:
        """Whether the pass is for the first slots."""
        return self._slots is None

    def grow(self, slots: int, capacity: int) -> None:
        """Make room for so many slots and tokens; what is there stays."""
        old = self.store
        self.store = old.new_zeros((*old.shape[:2], slots, old.shape[3], capacity, old.shape[5]))
        self.store[:, :, : old.shape[2], :, : old.shape[4]] = old

    def enter(self, lengths: Tensor, new: int, slots: Tensor | None = None, prefix: Tensor | None = None) -> Tensor:
        """Prepare a pass in which `slots` (B,) (None: the first B), holding `lengths` (B,) tokens, get `new` each.

        The first `prefix` (B,) tokens of a slot, where it is given, are also seen by queries before them. Returns the
        positions (B, new) of the new tokens.
        """
        lengths = lengths.to(self.store.device)
        positions = lengths[:, None] + torch.arange(new, device=lengths.device)  # (B, T)
        self._slots, self._columns = slots, positions
        self._rows = (torch.arange(len(lengths), device=lengths.device) if slots is None else slots)[:, None]  # (B, 1)
        shortest, longest = positions.aminmax()
        self._width = int(longest) + 1
        self._even = new == 1 and bool(shortest == longest)
        if slots is None:  # where `append` writes, counted in tokens of a layer's keys
            heads = self.store.shape[3]
            firsts = torch.arange(len(lengths) * heads, device=lengths.device) * self.capacity
            self._places = (firsts.view(-1, heads) + lengths[:, None]).view(-1)  # (B K), for the first new token
        self._masks, self._biases = {}, {}
        self._prefix = None if prefix is None else prefix.to(lengths.device)
        return positions

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        kept_keys, kept_values = self.store[layer]  # (slots, K, capacity, E) each
        kept_keys[self._rows, :, self._columns] = keys.transpose(1, 2).to(kept_keys.dtype)  # (B, T, K, E)
        kept_values[self._rows, :, self._columns] = values.transpose(1, 2).to(kept_values.dtype)
        if self._slots is None:
            rows = len(self._columns)
            return kept_keys[:rows, :, : self._width], kept_values[:rows, :, : self._width]
        return kept_keys[self._slots, :, : self._width], kept_values[self._slots, :, : self._width]

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """`extend` by one token of each of the first B slots, (B, K, E), giving (B K, S, E) that are views of the cache."""
        result = []
        for kept, new in zip(self.store[layer], (keys, values), strict=True):
            kept.view(-1, kept.shape[-1]).index_copy_(0, self._places, new.reshape(-1, new.shape[-1]))
            result.append(kept.view(-1, *kept.shape[2:])[: len(self._places), : self._width])
        return result[0], result[1]

    def bias(self, window: int) -> Tensor | None:
        """`mask` as what is added to scores, zero or minus infinity; None where nothing is hidden."""
        if self._even and not (window and window < self._width):
            return None
        if window not in self._biases:
            seen = self.mask(window)
            self._biases[window] = torch.zeros(seen.shape, dtype=self.store.dtype, device=seen.device).masked_fill_(
                ~seen, float("-inf")
            )
        return self._biases[window]

    def mask(self, window: int) -> Tensor:
        """Boolean (B, 1, T, S): what is written and not after the query (or in the prefix), no further from it than `window`
        says (0: all)."""
        if window not in self._masks:
            columns = torch.arange(self._width, device=self._columns.device)
            ahead = columns - self._columns[:, :, None]  # (B, T, S), how far a key lies after its query
            seen = ahead <= 0
            if self._prefix is not None:
                seen = seen | (columns < self._prefix[:, None, None])
            self._masks[window] = ((seen & (ahead.abs() < window)) if window else seen).unsqueeze(1)
        return self._masks[window]

    def fork(self, source: int, targets: Tensor, length: int) -> None:
        """Copy the first `length` tokens of slot `source` to the slots `targets` (N,)."""
        self.store[:, :, targets, :, :length] = self.store[:, :, source : source + 1, :, :length]
