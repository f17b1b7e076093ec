"""The answers of /v1/chat/completions and /v1/completions: whole ones, and the pieces of a stream."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trivium.apps.web.api.scheduler import Finish, Job
from trivium.apps.web.api.spoken import BROKEN, Drawn
from trivium.tokenizer import Tokenizer


@dataclass
class Answer:
    """One answer so far."""

    text: str = ""
    drawn: list[Drawn] = field(default_factory=list)
    finish: Finish | None = None


@dataclass(frozen=True)
class Shape:
    """How one request is answered. `top` is how many likely tokens are told beside each, None where none is told."""

    kind: Literal["chat.completion", "text_completion"]
    model: str
    tokenizer: Tokenizer
    top: int | None
    usage_at_end: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def _chat(self) -> bool:
        return self.kind == "chat.completion"

    def _head(self, kind: str) -> dict[str, Any]:
        prefix = "chatcmpl-" if self._chat else "cmpl-"
        return {"id": prefix + self.id, "object": kind, "created": self.created, "model": self.model}

    def whole(self, answers: Sequence[Answer], usage: dict[str, int]) -> dict[str, Any]:
        """The answer where nothing is streamed."""
        choices = []
        for index, answer in enumerate(answers):
            said = {"message": _said(answer.text)} if self._chat else {"text": answer.text}
            choices.append(
                {"index": index, **said, "logprobs": self._told(answer.drawn), "finish_reason": answer.finish}
            )
        return {**self._head(self.kind), "choices": choices, "usage": usage}

    def piece(
        self, index: int, text: str, drawn: Sequence[Drawn], finish: Finish | None, first: bool
    ) -> dict[str, Any]:
        """A piece of a stream; a chat's `first` also says who speaks."""
        if self._chat:
            role = {"role": "assistant"} if first else {}
            said: dict[str, Any] = {"delta": {**role, "content": text} if text or first else {}}
        else:
            said = {"text": text}
        choice = {"index": index, **said, "logprobs": self._told(drawn), "finish_reason": finish}
        kind = f"{self.kind}.chunk" if self._chat else self.kind
        return {**self._head(kind), "choices": [choice], **({"usage": None} if self.usage_at_end else {})}

    def last(self, usage: dict[str, int]) -> dict[str, Any]:
        """The piece that tells what was used."""
        kind = f"{self.kind}.chunk" if self._chat else self.kind
        return {**self._head(kind), "choices": [], "usage": usage}

    def _told(self, drawn: Sequence[Drawn]) -> dict[str, Any] | None:
        if self.top is None:
            return None
        return self._chat_logprobs(drawn) if self._chat else self._text_logprobs(drawn)

    def _chat_logprobs(self, drawn: Sequence[Drawn]) -> dict[str, Any]:
        content = []
        for one in drawn:
            top = [{**self._named(token), "logprob": logprob} for token, logprob in one.top[: self.top]]
            content.append({**self._named(one.token), "logprob": one.logprob, "top_logprobs": top})
        return {"content": content, "refusal": None}

    def _text_logprobs(self, drawn: Sequence[Drawn]) -> dict[str, Any]:
        return {
            "tokens": [self._named(one.token)["token"] for one in drawn],
            "token_logprobs": [one.logprob for one in drawn],
            "top_logprobs": [
                {self._named(token)["token"]: logprob for token, logprob in one.top[: self.top]} for one in drawn
            ],
            "text_offset": [one.at for one in drawn],
        }

    def _named(self, token: int) -> dict[str, Any]:
        """A token's text, and its bytes where the text is all of them."""
        text = self.tokenizer.decode([token], keep_special=True)
        raw = None if BROKEN in text else list(text.encode())
        return {"token": text, "bytes": raw}


def _said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "refusal": None}


def used(jobs: Sequence[Job]) -> dict[str, int]:
    """What a request used, in tokens; a prompt with several answers counts once."""
    prompt, drawn = sum(len(job.request.prompt) for job in jobs), sum(job.tokens for job in jobs)
    return {"prompt_tokens": prompt, "completion_tokens": drawn, "total_tokens": prompt + drawn}


def event(content: dict[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n\n"
