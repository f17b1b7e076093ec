"""What smaller vocabularies would give is what training them gives, and the advice follows the rule that it states."""

from __future__ import annotations

from itertools import islice

import pytest

from trivium.tokenizer import train
from trivium.tokenizer.advice import Size, advise, sizes_of
from trivium.world.documents import documents


def test_a_smaller_size_is_what_training_it_gives() -> None:
    texts = [one.text for one in islice(documents(0, "train"), 300)]
    total = sum(len(text.encode()) for text in texts)
    found = sizes_of(train(texts, 1200), texts, total)
    assert [size.vocab_size for size in found] == [512, 1024, 1200]
    for size in found:
        own = train(texts, size.vocab_size)
        ids = [own.encode(text) for text in texts]
        assert size.bytes_per_token == round(total / sum(map(len, ids)), 4)
        counts = dict.fromkeys(range(256, size.vocab_size - len(own.special)), 0)
        for number in (number for row in ids for number in row if number in counts):
            counts[number] += 1
        assert size.often == round(sum(count >= 100 for count in counts.values()) / len(counts), 4)


def test_counts_of_a_sample_stand_for_the_whole_text() -> None:
    texts = [one.text for one in islice(documents(0, "train"), 300)]
    tokenizer = train(texts, 800)
    small = sum(len(text.encode()) for text in texts)
    assert sizes_of(tokenizer, texts, 50 * small)[-1].often > sizes_of(tokenizer, texts, small)[-1].often


@pytest.mark.parametrize(
    ("often", "told"),
    [
        ((1.0, 0.96), "96% of the 1,024 tokens are seen 100 times, so"),
        ((0.97, 0.5), "only 50% of 1,024 tokens are seen 100 times; of 512 it would be 97%"),
        ((0.6, 0.5), "of 512 it would be 60%"),
    ],
)
def test_the_advice_is_the_largest_size_that_is_seen_often(often: tuple[float, float], told: str) -> None:
    sizes = [Size(512, 2.0, often[0]), Size(1024, 2.5, often[1])]
    assert told in advise(sizes)


def test_nothing_is_advised_of_nothing() -> None:
    assert advise([]) == ""
