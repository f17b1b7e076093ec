"""Gopher's repetition figures, as the paper words them, on lists of words."""

from __future__ import annotations

from collections import Counter


def top_characters(words: list[str], length: int) -> int:
    runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
    if not runs:
        return 0
    run, times = Counter(runs).most_common(1)[0]
    return (sum(map(len, run)) + length - 1) * times


def repeated_characters(words: list[str], length: int) -> int:
    seen: set[tuple[str, ...]] = set()
    at = characters = 0
    while at <= len(words) - length:
        run = tuple(words[at : at + length])
        if run in seen:
            characters += sum(map(len, run))
            at += length
        else:
            seen.add(run)
            at += 1
    return characters
