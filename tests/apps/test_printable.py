"""What a terminal is given: words whole, whatever the pieces in which a text comes, and nothing that it would obey."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from trivium.apps.printable import Wrapped, columns, listed, visible


def wrapped(text: str, width: int, cuts: list[int]) -> str:
    shown: list[str] = []
    writer = Wrapped(shown.append, lambda: width)
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(places):
        writer.add(text[start:end])
    writer.end()
    return "".join(shown)


TEXTS = st.text(st.sampled_from("ab, \n日本e\u0301"), max_size=120)


@given(TEXTS, st.integers(21, 40), st.lists(st.integers(0, 200), max_size=6))
def test_lines_fit_no_word_is_cut_and_pieces_do_not_matter(text: str, width: int, cuts: list[int]) -> None:
    shown = wrapped(text, width, cuts)
    assert shown == wrapped(text, width, [])
    assert "".join(shown.split()) == "".join(text.split())
    wide = set("日本")
    for line in shown.split("\n"):
        assert columns(line) < width or (" " not in line.strip(" ") and not wide & set(line))
    if not wide & set(text):
        assert shown.split() == text.split()


def test_a_word_waits_until_it_is_whole_and_a_very_narrow_terminal_is_left_alone() -> None:
    shown: list[str] = []
    writer = Wrapped(shown.append, lambda: 30)
    for piece in ("Under the b", "right sky a f", "ox"):
        writer.add(piece)
    assert "".join(shown) == "Under the bright sky a "
    writer.end()
    writer.add(" walked away.")
    writer.end()
    assert "".join(shown) == "Under the bright sky a fox \nwalked away."
    assert wrapped("one two three four", 8, []) == "one two three four"


def test_a_list_goes_on_below_what_it_says() -> None:
    assert listed({"/a": "one two three four five six", "/b": "seven"}, 4, 26) == (
        "/a  one two three four\n    five six\n/b  seven"
    )


def test_what_a_terminal_would_obey_is_shown_by_its_number() -> None:
    assert visible("\x1b[2Jx\x9b\u202e\n\tö🦊") == "<U+001B>[2Jx<U+009B><U+202E>\n\tö🦊"
