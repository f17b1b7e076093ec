"""Answers of a form that the caller gives: `response_format` as a grammar over the model's tokens.

A grammar that fails while an answer is written must not take others down with it, so `Kept` ends that answer alone, and
keeps what went wrong for the scheduler to tell.
"""

from __future__ import annotations

import functools
import threading

import torch
from torch import Tensor

from trivium.apps.web.api.bodies import ResponseFormat
from trivium.apps.web.api.faults import ApiError, told
from trivium.generate.constraints import Grammar, Grammars
from trivium.tokenizer import Tokenizer

MAKING = threading.Lock()  # the library's tokens of a tokenizer take a while to make; once is enough


class Place:
    """One answer's place in a grammar. `fault` is what went wrong, where something did; only its end is allowed then."""

    def __init__(self, grammar: Grammar, stop: int) -> None:
        self._followed, self._stop = grammar.start(), stop
        self.fault: ApiError | None = None

    def allowed(self, vocabulary: int) -> Tensor:
        """Boolean (vocabulary,), True for each token that may come next."""
        try:
            if self.fault is None:
                return self._followed.allowed(vocabulary)
        except Exception as error:
            self.fault = _failed(error)
        result = torch.zeros(vocabulary, dtype=torch.bool)
        result[self._stop] = True
        return result

    def advance(self, token: int) -> None:
        """Take note of the token that came."""
        try:
            if self.fault is None:
                self._followed.advance(token)
        except Exception as error:
            self.fault = _failed(error)


class Kept:
    """A grammar whose failures stay with the answer that they happen in."""

    def __init__(self, grammar: Grammar, stop: int) -> None:
        self._grammar, self._stop = grammar, stop

    def start(self) -> Place:
        """The place of an answer that has said nothing yet."""
        return Place(self._grammar, self._stop)


def _failed(error: Exception) -> ApiError:
    told(error)  # into the log
    return ApiError(400, "the schema could not be followed to its end; make it simpler", code="invalid_schema")


def grammar_of(form: ResponseFormat | None, tokenizer: Tokenizer) -> Kept | None:
    """What an answer of that form may say, None where it may say anything. Raises ApiError for a schema that nothing fits."""
    if form is None or form.type == "text":
        return None
    if (form.json_schema is None) != (form.type == "json_object"):
        raise ApiError(
            400, "'json_schema' goes with the type 'json_schema', and only with that", param="response_format"
        )
    schema = {"type": "object"} if form.json_schema is None else form.json_schema.form
    try:
        with MAKING:
            grammars = _grammars(tokenizer)
        return Kept(grammars.json(schema), grammars.stop)
    except Exception as error:
        fault = told(error)
        raise ApiError(
            fault.status, str(fault), param="response_format.json_schema.schema", code="invalid_schema"
        ) from None


@functools.lru_cache(maxsize=8)
def _grammars(tokenizer: Tokenizer) -> Grammars:
    return Grammars(tokenizer, tokenizer.end_of_turn)
