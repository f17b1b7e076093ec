"""/v1/embeddings, and the heads of a run's tasks: /classify, /tag, /answer."""

# No `from __future__ import annotations` here: FastAPI reads the annotations of endpoints that are made inside functions.
import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trivium.apps.web.api.bodies import AnswerBody, ClassifyBody, EmbeddingBody, TagBody
from trivium.apps.web.api.faults import ApiError
from trivium.apps.web.api.site import Site

if TYPE_CHECKING:
    from fastapi import FastAPI


def add_reading(app: "FastAPI", site: Site) -> None:
    """Add the endpoints that read and do not write."""

    @app.post("/v1/embeddings")
    async def embed(body: EmbeddingBody) -> dict[str, Any]:
        """A vector for each text."""
        site.stages.find(body.model, "embeddings")
        texts = [body.input] if isinstance(body.input, str) else body.input
        return await site.reading(lambda: _embedded(site, body, texts))

    @app.post("/classify")
    async def classify(body: ClassifyBody) -> dict[str, Any]:
        """The label of each text, or its labels or number, as the task has them."""
        texts: list[Any] = [body.input] if isinstance(body.input, str) else [_pair(one) for one in body.input]
        name = _task(site, body.model, "classify")

        def do() -> dict[str, Any]:
            found = site.stages.experts.classify(texts, name)
            return _list(name, [{**asdict(one), "labels": list(one.labels), "label": one.label} for one in found])

        return await site.reading(do)

    @app.post("/tag")
    async def tag(body: TagBody) -> dict[str, Any]:
        """The tagged spans of each text, by characters."""
        texts = [body.input] if isinstance(body.input, str) else body.input
        name = _task(site, body.model, "tag")

        def do() -> dict[str, Any]:
            found = site.stages.experts.named(name).tag(texts)  # type: ignore[union-attr]
            return _list(name, [{"entities": [asdict(entity) for entity in entities]} for entities in found])

        return await site.reading(do)

    @app.post("/answer")
    async def answer(body: AnswerBody) -> dict[str, Any]:
        """The piece of each context that answers its question; an empty text where none does."""
        asked = body.input if isinstance(body.input, list) else [body.input]
        name = _task(site, body.model, "answer")

        def do() -> dict[str, Any]:
            model = site.stages.experts.named(name)
            found = model.answer([(one.question, one.context) for one in asked])
            return _list(name, [asdict(one) for one in found])

        return await site.reading(do)


def _pair(given: str | list[str]) -> str | tuple[str, str]:
    return given if isinstance(given, str) else (given[0], given[1])


def _task(site: Site, given: str | None, verb: str) -> str:
    """The task that is meant, by the name that the run's experts have for it."""
    offers = {offer.name: offer for offer in site.stages.offers.values()}
    names = {name: name.removeprefix("finetune-") for name in offers if verb in offers[name].can}
    if given is None:
        if len(names) != 1:
            there = f"name one with 'model': {', '.join(names)}" if names else "this server has none"
            raise ApiError(404 if not names else 400, f"this needs a task that can {verb}; {there}", param="model")
        given = next(iter(names))
    whole = given if given in offers else f"finetune-{given}"
    found = site.stages.find(whole if whole in offers else given, verb)
    return found.name if found.name in site.stages.experts.folders else names[found.name]


def _list(model: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "model": model, "data": [{"index": place, **row} for place, row in enumerate(rows)]}


def _embedded(site: Site, body: EmbeddingBody, texts: Sequence[str]) -> dict[str, Any]:
    encoder = site.stages.encoder(body.model)
    limit, added = encoder.model.shape.max_positions, encoder.tokenizer.added(pair=False)
    sizes = [len(encoder.tokenizer.encode(text)) + added for text in texts]
    longest = max(range(len(sizes)), key=sizes.__getitem__)
    if sizes[longest] > limit:
        sentence = f"text {longest + 1} has {sizes[longest]:,} tokens, and the model reads {limit:,}; shorten it"
        raise ApiError(400, sentence, param="input", code="context_length_exceeded")
    vectors = encoder.embed(texts, body.pool or "").astype("<f4")
    rows = []
    for place, vector in enumerate(vectors):
        as_text = body.encoding_format == "base64"
        shown = base64.b64encode(vector.tobytes()).decode() if as_text else vector.tolist()
        rows.append({"object": "embedding", "index": place, "embedding": shown})
    usage = {"prompt_tokens": sum(sizes), "total_tokens": sum(sizes)}
    return {"object": "list", "model": body.model, "data": rows, "usage": usage}
