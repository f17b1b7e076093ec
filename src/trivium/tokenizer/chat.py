"""Conversations as text and special tokens: the chat template, rendered in a sandbox.

The template is Jinja, as Hugging Face keeps it in tokenizer_config.json, and is rendered as `transformers` renders it.
What a message says stays text, whatever it says: where a special token's text stands in it, it is marked before the
template sees it, and the marks are taken away after the template's own special tokens are found. Encoding is the
tokenizer's part.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from trivium.base.errors import UserError
from trivium.base.words import Message
from trivium.tokenizer.layout import ROLES, without_surrogates

# The space after the role makes the first word of a turn the same token as inside a sentence.
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|> {{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True)
class Rendered:
    """A conversation's `ids`, and for each whether the assistant says it: its words and the end of its turn."""

    ids: list[int]
    mask: list[bool]


@dataclass(frozen=True)
class Part:
    """A piece of a rendered conversation: a special token, or text that is encoded as a whole.

    `learned` is the first character that the assistant says, or None where it says nothing of this part.
    """

    text: str
    special: int | None
    learned: int | None


class ChatTemplate:
    """A chat template with the ids of its special tokens."""

    def __init__(self, source: str, special: Mapping[str, int]) -> None:
        """Raises UserError where the template is no Jinja."""
        self.source, self._special = source, dict(special)
        self._template = compile_template(source)
        self._pattern = re.compile("|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)))
        self._starts = re.compile("[" + "".join(re.escape(c) for c in sorted({token[0] for token in special})) + "]")

    def parts(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> list[Part]:
        """The conversation in parts. Raises UserError for an unknown role, or where the template refuses it."""
        for message in messages:
            if message.role not in ROLES:
                raise UserError(f"a message's role is '{message.role}'; known: {', '.join(ROLES)}")
        mark, marked = self._mark([without_surrogates(message.content)[0] for message in messages])
        turns = [{"role": message.role, "content": text} for message, text in zip(messages, marked, strict=True)]
        text = self._render(turns, add_generation_prompt)
        tokens = list(self._pattern.finditer(text))
        spans = self._learned_spans(turns, text, tokens)
        parts: list[Part] = []
        at = 0
        for token in [*tokens, None]:
            end = token.start() if token else len(text)
            if end > at:
                parts.append(self._text_part(text, at, end, spans, mark))
            if token:
                at = token.end()
                inside = any(first <= token.start() < last for first, last in spans)
                parts.append(Part(token.group(), self._special[token.group()], 0 if inside else None))
        return parts

    def _text_part(self, text: str, start: int, end: int, spans: Sequence[tuple[int, int]], mark: str) -> Part:
        learned = next((max(first - start, 0) for first, last in spans if first < end and last > start), None)
        if learned is not None:
            learned = len(text[start : start + learned].replace(mark, "")) if mark else learned
        return Part(text[start:end].replace(mark, "") if mark else text[start:end], None, learned)

    def _learned_spans(
        self, turns: Sequence[dict[str, str]], text: str, tokens: Sequence[re.Match[str]]
    ) -> list[tuple[int, int]]:
        """From where the generation prompt ends to the end of the special token that ends the turn, for every answer."""
        spans = []
        for number, turn in enumerate(turns):
            if turn["role"] == "assistant":
                prompt = self._render(turns[:number], add_generation_prompt=True)
                if not text.startswith(prompt):
                    raise UserError(
                        "the chat template's generation prompt is not how it writes the assistant's turn; mend the template"
                    )
                end = next((token.end() for token in tokens if token.start() >= len(prompt)), None)
                if end is None:
                    raise UserError(
                        "the chat template ends the assistant's turn with no special token; nothing would teach it to stop"
                    )
                spans.append((len(prompt), end))
        return spans

    def _mark(self, contents: list[str]) -> tuple[str, list[str]]:
        """Contents in which no special token can be found, and the character put in for that ('' where none was needed)."""
        if not any(self._pattern.search(content) for content in contents):
            return "", contents
        used = set().union(*contents, self.source)
        mark = next(chr(code) for code in range(0xE000, 0x110000) if chr(code) not in used)
        return mark, [self._starts.sub(lambda found: found.group() + mark, content) for content in contents]

    def _render(self, turns: Sequence[dict[str, str]], add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            return str(self._template.render(messages=list(turns), add_generation_prompt=add_generation_prompt))
        except TemplateError as error:
            raise UserError(f"the chat template does not take this conversation: {error}") from None


@functools.lru_cache(maxsize=8)
def compile_template(source: str) -> Any:
    """The Jinja template in the environment that `transformers` uses. Raises UserError with the line of a fault."""
    from jinja2 import TemplateError, TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = _refuse
    try:
        return environment.from_string(source)
    except TemplateSyntaxError as error:
        raise UserError(f"the chat template is not Jinja: line {error.lineno}: {error.message}") from None
    except TemplateError as error:
        raise UserError(f"the chat template is not Jinja: {error}") from None


def _refuse(message: str) -> NoReturn:
    from jinja2 import TemplateError

    raise TemplateError(message)
