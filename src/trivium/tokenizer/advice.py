"""How large a vocabulary a text carries: what smaller ones would have given, and how well each one's tokens are known.

A byte-level BPE of k tokens is the first k of a larger one, so one training tells of all smaller sizes. The advice is the rule
of Gowda and May (2020, section 6): the largest vocabulary of which 95% of the tokens are seen 100 times or more in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from trivium.tokenizer.bpe import Tokenizer
from trivium.tokenizer.layout import BYTES, SPLIT

OFTEN, SHARE = 100, 0.95


@dataclass(frozen=True)
class Size:
    """A vocabulary's size, the bytes of text in one of its tokens, and what share of its tokens, single bytes aside, stands
    `OFTEN` times or more in the training text."""

    vocab_size: int
    bytes_per_token: float
    often: float


def sizes_of(tokenizer: Tokenizer, texts: Sequence[str], training_bytes: int) -> list[Size]:
    """Powers of two below the tokenizer's size, and that size, measured on a sample `texts` of the training text, whose
    counts stand for all its `training_bytes`. Empty for a tokenizer that was trained elsewhere."""
    import tiktoken

    if type(tokenizer) is not Tokenizer or not any(texts):
        return []
    special = len(tokenizer.special)
    plain = tokenizer.vocab_size - special
    ranks = {piece: number for number, piece in enumerate(tokenizer.pieces(range(plain)))}
    sample = sum(len(text.encode("utf-8")) for text in texts)
    found = []
    size = 512
    while size < tokenizer.vocab_size * 2:
        kept = min(size, tokenizer.vocab_size) - special
        size *= 2
        if kept <= BYTES:
            continue
        smaller = {piece: number for piece, number in ranks.items() if number < kept}
        encoder = tiktoken.Encoding("trivium", pat_str=SPLIT, mergeable_ranks=smaller, special_tokens={})
        counts = numpy.zeros(kept, numpy.int64)
        for text in texts:
            counts += numpy.bincount(encoder.encode_ordinary(text), minlength=kept)
        often = counts[BYTES:] * (training_bytes / sample) >= OFTEN
        found.append(Size(kept + special, round(sample / int(counts.sum()), 4), round(float(often.mean()), 4)))
    return found


def advise(sizes: Sequence[Size]) -> str:
    """The advice in a sentence; '' where nothing was measured."""
    if not sizes:
        return ""
    carried = [size for size in sizes if size.often >= SHARE]
    now = sizes[-1]
    if now in carried:
        return f"{now.often:.0%} of the {now.vocab_size:,} tokens are seen {OFTEN} times, so this text carries them"
    best = carried[-1] if carried else sizes[0]
    told = f"of {best.vocab_size:,} it would be {best.often:.0%}"
    return f"only {now.often:.0%} of {now.vocab_size:,} tokens are seen {OFTEN} times; {told}"
