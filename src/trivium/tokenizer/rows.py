"""Rows of ids for a model with a head: a text, two texts, tagged words, a question with its context.

What is too long for one row is cut into windows that overlap, and every word (or token) of it belongs to the one window
that shows most of what is around it: nothing is lost and nothing counts twice. Only a text that is labelled as a whole may be
shortened, of two the longer one first, and that is told.

Legend: B rows, T tokens in a row.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trivium.base.errors import UserError
from trivium.base.words import Rows
from trivium.tokenizer.letters import letters_of

if TYPE_CHECKING:
    from torch import Tensor

    from trivium.tokenizer.bpe import Tokenizer
    from trivium.tokenizer.framing import Spans

_WORD = re.compile(r"\w+")
LONGEST_QUESTION = 64  # tokens (Devlin et al. 2019, run_squad)
WORTH = 0.2  # of the padded tokens that packing must spare
WIDTHS = 8  # batches are a multiple of this wide: the matrix library then meets the same sizes again


@dataclass(frozen=True)
class Row:
    """One row of an item. `places` are the positions in the row of its units (the words' first tokens, or the context's
    tokens) from number `first` on; units `kept[0]` to `kept[1] - 1` belong to this row; `ends` is the position
    after the last unit's last token. `shortened` tells that tokens of the item are in no row. `asked` are the positions of
    the context's tokens whose word stands in the question too; None where nobody reads that."""

    ids: tuple[int, ...]
    types: tuple[int, ...]
    places: tuple[int, ...] = ()
    first: int = 0
    kept: tuple[int, int] = (0, 0)
    ends: int = 0
    shortened: bool = False
    asked: tuple[int, ...] | None = None

    @property
    def own(self) -> tuple[int, ...]:
        """The positions of the units that belong to this row."""
        return self.places[self.kept[0] - self.first : self.kept[1] - self.first]


def text_row(tokenizer: Tokenizer, text: str, second: str | None, limit: int) -> Row:
    """A text, or two, in one row of at most `limit` tokens; what is too long loses its end, the longer text first."""
    parts = [tokenizer.encode(one) for one in (text, second) if one is not None]
    room = limit - tokenizer.added(second is not None)
    kept = shorten([len(part) for part in parts], room)
    framed = tokenizer.frame(*(part[:size] for part, size in zip(parts, kept, strict=True)))
    return Row(tuple(framed.ids), tuple(framed.types), shortened=sum(kept) < sum(map(len, parts)))


def text_rows(tokenizer: Tokenizer, text: str, second: str | None, limit: int, *, windows: bool) -> list[Row]:
    """`text_row`; with `windows` one text that is too long is instead cut into as few rows as hold it, of equal length."""
    ids = tokenizer.encode(text)
    room = limit - tokenizer.added(False)
    if not windows or second is not None or len(ids) <= room:
        return [text_row(tokenizer, text, second, limit)]
    count = -(-len(ids) // room)
    cuts = [len(ids) * number // count for number in range(count + 1)]
    framed = [tokenizer.frame(ids[start:stop]) for start, stop in itertools.pairwise(cuts)]
    return [Row(tuple(one.ids), tuple(one.types)) for one in framed]


def shorten(lengths: Sequence[int], room: int) -> list[int]:
    """What remains of each length so that the sum is at most `room`, the longest giving way first."""
    kept = list(lengths)
    if sum(kept) > room and len(kept) == 2:
        longer = 0 if kept[0] >= kept[1] else 1
        kept[longer] = max(room - kept[1 - longer], (room + 1) // 2)
        kept[1 - longer] = min(kept[1 - longer], room - kept[longer])
    elif sum(kept) > room:
        kept = [room]
    return kept


def word_rows(tokenizer: Tokenizer, words: Sequence[str], limit: int, overlap: int) -> list[Row]:
    """The words of an item in as many rows as are needed; a word longer than a row loses its end."""
    room = limit - tokenizer.added(False)
    pieces = [tokenizer.encode(f" {word}")[:room] or [tokenizer.pad] for word in words]
    rows = []
    for start, end, kept in windows([len(piece) for piece in pieces], room, overlap):
        framed = tokenizer.frame([number for piece in pieces[start:end] for number in piece])
        place = framed.special.index(False)
        places = []
        for piece in pieces[start:end]:
            places.append(place)
            place += len(piece)
        rows.append(Row(tuple(framed.ids), tuple(framed.types), tuple(places), start, kept, place))
    return rows


def context_rows(
    tokenizer: Tokenizer,
    question: str,
    context: Sequence[int],
    limit: int,
    overlap: int,
    asked_for: Sequence[bool] | None = None,
) -> list[Row]:
    """A question and the tokens of its context, in as many rows as are needed; each row has the whole question (up to
    `LONGEST_QUESTION` tokens). `asked_for` is what `in_question` tells of the context's tokens. Raises UserError where no
    room is left for the context."""
    asked = tokenizer.encode(question)[: min(LONGEST_QUESTION, limit // 2)]
    room = limit - tokenizer.added(True) - len(asked)
    if room < 1:
        raise UserError(f"a row of {limit} tokens has no room for a context; use a model that reads more")
    rows = []
    for start, end, kept in windows([1] * len(context), room, overlap):
        framed = tokenizer.frame(asked, list(context[start:end]))
        first = framed.parts.index(1)
        places = tuple(range(first, first + end - start))
        own = None if asked_for is None else tuple(n for n in places if asked_for[start + n - first])
        rows.append(Row(tuple(framed.ids), tuple(framed.types), places, start, kept, first + end - start, asked=own))
    return rows


def in_question(question: str, context: str, spans: Spans) -> list[bool]:
    """For each token of the context whether its word, in any case, also stands in the question: the exact match of Chen et
    al. 2017 (section 3.2). `spans` are the context's tokens with their places."""
    wanted = {word.casefold() for word in _WORD.findall(question)}
    places = [match.span() for match in _WORD.finditer(context) if match[0].casefold() in wanted]
    found, at = [], 0
    for start, end in zip(spans.starts, spans.ends, strict=True):
        while at < len(places) and places[at][1] <= start:
            at += 1
        found.append(at < len(places) and places[at][0] < end)
    return found


def prompt_ids(tokenizer: Tokenizer, render: Callable[[str], str], text: str, room: int) -> tuple[list[int], bool]:
    """The ids of `render(text)` as the beginning of a document, and whether `text` had to lose its end to fit `room`.

    Raises UserError where what `render` puts around the text does not fit by itself.
    """
    kept = text
    while True:
        ids = [tokenizer.end_of_text, *tokenizer.encode(render(kept))]
        if len(ids) <= room:
            return ids, kept != text
        if not kept:
            raise UserError(f"the prompt's template alone has {len(ids)} tokens; the model has room for {room}")
        kept = kept[: min(len(kept) * room // len(ids), len(kept) - 1)]


def null_place(row: Row, tokenizer: Tokenizer) -> int:
    """The position that says 'no answer': the classifier's token at the front, or the last one for a decoder."""
    return 0 if tokenizer.cls is not None else len(row.ids) - 1


def windows(sizes: Sequence[int], room: int, overlap: int) -> list[tuple[int, int, tuple[int, int]]]:
    """(first unit, unit after the last, the units that belong to it) of windows of at most `room` tokens.

    `sizes` are the units' tokens, none above `room`. A window shares about `overlap` tokens with the one before it; in what
    two windows share, each unit belongs to the one in which its smaller side of context is larger.
    """
    found: list[tuple[int, int]] = []
    start = 0
    while not found or found[-1][1] < len(sizes):
        end, used = start, 0
        while end < len(sizes) and used + sizes[end] <= room:
            used += sizes[end]
            end += 1
        found.append((start, end))
        back, shared = end, 0
        while back - 1 > start and shared + sizes[back - 1] <= overlap:
            back -= 1
            shared += sizes[back]
        start = back
        if end == start and end < len(sizes):
            assert sizes[end] <= room, f"a unit of {sizes[end]} tokens does not fit into {room}"
    borders = [0]
    for (_, end), (after, _) in itertools.pairwise(found):
        borders.append((after + end + 1) // 2)  # the middle of what both show
    borders.append(len(sizes))
    return [(*window, (borders[number], borders[number + 1])) for number, window in enumerate(found)]


def padded(rows: Sequence[Row], pad: int) -> Rows:
    """The rows as tensors (B, T), padded at the right."""
    import numpy
    import torch

    width = -(-max(len(row.ids) for row in rows) // WIDTHS) * WIDTHS
    tokens = numpy.full((len(rows), width), pad, numpy.int64)
    types = numpy.zeros((len(rows), width), numpy.int64)
    real = numpy.zeros((len(rows), width), bool)
    for number, row in enumerate(rows):
        size = len(row.ids)
        tokens[number, :size] = row.ids
        types[number, :size] = row.types
        real[number, :size] = True
    made = Rows(torch.from_numpy(tokens), torch.from_numpy(real), torch.from_numpy(types), packed=_packed(rows, width))
    if rows[0].asked is None:
        return made
    asked = torch.zeros_like(made.tokens)
    for number, row in enumerate(rows):
        asked[number, list(row.asked or ())] = 1
    return replace(made, asked=asked)


def _packed(rows: Sequence[Row], width: int) -> Tensor | None:
    """`Rows.packed`: the longest row first, each goes where room is left (first fit, decreasing); None where that spares
    less than `WORTH`."""
    import torch

    bins: list[list[int]] = []
    room: list[int] = []
    for number in sorted(range(len(rows)), key=lambda one: -len(rows[one].ids)):
        size = len(rows[number].ids)
        at = next((place for place, left in enumerate(room) if left >= size), len(bins))
        if at == len(bins):
            bins.append([])
            room.append(width)
        bins[at] += range(number * width, number * width + size)
        room[at] -= size
    if len(bins) > (1 - WORTH) * len(rows):
        return None
    return torch.tensor([[*one, *[-1] * left] for one, left in zip(bins, room, strict=True)])


def spelled(rows: Rows, of: Sequence[Row], words: Sequence[Sequence[str]]) -> Rows:
    """`rows` with the letters of the words whose first tokens are at the places of each row; a word's row of letters goes
    to all its tokens."""
    import torch

    numbers: dict[str, int] = {}
    table = torch.zeros_like(rows.tokens)
    for line, (row, own) in enumerate(zip(of, words, strict=True)):
        ends = [*row.places[1:], row.ends]
        for word, place, end in zip(own, row.places, ends, strict=True):
            table[line, place:end] = numbers.setdefault(word, len(numbers) + 1)
    return replace(rows, words=table, letters=torch.from_numpy(letters_of(list(numbers))))
