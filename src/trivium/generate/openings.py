"""How a text is put to a model that was never taught to chat: as the beginning of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trivium.tokenizer import Tokenizer

SENTENCE_ENDS = (".", "!", "?")


def document_start(tokenizer: Tokenizer, text: str, room: int = 0) -> list[int]:
    """Token ids of a document that begins with exactly `text`: what goes before them is the end of another, as in training.
    With `room` the last so many."""
    ids = [tokenizer.end_of_text, *tokenizer.encode(text)]
    return ids[-room:] if room else ids


def request_start(tokenizer: Tokenizer, text: str, room: int = 0) -> list[int]:
    """The same for a text that something is to follow: a space at its end belongs to the word that comes, and behind a whole
    sentence a new line begins, or the likeliest continuation is that the text ends."""
    text = text.rstrip()
    return document_start(tokenizer, text + "\n" if text.endswith(SENTENCE_ENDS) else text, room)
