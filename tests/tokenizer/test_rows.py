"""Rows and windows: nothing is lost, nothing counts twice, and what belongs to a window has context on both sides."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.tokenizer.tiny import tiny_tokenizer
from trivium.tokenizer.letters import SIZE, letters_of, number_of
from trivium.tokenizer.rows import (
    context_rows,
    in_question,
    padded,
    prompt_ids,
    shorten,
    spelled,
    text_row,
    text_rows,
    windows,
    word_rows,
)

TOKENIZER = tiny_tokenizer()
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=60)


@given(SIZES, st.integers(5, 30), st.integers(0, 40))
def test_windows_cover_every_unit_once_and_fit(sizes: list[int], room: int, overlap: int) -> None:
    found = windows(sizes, room, overlap)
    assert [n for _, _, (low, high) in found for n in range(low, high)] == list(range(len(sizes)))
    for start, end, (low, high) in found:
        assert start <= low <= high <= end
        assert sum(sizes[start:end]) <= room
    for (_, end, _), (after, _, _) in itertools.pairwise(found):
        assert after <= end  # no gap
        assert sum(sizes[after:end]) <= overlap


def test_a_unit_belongs_where_its_smaller_context_is_larger() -> None:
    found = windows([1] * 20, 8, 4)
    for unit in range(20):
        contexts = {
            n: min(unit - start, end - 1 - unit) for n, (start, end, _) in enumerate(found) if start <= unit < end
        }
        owner = next(n for n, (_, _, (low, high)) in enumerate(found) if low <= unit < high)
        inner = {n: c for n, c in contexts.items() if len(contexts) > 1}
        assert not inner or inner[owner] >= max(inner.values()) - (unit < 2 or unit > 17)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(2, 50))
def test_the_longer_text_gives_way_first(one: int, two: int, room: int) -> None:
    kept = shorten([one, two], room)
    assert sum(kept) == min(one + two, room)
    assert all(0 <= size <= full for size, full in zip(kept, (one, two), strict=True))
    if sum(kept) < one + two and min(one, two) <= room // 2:
        assert min(kept) == min(one, two)  # the shorter one is whole


def test_every_word_has_its_first_token_in_the_row_that_it_belongs_to() -> None:
    words = ["Once", "extraordinarily", "upon", "a", "time", "Velby", "x" * 90, "."] * 4
    rows = word_rows(TOKENIZER, words, 24, 8)
    seen = []
    for row in rows:
        assert len(row.ids) <= 24
        for number, place in zip(range(*row.kept), row.own, strict=True):
            seen.append(number)
            assert row.ids[place] == TOKENIZER.encode(f" {words[number]}")[0]
    assert seen == list(range(len(words)))
    assert len(rows) > 2


def test_letters_go_to_all_tokens_of_a_word() -> None:
    words = ["extraordinarily", "Velby"]
    row = word_rows(TOKENIZER, words, 64, 8)[0]
    table = spelled(padded([row], TOKENIZER.pad), [row], [words])
    assert table.words is not None and table.letters is not None
    sizes = [len(TOKENIZER.encode(f" {word}")) for word in words]
    assert table.words[0, : sum(sizes)].tolist() == [1] * sizes[0] + [2] * sizes[1]
    assert not table.words[0, sum(sizes) :].any() and not table.letters[0].any()
    assert table.letters.tolist() == letters_of(words).tolist()
    assert {number_of(c) for c in "aA0. é東🙂"} <= set(range(3, SIZE)) and number_of("a") != number_of("A")


def test_a_question_is_whole_in_every_row_of_its_context() -> None:
    context = TOKENIZER.encode("The red kite is in the kitchen. " * 12)
    asked = TOKENIZER.encode("Where is the kite?")
    rows = context_rows(TOKENIZER, "Where is the kite?", context, 40, 10)
    told = []
    for row in rows:
        assert [row.ids[place] for place in row.places] == context[row.first : row.first + len(row.places)]
        assert set(asked) <= set(row.ids)
        told += [row.ids[place] for place in row.own]
    assert told == context


def test_words_that_the_question_has_are_told_of_every_token_and_window() -> None:
    question, context = "Where does ANNA-Lou live?", "Anna lives here. Annabel does not. " * 6
    spans = TOKENIZER.encode_spans(context)
    told = in_question(question, context, spans)
    words = ["".join(context[a:b] for a, b, hit in zip(spans.starts, spans.ends, told, strict=True) if hit)]
    assert words[0].split() == ["Anna", "does"] * 6
    for row in context_rows(TOKENIZER, question, spans.ids, 40, 10, told):
        assert row.asked is not None
        assert [place in row.asked for place in row.places] == told[row.first : row.first + len(row.places)]


def test_a_prompt_keeps_what_stands_around_its_text() -> None:
    ids, cut = prompt_ids(TOKENIZER, lambda text: f"{text}\n=>", "word " * 100, 20)
    assert cut and len(ids) <= 20 and TOKENIZER.decode(ids).endswith("\n=>")
    ids, cut = prompt_ids(TOKENIZER, lambda text: f"{text}\n=>", "word", 20)
    assert not cut and ids == [TOKENIZER.end_of_text, *TOKENIZER.encode("word\n=>")]


def test_a_text_that_is_too_long_says_so() -> None:
    short, long = text_row(TOKENIZER, "a b", None, 16), text_row(TOKENIZER, "a b " * 40, "c", 16)
    assert not short.shortened and long.shortened and len(long.ids) <= 16
    assert max(long.types) == long.types[-1]


def test_windows_hold_each_token_of_a_long_text_once_and_are_of_one_length() -> None:
    text = "a b c d e " * 13
    rows = text_rows(TOKENIZER, text, None, 16, windows=True)
    special = set(TOKENIZER.special.values())
    inside = [[number for number in row.ids if number not in special] for row in rows]
    assert [number for part in inside for number in part] == TOKENIZER.encode(text)
    sizes = [len(row.ids) for row in rows]
    assert len(rows) > 2 and max(sizes) <= 16 and max(sizes) - min(sizes) <= 1
    assert not any(row.shortened for row in rows)
    for asked in ({"windows": True, "second": None, "text": "a b"}, {"windows": True, "second": "c", "text": text}):
        one = {"text": asked["text"], "second": asked["second"], "limit": 16}
        assert text_rows(TOKENIZER, **one, windows=True) == [text_row(TOKENIZER, **one)]  # type: ignore[arg-type]
