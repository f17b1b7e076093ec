"""What stands around texts in a row, and where tokens stand in a text: both as the `tokenizers` library says it.

`Frame` is taken from the library itself by framing a text and a pair, so it is what `transformers.AutoTokenizer` does with
the same tokenizer.json: [CLS] a [SEP] b [SEP] for BERT, <s> a </s></s> b </s> for RoBERTa, nothing for most decoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trivium.base.errors import CheckpointError

if TYPE_CHECKING:
    import tokenizers

PROBES = ("a", "1", "the", "\u4e2d", "!")


@dataclass(frozen=True)
class Framed:
    """A row of one or two texts. For each token: its id, its type (0 or 1), and which text it is of (-1: none, it was added)."""

    ids: list[int]
    types: list[int]
    parts: list[int]

    @property
    def special(self) -> list[bool]:
        """Whether each token was added."""
        return [part < 0 for part in self.parts]


@dataclass(frozen=True)
class Spans:
    """A text's tokens: ids, where each begins and ends in the text (in characters), and the number of the word that it is of.

    A word is what the tokenizer cuts a text into before it cuts words into tokens.
    """

    ids: list[int]
    starts: list[int]
    ends: list[int]
    words: list[int]


@dataclass(frozen=True)
class Frame:
    """What is put around one text (two pieces) or two (three pieces); of each added token id and type, and the texts' types."""

    single: tuple[tuple[tuple[int, int], ...], ...]
    pair: tuple[tuple[tuple[int, int], ...], ...]
    types: tuple[int, int]

    def put(self, first: Sequence[int], second: Sequence[int] | None = None) -> Framed:
        """The row of one text, or of two."""
        texts = [first] if second is None else [first, second]
        pieces = self.single if second is None else self.pair
        row = Framed([], [], [])
        for number, piece in enumerate(pieces):
            row.ids.extend(token for token, _ in piece)
            row.types.extend(kind for _, kind in piece)
            row.parts.extend(-1 for _ in piece)
            if number < len(texts):
                row.ids.extend(texts[number])
                row.types.extend([self.types[number]] * len(texts[number]))
                row.parts.extend([number] * len(texts[number]))
        return row

    def added(self, pair: bool) -> int:
        """How many tokens are put around one text, or around two."""
        return sum(map(len, self.pair if pair else self.single))


def frame_of(library: tokenizers.Tokenizer) -> Frame:
    """The frame of a tokenizer. Raises CheckpointError where it puts texts in another order."""
    probe = next((text for text in PROBES if library.encode(text, add_special_tokens=False).ids), None)
    if probe is None:
        raise CheckpointError("tokenizer.json: makes no token of any text")
    single, pair = _pieces(library.encode(probe), 1), _pieces(library.encode(probe, probe), 2)
    return Frame(single[0], pair[0], (pair[1][0], pair[1][1]))


def _pieces(encoding: tokenizers.Encoding, texts: int) -> tuple[tuple[tuple[tuple[int, int], ...], ...], list[int]]:
    """The added tokens before, between and after the texts, and the type of each text."""
    pieces: list[list[tuple[int, int]]] = [[]]
    types: list[int] = []
    for token, kind, text in zip(encoding.ids, encoding.type_ids, encoding.sequence_ids, strict=True):
        if text is None:
            pieces[-1].append((token, kind))
        elif text == len(types):
            types.append(kind)
            pieces.append([])
        elif text != len(types) - 1 or pieces[-1]:
            raise CheckpointError(
                "tokenizer.json: its post-processor puts the second text first; that is not supported"
            )
    if len(types) != texts:
        raise CheckpointError("tokenizer.json: its post-processor leaves a text out; that is not supported")
    return tuple(tuple(piece) for piece in pieces), types


def spans_of(library: tokenizers.Tokenizer, text: str) -> Spans:
    """The tokens of `text` and their places in it."""
    encoding = library.encode(text, add_special_tokens=False)
    words: list[int] = []
    for word in encoding.word_ids:
        words.append(words[-1] if word is None and words else word or 0)
    return Spans(
        list(encoding.ids), [start for start, _ in encoding.offsets], [end for _, end in encoding.offsets], words
    )
