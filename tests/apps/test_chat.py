"""The terminal chat: what the model is given, the commands, and piped input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from trivium.apps.chat import Chat, talk
from trivium.base.errors import RunError, UserError
from trivium.base.words import Message
from trivium.journey.assistant import Assistant


class Echo:
    """Answers with what it was given; remembers it."""

    def __init__(self, stage: str) -> None:
        self.stage, self.answers = stage, stage != "pretrain"
        self.given: list[Any] = []

    def stream(self, said: list[Message], *, temperature: float, seed: int) -> Iterator[str]:
        self.given.append(([message.content for message in said], temperature, seed))
        yield from ("you said ", said[-1].content)


class Loader:
    """Gives echoes, and remembers them."""

    def __init__(self) -> None:
        self.made: list[Echo] = []

    def __call__(self, stage: str | None) -> Assistant:
        if stage == "none":
            raise RunError("no model of stage 'none'")
        self.made.append(Echo(stage or "align"))
        return self.made[-1]  # type: ignore[return-value]


def piped(monkeypatch: pytest.MonkeyPatch, text: str, chat: Chat) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    talk(chat)


def test_piped_input_gives_the_answers_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = Loader()
    piped(monkeypatch, "one\n\n  two  \n", Chat(loader))
    assert capsys.readouterr().out == "you said one\nyou said two\n"
    first, second = loader.made[0].given
    assert first[0] == ["one"]
    assert second[0] == ["one", "you said one", "two"]
    assert first[1] == 0.0
    assert first[2] != second[2], "the same request twice may be answered differently"


def test_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    loader = Loader()
    text = "one\n/reset\n/temperature 0.5\ntwo\n/temperature warm\n/stage pretrain\nthree\n"
    text += "/stage none\n/odd\n/help\n/quit\nfour\n"
    piped(monkeypatch, text, Chat(loader))
    out = capsys.readouterr().out
    assert [given[0] for given in loader.made[0].given] == [["one"], ["two"]]
    assert [given[0] for given in loader.made[1].given] == [["three"]]
    assert loader.made[0].given[1][1] == 0.5
    assert "temperature is 0.5; give a number" in out
    assert "only been pre-trained, so it continues your text" in out
    assert "no model of stage 'none'" in out
    assert "there is no command '/odd'" in out
    assert out.count("/temperature X") == 2
    assert "four" not in out


def test_a_model_that_only_continues_is_not_given_the_conversation_and_is_not_greedy() -> None:
    loader = Loader()
    chat = Chat(loader, "pretrain")
    assert ["".join(chat.answer(text)) for text in ("one", "two")] == ["you said one", "you said two"]
    assert [given[0] for given in loader.made[0].given] == [["one"], ["two"]]
    assert loader.made[0].given[0][1] > 0
    assert Chat(loader, "pretrain", 0.0).temperature == 0.0


def test_one_prompt_is_answered_once(capsys: pytest.CaptureFixture[str]) -> None:
    talk(Chat(Loader()), "hello")
    assert capsys.readouterr().out == "you said hello\n"


def test_an_answer_that_is_interrupted_or_fails_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = Loader()
    chat = Chat(loader)

    def interrupted(said: list[Message], **more: Any) -> Iterator[str]:
        yield "half"
        raise KeyboardInterrupt

    def too_long(said: list[Message], **more: Any) -> Iterator[str]:
        raise UserError("a prompt has 70 tokens")
        yield ""

    echo = loader.made[0].stream
    monkeypatch.setattr(loader.made[0], "stream", interrupted)
    piped(monkeypatch, "one\n", chat)
    assert capsys.readouterr().out == "half\n"
    monkeypatch.setattr(loader.made[0], "stream", too_long)
    piped(monkeypatch, "long\n", chat)
    assert capsys.readouterr().out == "\na prompt has 70 tokens\n"
    monkeypatch.setattr(loader.made[0], "stream", echo)
    "".join(chat.answer("two"))
    assert loader.made[0].given[0][0] == ["two"]
