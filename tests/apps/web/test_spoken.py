"""Text from tokens: whole characters, stop texts wherever they fall; against cutting the whole text at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.apps.web.api.spoken import Drawn, Spoken
from trivium.tokenizer import Tokenizer, train

TEXT = "the cat sat on the mat, \u00fcber \U0001f98a and \u65e5\u672c "


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train([TEXT * 30], 285)


def whole(text: str, stops: list[str]) -> str:
    """What is said of a text, slowly: up to the first place where any stop text begins."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(alphabet="the cat\u00fc\U0001f98a\u65e5\n", max_size=40),
    stops=st.lists(st.text(alphabet="the cat\u00fc\U0001f98a", min_size=1, max_size=4), max_size=4),
)
def test_pieces_are_the_text_up_to_the_first_stop_text(tokenizer: Tokenizer, text: str, stops: list[str]) -> None:
    spoken, told, of = Spoken(tokenizer, stops), "", []
    for number, token in enumerate(tokenizer.encode(text)):
        piece, drawn = spoken.add(Drawn(token, -float(number)))
        assert "\ufffd" not in piece
        told += piece
        of += drawn
        if spoken.stopped:
            break
    rest, drawn = spoken.end()
    found = told + rest
    # tokens that came after the one that completed a stop text were never read, so a stop text may begin earlier there
    assert found == whole(text, stops) or (spoken.stopped and any(text[len(found) :].startswith(one) for one in stops))
    of += drawn
    assert [one.logprob for one in of] == [-float(number) for number in range(len(of))]  # each told once, in order
    assert all(one.at < len(found) for one in of if spoken.stopped)
    if not spoken.stopped:
        assert len(of) == len(tokenizer.encode(text))


def test_what_may_become_a_stop_text_is_held_back_until_it_does_not(tokenizer: Tokenizer) -> None:
    spoken = Spoken(tokenizer, ["catx"])
    told = [spoken.add(Drawn(token, 0.0))[0] for token in tokenizer.encode("the cat") + tokenizer.encode("s")]
    assert "".join(told[:-1]) == "the " and "".join(told) == "the cats"


def test_bytes_that_never_become_a_character_are_told_at_the_end(tokenizer: Tokenizer) -> None:
    (fox, *_) = tokenizer.encode("\U0001f98b")  # a byte alone
    spoken = Spoken(tokenizer)
    assert spoken.add(Drawn(fox, 0.0))[0] == ""
    assert "\ufffd" in spoken.end()[0]


def test_garbage_is_told_while_it_comes(tokenizer: Tokenizer) -> None:
    (byte, *_) = tokenizer.encode("\U0001f98b")
    spoken = Spoken(tokenizer)
    pieces = [spoken.add(Drawn(token, 0.0))[0] for token in [byte] * 40 + tokenizer.encode("the cat")]
    assert sum(piece.count("\ufffd") for piece in pieces[:40]) > 30
    assert "".join(pieces).rstrip("\ufffd").endswith("the cat")
    assert ("".join(pieces) + spoken.end()[0]).count("\ufffd") == 40


def test_a_chat_s_answer_loses_the_template_s_space(tokenizer: Tokenizer) -> None:
    spoken = Spoken(tokenizer, lstrip=True)
    told = [spoken.add(Drawn(token, 0.0))[0] for token in tokenizer.encode("  the  cat")]
    assert "".join(told) == "the  cat"
