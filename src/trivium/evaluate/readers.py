"""Models that a task is put to in words: a decoder that reads from left to right, and a masked model that fills a gap.

Both tell how likely each option is where a question leaves room for one; only a decoder writes.
Sources: pseudo-log-likelihood (Salazar et al. 2020), inside a gap from left to right (Kauf and Ivanova 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from trivium.base.device import choose_machine
from trivium.base.errors import UserError
from trivium.base.words import Message
from trivium.generate.generator import Generator
from trivium.generate.openings import document_start
from trivium.generate.options import Ask, Told, log_likelihoods
from trivium.model.folder import load
from trivium.predict.encoder import Encoder
from trivium.predict.passes import row_states
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.rows import Row


@dataclass(frozen=True)
class Question:
    """A text with room for one of `options`, between `before` and `after`."""

    before: str
    options: tuple[str, ...]
    after: str = ""


class Reader(Protocol):
    """What answers questions. `masked` tells which kind of model it is."""

    masked: bool

    def ids(self, option: str) -> tuple[int, ...]:
        """The option as tokens."""

    def fits(self, question: Question, more: int = 0) -> bool:
        """Whether the model reads the question with its longest option (or `more` tokens)."""

    def judge(self, questions: Sequence[Question]) -> list[list[Told]]:
        """For each question what the model tells of its options."""

    def write(self, questions: Sequence[Question], most: int) -> list[str]:
        """What is written after each question, in at most so many tokens."""


class CausalReader:
    """A decoder. With `chat` a question is a user's turn and the option the assistant's; else a document goes on."""

    masked = False

    def __init__(self, generator: Generator, *, chat: bool = False) -> None:
        self.generator, self.chat = generator, chat
        self._known: dict[str, tuple[int, ...]] = {}

    def ids(self, option: str) -> tuple[int, ...]:
        """The option as tokens; in a conversation those that the template makes of what the assistant says."""
        if option not in self._known:
            self._known[option] = tuple(self._said(option.strip()) if self.chat else self._encode(option))
        return self._known[option]

    def _encode(self, text: str) -> list[int]:
        return self.generator.tokenizer.encode(text)

    def _said(self, text: str) -> list[int]:
        turn = self.generator.tokenizer.render([Message("user", ""), Message("assistant", text)])
        said = [token for token, own in zip(turn.ids, turn.mask, strict=True) if own]
        return said[:-1]  # without the end of the turn

    def fits(self, question: Question, more: int = 0) -> bool:
        longest = more or max((len(self.ids(one)) for one in question.options), default=1)
        return len(self.prompt(question)) + longest <= self.generator.model.shape.max_positions

    def judge(self, questions: Sequence[Question]) -> list[list[Told]]:
        known = {option: self.ids(option) for question in questions for option in question.options}
        asks = [Ask(tuple(self.prompt(one)), tuple(known[option] for option in one.options)) for one in questions]
        return log_likelihoods(self.generator.model, asks)

    def write(self, questions: Sequence[Question], most: int) -> list[str]:
        answers = self.generator.complete([self.prompt(one) for one in questions], max_new_tokens=most)
        return [answer.text for answer in answers]

    def prompt(self, question: Question) -> list[int]:
        """The question's tokens, up to where the option goes."""
        tokenizer = self.generator.tokenizer
        if self.chat:
            return list(tokenizer.render([Message("user", question.before)], add_generation_prompt=True).ids)
        return document_start(tokenizer, question.before)


class MaskedReader:
    """A masked model. Token j of an option is read with the tokens after it in the gap hidden too; so the option's
    log-probabilities add up to that of the whole, given the text on both sides."""

    masked = True

    def __init__(self, encoder: Encoder) -> None:
        if encoder.model.head.kind not in ("masked", "pretraining") or encoder.tokenizer.mask is None:
            raise UserError("this model neither writes nor fills gaps; use one that was pre-trained on text")
        self.encoder = encoder
        self._mask: int = encoder.tokenizer.mask

    def ids(self, option: str) -> tuple[int, ...]:
        return tuple(self.encoder.tokenizer.encode(option))

    def fits(self, question: Question, more: int = 0) -> bool:
        tokenizer = self.encoder.tokenizer
        longest = more or max((len(self.ids(one)) for one in question.options), default=1)
        given = len(tokenizer.encode(question.before)) + len(tokenizer.encode(question.after)) + tokenizer.added(False)
        return given + longest <= self.encoder.model.shape.max_positions

    def judge(self, questions: Sequence[Question]) -> list[list[Told]]:
        rows, gaps = [], []
        for question in questions:
            before, after = (self.encoder.tokenizer.encode(one) for one in (question.before, question.after))
            for option in map(self.ids, question.options):
                for place, token in enumerate(option):
                    hidden = [self._mask] * (len(option) - place)
                    rows.append([*before, *option[:place], *hidden, *after])
                    gaps.append((len(before) + place, token))
        told = iter(self._read(rows, gaps))
        found = []
        for question in questions:
            line = []
            for option in map(self.ids, question.options):
                parts = [next(told) for _ in option]
                line.append(Told(tuple(one for one, _ in parts), all(best for _, best in parts)))
            found.append(line)
        return found

    def whole(self, texts: Sequence[str]) -> list[float]:
        """The pseudo-log-likelihood of each text in nats: every token in turn hidden and read from all the others."""
        rows, gaps, sizes = [], [], []
        for text in texts:
            ids = self.encoder.tokenizer.encode(text)
            sizes.append(len(ids))
            for place, token in enumerate(ids):
                rows.append([*ids[:place], self._mask, *ids[place + 1 :]])
                gaps.append((place, token))
        told = iter(self._read(rows, gaps))
        return [sum(next(told)[0] for _ in range(size)) for size in sizes]

    def write(self, questions: Sequence[Question], most: int) -> list[str]:
        raise UserError("a masked model writes no text; ask it for one of several options, or take a decoder")

    def _read(self, rows: Sequence[Sequence[int]], gaps: Sequence[tuple[int, int]]) -> list[tuple[float, bool]]:
        """(log-probability of the token, whether it is the likeliest) at the gap of each row. Rows that are the same but for
        the token that is asked for, as those of options of one token are, are read once."""
        owners: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for number, (ids, (place, _)) in enumerate(zip(rows, gaps, strict=True)):
            owners.setdefault((tuple(ids), place), []).append(number)
        asked = list(owners.values())
        framed, places = [], []
        for ids, place in owners:
            one = self.encoder.tokenizer.frame(ids)
            framed.append(Row(tuple(one.ids), tuple(one.types)))
            places.append(one.special.index(False) + place)
        found: list[tuple[float, bool]] = [(0.0, False)] * len(rows)
        model = self.encoder.model
        if not rows:
            return found
        for numbers, _, hidden in row_states(model, framed, self.encoder.tokenizer.pad, self.encoder.machine):
            with torch.inference_mode():
                at = torch.tensor([places[number] for number in numbers], device=hidden.device)
                logits = model.logits(hidden[torch.arange(len(numbers), device=hidden.device), at]).float()  # (B, V)
                told = logits.log_softmax(dim=-1).cpu()
                best = logits.argmax(dim=-1).cpu()
            for line, number in enumerate(numbers):
                for owner in asked[number]:
                    token = gaps[owner][1]
                    found[owner] = (float(told[line, token]), int(best[line]) == token)
        return found


def load_reader(folder: Path, device: str = "auto", threads: int = 0, *, chat: bool = False) -> Reader:
    """The reader of a model folder. Raises CheckpointError where it is missing or damaged, UserError where its model has a
    head that no word can be asked of."""
    machine = choose_machine(device, threads, "float32")
    model = load(folder).to(machine.device)
    tokenizer = Tokenizer.load(folder)
    if model.head.kind == "language":
        return CausalReader(Generator(model, tokenizer), chat=chat)
    if not model.head.over_vocabulary:
        raise UserError(
            f"{folder}: its model has a head of the kind '{model.head.kind}' and cannot be asked in words; give a model that "
            "was pre-trained on text, or use `trivium predict`"
        )
    return MaskedReader(Encoder(model.eval(), tokenizer, machine))
