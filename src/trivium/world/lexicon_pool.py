"""A pool: the words that may fill one role, and which of them no training instruction is about.

`all` is for documents, `train` for training instructions, `held_out` for held-out ones. A held-out word is an ordinary
word of the documents (so it is a token with a meaning); it is held out only as what an instruction is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """`all` is `train` followed by `held_out`; no word is in both."""

    name: str
    train: tuple[str, ...]
    held_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert len(set(self.all)) == len(self.all), f"pool {self.name} names a word twice"

    @property
    def all(self) -> tuple[str, ...]:
        """Every word, the trained ones first."""
        return self.train + self.held_out

    def __len__(self) -> int:
        return len(self.train) + len(self.held_out)

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __contains__(self, word: object) -> bool:
        return word in self.all

    def __add__(self, other: Pool) -> Pool:
        """Both pools as one, each word on the side where it was."""
        return Pool(f"{self.name}+{other.name}", self.train + other.train, self.held_out + other.held_out)


def words(text: str) -> tuple[str, ...]:
    """The words of a string."""
    return tuple(text.split())


def pool(name: str, train: str, held_out: str = "") -> Pool:
    """A pool from two strings of words."""
    return Pool(name, words(train), words(held_out))
