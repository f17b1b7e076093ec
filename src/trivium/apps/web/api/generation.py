"""/v1/chat/completions and /v1/completions: whole answers, or streams of server-sent events."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of endpoints that are made inside functions.
import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.apps.web.api.asking import MOST_COMPLETION, Rules, chat_ids, completion_ids, jobs_of
from trivium.apps.web.api.bodies import ChatBody, CompletionBody
from trivium.apps.web.api.faults import ApiError
from trivium.apps.web.api.scheduler import Job, pieces, rows_of
from trivium.apps.web.api.shapes import Answer, Shape, used
from trivium.apps.web.api.site import Site

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response

GONE = 499  # nobody is there to read it


def add_generation(app: "FastAPI", site: Site) -> None:
    """Add the endpoints that write."""
    from fastapi import Request, Response

    @app.post("/v1/chat/completions")
    async def chat(body: ChatBody, request: Request) -> Response:
        """Answer a conversation."""
        if body.top_logprobs is not None and not body.logprobs:
            raise ApiError(400, "'top_logprobs' needs 'logprobs' true", param="top_logprobs")
        offer, writer = await site.writer(body.model, "chat")
        top = (body.top_logprobs or 0) if body.logprobs else None
        grammar = None
        if body.response_format is not None:
            from trivium.apps.web.api.forms import grammar_of

            grammar = await asyncio.to_thread(grammar_of, body.response_format, writer.tokenizer)
        rules = Rules(site.bounds.seconds, top or 0, offer.answers and grammar is None, grammar)
        most = body.max_completion_tokens or body.max_tokens
        prompts = [await asyncio.to_thread(chat_ids, body, offer, writer)]
        jobs = jobs_of(body, prompts, writer, most, rules)
        at_end = bool(body.stream_options and body.stream_options.include_usage)
        shape = Shape("chat.completion", body.model, writer.tokenizer, top, at_end)
        return await _answered(site, request, jobs, shape)

    @app.post("/v1/completions")
    async def complete(body: CompletionBody, request: Request) -> Response:
        """Continue texts."""
        _, writer = await site.writer(body.model, "completions")
        prompts = await asyncio.to_thread(completion_ids, body, writer)
        rules = Rules(site.bounds.seconds, body.logprobs or 0)
        jobs = jobs_of(body, prompts, writer, body.max_tokens or MOST_COMPLETION, rules)
        at_end = bool(body.stream_options and body.stream_options.include_usage)
        shape = Shape("text_completion", body.model, writer.tokenizer, body.logprobs, at_end)
        return await _answered(site, request, jobs, shape)


async def _answered(site: Site, request: "Request", jobs: Sequence[Job], shape: Shape) -> "Response":
    """The answer to a request whose jobs are made, streamed where they tell every token."""
    from starlette.responses import JSONResponse, Response

    from trivium.apps.web.api.stream import Stream, unless_gone

    rows = rows_of(jobs)
    release = site.take_place(request, rows)

    def over() -> None:
        site.scheduler.cancel(jobs)
        release()

    try:
        site.scheduler.submit(jobs)
    except BaseException:
        release()
        raise
    if jobs[0].each:
        return Stream(jobs, shape, over)
    try:
        answers = await unless_gone(request.receive, _gathered(jobs, rows))
    finally:
        over()
    return Response(status_code=GONE) if answers is None else JSONResponse(shape.whole(answers, used(jobs)))


async def _gathered(jobs: Sequence[Job], rows: int) -> list[Answer]:
    answers = [Answer() for _ in range(rows)]
    async for told in pieces(jobs, rows):
        for one in told:
            answer = answers[one.index]
            answer.text += one.text
            answer.drawn += one.drawn
            answer.finish = one.finish
    return answers
