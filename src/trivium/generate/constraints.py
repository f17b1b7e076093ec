"""Answers of a given form: JSON of a schema, a regular expression, one of some texts. Adapter of llguidance.

A `Grammars` belongs to a tokenizer; what it makes goes into a `Request`. Compiling a grammar takes milliseconds, and every
row gets a state of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from trivium.base.errors import MissingExtra, UserError
from trivium.tokenizer import Tokenizer

JSON_FORM = {"whitespace_flexible": False}  # a small model would fill its answer with blanks
LONGEST_REASON = 200


class Grammars:
    """Grammars over the tokens of a tokenizer; an answer ends with the token `stop`. Raises MissingExtra without llguidance."""

    def __init__(self, tokenizer: Tokenizer, stop: int) -> None:
        try:
            import llguidance
        except ImportError:
            raise MissingExtra("llguidance", "serve", "constrained output") from None
        self._library: Any = llguidance
        self.stop = stop
        self._tokens = llguidance.LLTokenizer(tokenizer.definition.decode(), eos_token=stop)

    def json(self, schema: Mapping[str, Any]) -> Grammar:
        """JSON that satisfies a JSON Schema, without blanks between its parts.

        Raises UserError with one sentence where it cannot be satisfied, is no schema, or needs what is not supported.
        """
        make = self._library.LLMatcher.grammar_from_json_schema
        what = "the JSON schema"
        grammar = self._grammar(lambda: make(json.dumps(schema), overrides=JSON_FORM), what)
        if grammar.start().allowed(self._tokens.vocab_size)[self.stop]:  # no JSON is an empty text
            raise UserError(_refusal(what, "it refers to itself alone, so that nothing satisfies it"))
        return grammar

    def regex(self, pattern: str) -> Grammar:
        """Text that a regular expression matches as a whole. Raises UserError where it is none."""
        make = self._library.LLMatcher.grammar_from_regex
        return self._grammar(lambda: make(pattern), f"the regular expression {pattern!r:.80}")

    def choice(self, texts: Sequence[str]) -> Grammar:
        """One of `texts`. Raises UserError where there is none, or an empty one."""
        if not texts or not all(texts):
            raise UserError(f"a choice between {list(texts)!r:.80} is none; give one text or more, none of them empty")
        rule = " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
        make = self._library.LLMatcher.grammar_from_lark
        return self._grammar(lambda: make(f"start: {rule}"), "the choice")

    def _grammar(self, make: Callable[[], str], what: str) -> Grammar:
        try:
            matcher = self._library.LLMatcher(self._tokens, make())
        except (ValueError, TypeError) as error:
            raise UserError(_refusal(what, str(error))) from None
        if matcher.is_error():
            raise UserError(_refusal(what, matcher.get_error()))
        return Grammar(matcher, self.stop)


def _refusal(what: str, reason: str) -> str:
    """One sentence out of the library's lines, of which one may begin with 'error:'."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()] or ["no reason is given"]
    told = next((line for line in lines if line.startswith("error:")), lines[0]).removeprefix("error:").strip()
    return f"{what} cannot be followed: {told[:LONGEST_REASON].rstrip('.')}; change it, or ask without it"


class Grammar:
    """A compiled grammar, which any number of rows may start."""

    def __init__(self, matcher: Any, stop: int) -> None:
        self._matcher, self._stop = matcher, stop

    def start(self) -> Followed:
        """The state of a row that has said nothing yet."""
        return Followed(self._matcher.deep_copy(), self._stop)


class Followed:
    """One row's place in a grammar."""

    def __init__(self, matcher: Any, stop: int) -> None:
        self._matcher, self._stop = matcher, stop

    def allowed(self, vocabulary: int) -> Tensor:
        """Boolean (vocabulary,), True for each token that may come next; the stop token alone where all is said."""
        result = torch.zeros(vocabulary, dtype=torch.bool)
        if self._matcher.is_stopped():
            result[self._stop] = True
            return result
        bits = numpy.frombuffer(self._matcher.compute_bitmask(), dtype=numpy.uint8)
        found = torch.from_numpy(numpy.unpackbits(bits, bitorder="little")[:vocabulary].astype(bool))
        result[: len(found)] = found
        assert result.any(), "a grammar leaves no token"
        return result

    def advance(self, token: int) -> None:
        """Take note of the token that came."""
        if token != self._stop and not self._matcher.consume_token(token):
            raise AssertionError(f"token {token} was not allowed: {self._matcher.get_error()}")
