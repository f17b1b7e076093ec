"""What callers send: OpenAI's request bodies, as far as a small server of its own can keep to them, and ours beside them.

Unknown fields are refused, and so is what OpenAI knows and this server does not do (tools, penalties): an option that is
taken and ignored would be a silent fault. `user` and `metadata` are for the caller's own records; nothing is done with
them. The description at /openapi.json is made of these classes.
"""

# No `from __future__ import annotations` here: FastAPI reads these annotations.
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MOST_ANSWERS = 16  # n of a request
MOST_PROMPTS = 64  # of one request for completions
MOST_TEXTS = 256  # of one request for vectors, labels, tags or answers
MOST_STOPS = 4
LONGEST_STOP = 256  # characters
TOP_CHAT, TOP_COMPLETION = 20, 5  # likeliest tokens told beside each

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Stop = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_STOP)]
Text = Annotated[str, StringConstraints(min_length=1)]
Ids = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]


class Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(Body):
    """A piece of a message; this server reads texts alone."""

    type: Literal["text"]
    text: str


class Turn(Body):
    """A message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(min_length=1, max_length=64)]

    @property
    def text(self) -> str:
        """Its whole text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(Body):
    """What a stream tells besides."""

    include_usage: bool | None = None


class JsonSchema(Body):
    """A JSON Schema that the answer must be valid against."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    name: Name
    form: dict[str, Any] = Field(alias="schema", description="The schema itself.")
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Body):
    """Of which form the answer must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Sampled(Body):
    """What all requests for text have in common. `temperature` 0 gives the likeliest answer."""

    model: Name
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    top_k: Annotated[int, Field(ge=0, lt=2**31)] | None = Field(None, description="Not of OpenAI: 0 keeps all.")
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = Field(None, description="Only 0: not done here.")
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = Field(None, description="Only 0: not done here.")
    user: Annotated[str, StringConstraints(max_length=1000)] | None = None
    metadata: dict[str, str] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts at which an answer ends."""
        return () if self.stop is None else (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class ChatBody(Sampled):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Turn], Field(min_length=1, max_length=2000)]
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=TOP_CHAT)] | None = None
    response_format: ResponseFormat | None = None


class CompletionBody(Sampled):
    """POST /v1/completions. A prompt is a text, token ids, or a list of either."""

    prompt: (
        str
        | Ids
        | Annotated[list[str], Field(min_length=1, max_length=MOST_PROMPTS)]
        | Annotated[list[Ids], Field(min_length=1, max_length=MOST_PROMPTS)]
    )
    logprobs: Annotated[int, Field(ge=0, le=TOP_COMPLETION)] | None = None
    echo: Literal[False] | None = Field(None, description="Only false: not done here.")


class EmbeddingBody(Body):
    """POST /v1/embeddings. `pool` is ours: mean, cls or last; otherwise mean of an encoder, last of a decoder."""

    model: Name
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] | None = None
    pool: Literal["mean", "cls", "last"] | None = None
    user: Annotated[str, StringConstraints(max_length=1000)] | None = None


class ClassifyBody(Body):
    """POST /classify: texts, or pairs of texts where the task reads pairs."""

    model: Name | None = Field(None, description="Which task; not needed where the run has one that fits.")
    input: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
        | Annotated[
            list[Annotated[list[Text], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=MOST_TEXTS)
        ]
    )


class TagBody(Body):
    """POST /tag."""

    model: Name | None = Field(None, description="Which task; not needed where the run has one that fits.")
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]


class Question(Body):
    """A question and the text that may answer it."""

    question: Text
    context: Text


class AnswerBody(Body):
    """POST /answer."""

    model: Name | None = Field(None, description="Which task; not needed where the run has one that fits.")
    input: Question | Annotated[list[Question], Field(min_length=1, max_length=MOST_TEXTS)]


FIELDS = tuple(
    dict.fromkeys(
        name
        for body in (ChatBody, CompletionBody, EmbeddingBody, ClassifyBody, AnswerBody)
        for name in body.model_fields
    )
)


def names_in(body: type[Body] = Body) -> frozenset[str]:
    """The names of all fields of a body and of those made after it, as callers write them."""
    own = (field.alias or name for name, field in body.model_fields.items())
    return frozenset(own).union(*map(names_in, body.__subclasses__()))
