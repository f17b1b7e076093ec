"""From a body to what is decoded: the ids that the model reads, and how its answer is drawn.

A conversation is rendered by the tokenizer's own chat template, as in training: nothing is added, dropped or shortened. A
model that was not taught to answer continues the newest message as the beginning of a document.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trivium.apps.web.api.bodies import ChatBody, CompletionBody, Sampled
from trivium.apps.web.api.faults import ApiError
from trivium.apps.web.api.scheduler import Job, Mail
from trivium.apps.web.api.spoken import Spoken
from trivium.apps.web.api.stages import Offer
from trivium.base.words import Message
from trivium.generate.generator import Generator
from trivium.generate.openings import document_start, request_start
from trivium.generate.rows import Grammar, Request
from trivium.generate.sampling import Sampling

MOST_COMPLETION = 16  # tokens of a completion where nothing is said; OpenAI's default
ROOM_OF_A_TOKEN = 64  # bytes; a prompt with more than that for each token that the model reads is not even encoded


@dataclass(frozen=True)
class Rules:
    """What a request's answers obey besides how they are drawn. `top` likely tokens come with each; `lstrip` where the chat
    template puts a space before the first word."""

    seconds: float
    top: int = 0
    lstrip: bool = False
    grammar: Grammar | None = None


def chat_ids(body: ChatBody, offer: Offer, writer: Generator) -> tuple[int, ...]:
    """The ids of a conversation. Raises ApiError where it is none, or is too long."""
    turns = body.messages
    empty = next(
        (place for place, turn in enumerate(turns) if turn.role != "assistant" and not turn.text.strip()), None
    )
    if empty is not None:
        raise ApiError(400, f"message {empty + 1} is empty; give it some text", param=f"messages.{empty}.content")
    if turns[-1].role != "user":
        raise ApiError(400, "a conversation ends with what the user says", param="messages")
    _check_size(sum(len(turn.text) for turn in turns), writer, "messages")
    if not offer.answers:
        ids = request_start(writer.tokenizer, turns[-1].text)
    else:
        messages = [Message(turn.role, turn.text) for turn in turns]
        ids = list(writer.tokenizer.render(messages, add_generation_prompt=True).ids)
    return _fitting(ids, writer, "messages")


def completion_ids(body: CompletionBody, writer: Generator) -> list[tuple[int, ...]]:
    """The ids of each prompt: of a text as the beginning of a document, ids as they are."""
    prompts: Sequence[Any] = body.prompt if isinstance(body.prompt, list) else [body.prompt]
    if prompts and isinstance(prompts[0], int):
        prompts = [prompts]
    found = []
    for prompt in prompts:
        if isinstance(prompt, str):
            _check_size(len(prompt), writer, "prompt")
        ids = document_start(writer.tokenizer, prompt) if isinstance(prompt, str) else list(prompt)
        if max(ids) >= writer.model.shape.vocab_size:
            sentence = f"a prompt holds the token {max(ids)}; this model's are 0 to {writer.model.shape.vocab_size - 1}"
            raise ApiError(400, sentence, param="prompt")
        found.append(_fitting(ids, writer, "prompt"))
    return found


def _check_size(characters: int, writer: Generator, param: str) -> None:
    limit = writer.model.shape.max_positions
    if characters > limit * ROOM_OF_A_TOKEN:
        raise _too_long(f"{characters:,} characters", limit, param)


def _fitting(ids: Sequence[int], writer: Generator, param: str) -> tuple[int, ...]:
    limit = writer.model.shape.max_positions
    if len(ids) >= limit:
        raise _too_long(f"{len(ids):,} tokens", limit, param)
    return tuple(ids)


def _too_long(size: str, limit: int, param: str) -> ApiError:
    sentence = f"this is too long: it has {size}, and the model reads {limit:,} tokens, its answer included; shorten it"
    return ApiError(400, sentence, param=param, code="context_length_exceeded")


def jobs_of(
    body: Sampled, prompts: Sequence[tuple[int, ...]], writer: Generator, most: int | None, rules: Rules
) -> list[Job]:
    """A job for each prompt, all with one mail."""
    samples = body.n or 1
    temperature = 1.0 if body.temperature is None else body.temperature
    mail, seed = Mail(), secrets.randbits(63) if body.seed is None else body.seed
    jobs = []
    for number, ids in enumerate(prompts):
        room = writer.model.shape.max_positions - len(ids)
        top_p = 1.0 if body.top_p is None else body.top_p
        sampling = Sampling(min(most or room, room), temperature, body.top_k or 0, top_p)
        request = Request(ids, samples, sampling, seed + number, grammar=rules.grammar, top=rules.top)
        spoken = [Spoken(writer.tokenizer, body.stops, lstrip=rules.lstrip) for _ in range(samples)]
        deadline = time.monotonic() + rules.seconds
        jobs.append(Job(body.model, request, spoken, mail, deadline, bool(body.stream), number * samples))
    return jobs
