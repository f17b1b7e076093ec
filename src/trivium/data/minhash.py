"""MinHash signatures of documents, and the bands by which near-duplicates meet (Broder 1997; Indyk and Motwani 1998).

A signature holds, for each of bands * rows hash functions h, min over the document's runs of n words of h(run). Two documents
share a place with the probability of their Jaccard similarity s, and meet in some band with 1 - (1 - s^rows)^bands. Hash
functions are (a x + b) >> 32 modulo 2^64 with fixed odd a (Dietzfelbinger et al. 1997), the same on every machine.
Legend: H hash functions, R runs, D documents, B bands.
"""

from __future__ import annotations

import functools

import numpy

from trivium.base.seeds import numpy_random
from trivium.data.words import Array, Words, mix, runs

CHUNK = 512  # runs hashed at once: the products stay in the processor's cache
VERSION = 1


def signature(words: Words, length: int, functions: int) -> Array:
    """uint32 (H,). Of a document with fewer than `length` words, that of all its words as one run."""
    found = runs(words.spoken, min(length, max(len(words.spoken), 1)))
    if not len(found):
        found = numpy.zeros(1, numpy.uint64)  # no words at all: alike are only those that have none either
    found = numpy.unique(found)
    scale, shift = _functions(functions)
    least = numpy.full(functions, 0xFFFFFFFF, numpy.uint64)
    for start in range(0, len(found), CHUNK):
        hashed = found[None, start : start + CHUNK] * scale  # (H, R)
        hashed += shift
        hashed >>= numpy.uint64(32)
        numpy.minimum(least, hashed.min(axis=1), out=least)
    return least.astype(numpy.uint32)


def bands_of(signatures: Array, bands: int) -> Array:
    """uint64 (B, D): a number for each band of each of the signatures (D, H)."""
    rows = signatures.shape[1] // bands
    numbers = numpy.empty((bands, len(signatures)), numpy.uint64)
    for band in range(bands):
        total = numpy.zeros(len(signatures), numpy.uint64)
        for row in range(band * rows, (band + 1) * rows):
            total = mix(total * numpy.uint64(0x9E3779B97F4A7C15) + signatures[:, row].astype(numpy.uint64))
        numbers[band] = total
    return numbers


def likeness(first: Array, second: Array) -> Array:
    """float (N,): the estimated Jaccard similarity of pairs of signatures (N, H)."""
    return numpy.asarray((first == second).mean(axis=1))


@functools.lru_cache
def _functions(count: int) -> tuple[Array, Array]:
    draw = numpy_random(0, "minhash", VERSION)
    scale, shift = draw.integers(0, 1 << 64, (2, count), numpy.uint64, endpoint=False)
    return (scale | numpy.uint64(1))[:, None], shift[:, None]
