"""Marked shards of a few documents of sentences."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy

from trivium.data.sentences import marks_of
from trivium.data.shards import Section, Shard, write_shard
from trivium.tokenizer import Tokenizer, train

SUBJECTS = ("A fox", "The hen", "My dog", "Our cat", "That unlikely hedgehog")
ENDS = ("sleeps in the barn", "runs", "sees an interesting thing under the tree", "was here yesterday")


@cache
def masked_tokenizer() -> Tokenizer:
    return train([f"{subject} {end}. " * 3 for subject in SUBJECTS for end in ENDS], 320, masked=True)


def documents(count: int = 12) -> list[str]:
    """Document n has 1 + n % 7 sentences, and no two sentences of it are the same."""
    return [
        " ".join(f"{SUBJECTS[(n + i) % 5]} {ENDS[(n * 3 + i) % 4]}." for i in range(1 + n % 7)) for n in range(count)
    ]


def marked_shard(folder: Path, texts: list[str], sources: tuple[tuple[int, float, float | None], ...] = ()) -> Shard:
    """`sources` are (documents, weight, epochs) of the sources that the texts come from, one after another."""
    tokenizer = masked_tokenizer()
    facts = (tokenizer.sha256, tokenizer.vocab_size, tokenizer.end_of_text, True)
    with write_shard(folder, *facts) as writer:
        sizes = []
        for text in texts:
            spans = tokenizer.encode_spans(text)
            sizes.append(len(spans.ids) + 1)
            writer.add(numpy.array(spans.ids, numpy.uint32), len(text.encode()), marks_of(text, spans))
        first = 0
        for number, (count, weight, epochs) in enumerate(sources):
            tokens = sum(sizes[first : first + count])
            writer.sections.append(Section(f"source {number}", count, tokens, weight, epochs))
            first += count
    return Shard(folder, tokenizer.sha256)
