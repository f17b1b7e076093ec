"""Personal data: what takes their place, what is logged, and that no text takes forever; see also test_planted.py."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trivium.data.private import KINDS, PrivateSettings, find, redact

pytest.importorskip("phonenumbers")
TEXT = (
    "Write to anna@post.org or +44 20 7946 0958; pay DE89 3704 0044 0532 0130 00 or 4111 1111 1111 1111. anna@post.org!"
)


def test_placeholders_say_what_was_there() -> None:
    redacted = redact(TEXT, PrivateSettings(find=KINDS))
    assert redacted.text == "Write to [EMAIL] or [PHONE]; pay [IBAN] or [CARD]. [EMAIL]!"
    assert redacted.counts() == {"email": 2, "phone": 1, "iban": 1, "card": 1}
    assert TEXT[redacted.found[0].start : redacted.found[0].end] == "anna@post.org"
    assert "anna" not in repr(redacted.found)


def test_surrogates_are_the_same_for_the_same_value_and_key() -> None:
    wanted = PrivateSettings(find=("email", "ip"), replace="surrogate", surrogate_key="a long secret")
    one = redact("a@post.org wrote, A@Post.org answered, b@post.org did not, from 8.8.4.4", wanted).text
    words = one.replace(",", "").split()
    assert words[0] == words[2] != words[4] and words[0].endswith("@example.org")
    assert words[-1].startswith("192.0.2.")
    other = wanted.model_copy(update={"surrogate_key": "another secret"})
    assert redact("a@post.org", other).text != words[0]
    with pytest.raises(ValidationError, match="surrogate_key must have 8 characters"):
        PrivateSettings(find=("email",), replace="surrogate")


def test_counting_alone_changes_nothing() -> None:
    redacted = redact(TEXT, PrivateSettings(find=KINDS, replace="nothing"))
    assert redacted.text == TEXT and len(redacted.found) == 5


@pytest.mark.parametrize("text", ["@" * 20_000, "a" * 200_000 + "@", "1.1.1." * 20_000, ":" * 50_000])
def test_long_runs_hold_nothing_and_end(text: str) -> None:
    assert (
        list(find(text, KINDS)) == []
    )  # a walk that went back at every place would not end within the test's time limit


@settings(max_examples=300, deadline=None)
@given(
    st.text("AZ09 .-+@:/(abz\u00e9\u0660\uff11", max_size=60),
    st.sampled_from(["", "XX12 ", "DE89 ", "+", "1.2.3.", "a@", "4111 ", "2001:"]),
)
def test_no_text_breaks_a_rule(text: str, start: str) -> None:
    found = list(find(start + text, KINDS))
    assert all(0 <= one.start < one.end <= len(start + text) for one in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
