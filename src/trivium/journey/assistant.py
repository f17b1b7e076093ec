"""What `trivium.load` gives, and what the terminal chat holds: a stage to talk to, and what the run learned besides.

A model that has only been pre-trained continues text; one that was instruction-tuned answers. Conversations that grow
longer than the model can read lose their oldest turns, never the system message or the newest request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from trivium.base.errors import RunError, UserError
from trivium.base.files import read_json
from trivium.base.words import Message, Role
from trivium.journey.experts import Experts, expert_at, experts_of
from trivium.journey.graph import is_named
from trivium.journey.runs import find_run, finished_models, is_run, model_of

if TYPE_CHECKING:
    from trivium.generate import Generator
    from trivium.predict.predictor import Entity, Judged
    from trivium.predict.spans import SpanAnswer

Conversation = str | Sequence[Message | Mapping[str, str]]
ROLES = get_args(Role)
LONGEST = 256  # tokens of an answer, where nothing else is said
LOOKED_AT = 500  # conversations
BROKEN = "\ufffd"  # what a decoder shows for a character whose bytes have not all come yet


class Assistant:
    """One stage's model and tokenizer. `answers` tells whether it was taught to answer or only continues text, `single` whether
    it was taught single requests alone; `experts` are the tasks that the run was fine-tuned on. Raises UserError where a model
    that writes is asked for and there is none."""

    def __init__(
        self,
        stage: str,
        generator: Generator | None,
        *,
        answers: bool,
        experts: Experts | None = None,
        single: bool = False,
    ) -> None:
        self.stage, self.answers, self.experts, self.single = stage, answers, experts, single
        self._writer = generator

    @property
    def writes(self) -> bool:
        """Whether this is a model that writes."""
        return self._writer is not None

    @property
    def _generator(self) -> Generator:
        if self._writer is None:
            raise UserError(
                f"the model of '{self.stage}' reads and does not write; ask it to classify, tag, answer, embed or fill"
            )
        return self._writer

    def classify(self, text: str | tuple[str, str], *, task: str | None = None) -> Judged:
        """The label of a text (or of a pair of texts), with the probability of each label."""
        return self._experts.classify([text], task)[0]

    def tag(self, text: str, *, task: str | None = None) -> list[Entity]:
        """The tagged spans of a text, by characters."""
        found: list[Entity] = self._experts.only(("tag",), task).tag([text])[0]
        return found

    def answer(self, question: str, context: str, *, task: str | None = None) -> SpanAnswer:
        """The piece of `context` that answers, or what a decoder writes; its text '' where there is none."""
        found: SpanAnswer = self._experts.only(("answer",), task).answer([(question, context)])[0]
        return found

    def write(self, source: str, *, task: str | None = None) -> str:
        """What a task of kind generate makes of a source."""
        return str(self._experts.only(("generate",), task).write([source])[0])

    def embed(self, texts: Sequence[str], pool: str = "") -> list[list[float]]:
        """A vector for each text: the mean (or 'cls', or 'last') of the pre-trained model's states."""
        rows: list[list[float]] = self._experts.encoder.embed(texts, pool).tolist()
        return rows

    def fill(self, text: str, most: int = 5) -> list[list[tuple[str, float]]]:
        """For each [MASK] in the text the likeliest tokens, with their probabilities."""
        return self._experts.encoder.fill(text, most)

    @property
    def _experts(self) -> Experts:
        if self.experts is None:
            raise UserError("this model was taught no task")
        return self.experts

    def chat(
        self, said: Conversation, *, max_new_tokens: int = LONGEST, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """The answer to a text or to messages with role and content. `temperature` 0 is greedy, so always the same."""
        return "".join(self.stream(said, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)).strip()

    def complete(self, text: str, *, max_new_tokens: int = LONGEST, temperature: float = 0.0, seed: int = 0) -> str:
        """The text that follows `text`."""
        from trivium.generate.openings import document_start

        opening = document_start(self._generator.tokenizer, text, self._room(max_new_tokens))
        return "".join(self._write(opening, max_new_tokens, temperature, seed))

    def stream(
        self, said: Conversation, *, max_new_tokens: int = LONGEST, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """The answer in pieces, as they are drawn. A model that does not answer continues the newest request."""
        messages = _messages(said)
        if not self.answers:
            from trivium.generate.openings import request_start

            opening = request_start(self._generator.tokenizer, messages[-1].content, self._room(max_new_tokens))
            return self._write(opening, max_new_tokens, temperature, seed)
        return _without_first_space(
            self._write(self._prompt(messages, max_new_tokens), max_new_tokens, temperature, seed)
        )

    @property
    def _limit(self) -> int:
        return int(self._generator.model.shape.max_positions)

    def _room(self, max_new_tokens: int) -> int:
        """Tokens that a prompt may have: the answer gets its own, up to half of what the model reads."""
        return self._limit - min(max_new_tokens, self._limit // 2)

    def _prompt(self, messages: list[Message], max_new_tokens: int) -> list[int]:
        while True:
            ids = self._generator.tokenizer.render(messages, add_generation_prompt=True).ids
            spare = [index for index, message in enumerate(messages[:-1]) if message.role != "system"]
            if len(ids) <= self._room(max_new_tokens) or not spare:
                return list(ids)
            messages = messages[: spare[0]] + messages[spare[0] + 1 :]

    def _write(self, prompt: list[int], max_new_tokens: int, temperature: float, seed: int) -> Iterator[str]:
        drawn: list[int] = []
        told = ""
        for token in self._generator.stream(prompt, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed):
            drawn.append(token)
            text = self._generator.tokenizer.decode(drawn)
            if not text.endswith(BROKEN):
                yield text[len(told) :]
                told = text
        rest = self._generator.tokenizer.decode(drawn)[len(told) :]
        if rest:
            yield rest


def _without_first_space(pieces: Iterator[str]) -> Iterator[str]:
    """The template puts a space before a turn's first word, so the model draws one."""
    begun = False
    for piece in pieces:
        text = piece if begun else piece.lstrip()
        begun = begun or bool(text)
        if text:
            yield text


def _messages(said: Conversation) -> list[Message]:
    """Raises UserError for messages without a known role or without text."""
    if isinstance(said, str):
        return [Message("user", said)]
    messages = [message if isinstance(message, Message) else _message(message) for message in said]
    if not messages or messages[-1].role != "user":
        raise UserError("a conversation ends with what the user says; give at least one message with role 'user'")
    return messages


def _message(given: Mapping[str, str]) -> Message:
    role, content = given.get("role"), given.get("content")
    if len(given) != 2 or role not in ROLES or not isinstance(content, str):
        raise UserError(f"{dict(given)!r:.80} is no message; give role ({', '.join(ROLES)}) and content (a text)")
    return Message(cast(Role, role), content)


def load(
    run: Path,
    stage: str | None = None,
    *,
    device: str = "auto",
    runs: Path = Path("runs"),
    precision: str = "float32",
) -> Assistant:
    """The newest model of a run (by folder or name), that of its `stage`, or a model folder itself. Raises RunError."""
    if (run / "config.json").is_file() and not is_run(run):
        if stage is not None:
            raise RunError(f"{run}: this is a model folder, it has no stages; leave the stage away or give the run")
        name, folder, experts, single = run.resolve().name, run, expert_at(run, device), False
    else:
        found = find_run(run, runs)
        experts = experts_of(found, device)
        if stage is not None and is_named(stage, "finetune") and stage.partition("-")[2] in experts.folders:
            name, folder = stage, found / stage
            experts = expert_at(folder, device)
        elif stage is None and experts.folders and not finished_models(found):  # of tasks alone
            return Assistant(found.name, None, answers=False, experts=experts)
        else:
            name, folder = model_of(found, stage)
        single = taught_single(found)
    if not writes(folder):
        return Assistant(name, None, answers=False, experts=experts)
    from trivium.generate import load_generator

    generator = load_generator(folder, device, precision=precision)
    return Assistant(name, generator, answers=name != "pretrain", experts=experts, single=single)


def taught_single(run: Path) -> bool:
    """Whether the conversations that a run teaches are one request and one answer each, as far as its first ones tell: what came
    before is then nothing that its models know what to do with."""
    path = run / "gather" / "instructions" / "train.jsonl"
    if not path.is_file():
        return False
    with open(path, encoding="utf-8") as lines:
        first = [json.loads(line) for line in islice(lines, LOOKED_AT)]
    return bool(first) and all(sum(turn["role"] == "user" for turn in row["messages"]) == 1 for row in first)


def only_reads(folder: Path) -> bool:
    """Whether a folder holds a model, and one that does not write: no class of a language model's name."""
    return (folder / "config.json").exists() and not writes(folder)


def writes(folder: Path) -> bool:
    """Whether the model in a folder is one that writes: its class ends in ...LMHeadModel or ...ForCausalLM."""
    classes = read_json(folder / "config.json").get("architectures") or [""]
    return str(classes[0]).endswith(("ForCausalLM", "LMHeadModel"))
