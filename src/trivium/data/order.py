"""Random order without an index: a permutation of 0..n-1 that is computed, not stored.

A Feistel network over the smallest power of two that holds n, walked in cycles until the result is below n (Black and
Rogaway 2002). A number's place is a pure function of (seed, epoch), so resuming is asking for another number, and the
order does not depend on how many ask.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, overload

from trivium.base.seeds import derive

if TYPE_CHECKING:
    from numpy import ndarray

ROUNDS = 8
_WORD = (1 << 64) - 1


@overload
def permute(index: int, count: int, seed: int, epoch: int = 0) -> int: ...
@overload
def permute(index: ndarray[Any, Any], count: int, seed: int, epoch: int = 0) -> ndarray[Any, Any]: ...
def permute(index: int | ndarray[Any, Any], count: int, seed: int, epoch: int = 0) -> int | ndarray[Any, Any]:
    """Where `index` (0..count-1, a number or an integer array of any shape) goes in the permutation of this seed and
    epoch; an array gives int64 of its shape."""
    if isinstance(index, int):
        assert 0 <= index < count, f"index {index} of {count}"
        place: int = index
        while (place := _feistel(place, count, seed, epoch)) >= count:
            pass
        return place
    assert index.size == 0 or (index.min() >= 0 and index.max() < count), (
        f"indices {index.min()} to {index.max()} of {count}"
    )
    places = index.astype("uint64").ravel()
    walking = _feistel(places, count, seed, epoch)
    while (outside := walking >= count).any():
        walking[outside] = _feistel(walking[outside], count, seed, epoch)
    result: ndarray[Any, Any] = walking.reshape(index.shape).astype("int64")
    return result


def chosen_rows(step: int, size: int, count: int, seed: int) -> ndarray[Any, Any]:
    """Which of `count` rows a 0-based step of `size` rows holds, int64 (size,): every epoch holds each row once."""
    import numpy

    samples = numpy.arange(step * size, (step + 1) * size)
    chosen = numpy.empty_like(samples)
    for epoch in range(samples[0] // count, samples[-1] // count + 1):
        inside = samples // count == epoch
        chosen[inside] = permute(samples[inside] % count, count, seed, epoch)
    return chosen


def _feistel(place: Any, count: int, seed: int, epoch: int) -> Any:
    """One pass through the network, for a Python integer or a uint64 array alike."""
    bits = max((count - 1).bit_length(), 2)
    low_bits = bits // 2
    low_mask, high_mask = (1 << low_bits) - 1, (1 << (bits - low_bits)) - 1
    high, low = place >> low_bits, place & low_mask
    for number, key in enumerate(_keys(seed, epoch)):
        if number % 2:
            high = high ^ (mix(low, key) & high_mask)
        else:
            low = low ^ (mix(high, key) & low_mask)
    return (high << low_bits) | low


def mix(value: Any, key: int) -> Any:
    """64 well-mixed bits of `value` and `key` (the finaliser of splitmix64)."""
    mixed = ((value ^ key) * 0x9E3779B97F4A7C15) & _WORD
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
    return mixed ^ (mixed >> 31)


@functools.lru_cache(maxsize=64)
def _keys(seed: int, epoch: int) -> tuple[int, ...]:
    return tuple(derive(seed, "order", epoch, number) for number in range(ROUNDS))
