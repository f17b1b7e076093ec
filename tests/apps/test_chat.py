"""The terminal chat: what the model is given, the commands, and piped input."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trivium.apps.chat import Chat, talk
from trivium.base.errors import RunError, UserError
from trivium.base.words import Message
from trivium.journey.assistant import Assistant, taught_single


class Echo:
    """Answers with what it was given; remembers it."""

    def __init__(self, stage: str) -> None:
        self.stage, self.answers, self.writes = stage, stage != "pretrain", not stage.startswith("finetune-")
        self.single = stage == "single"
        self.given: list[Any] = []

    def stream(self, said: list[Message], *, temperature: float, seed: int, max_new_tokens: int = 256) -> Iterator[str]:
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


def test_there_is_no_talking_to_a_model_that_only_reads() -> None:
    with pytest.raises(UserError, match="'finetune-mood' reads and does not write"):
        Chat(Loader(), "finetune-mood")
    chat = Chat(Loader())
    with pytest.raises(UserError, match="reads and does not write"):
        chat.command("/stage finetune-mood")
    assert chat.assistant.stage == "align"


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
    text += "/stage none\n/odd\n/stages\n/help\n/quit\nfour\n"
    piped(monkeypatch, "/stage\n" + text, Chat(loader, stages=["pretrain", "align"]))
    out = capsys.readouterr().out
    assert [given[0] for given in loader.made[0].given] == [["one"], ["two"]]
    assert [given[0] for given in loader.made[1].given] == [["three"]]
    assert loader.made[0].given[1][1] == 0.5
    assert "temperature is 0.5; give a number" in out
    assert "only been pre-trained, so it continues your text" in out
    assert "no model of stage 'none'" in out
    assert "there is no command '/odd'; /help lists them" in out and "did you mean /stage?" in out
    assert "talking to align; there are: pretrain, align" in out
    assert out.count("/temperature X") == 1
    assert "four" not in out


def test_system_seed_retry_and_saving(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    loader = Loader()
    talk_file, text_file = tmp_path / "talk.jsonl", tmp_path / "talk.txt"
    text = "/retry\n/save x.jsonl\n/system Be brief.\n/seed 4\none\n/retry\n/seed 4\n/retry\ntwo \\\nlines\n"
    text += f"/most 0\n/most 9\n/save {talk_file}\n/save {text_file}\n/save {text_file}\n/save\n/save /nowhere/x.txt\n"
    piped(monkeypatch, text, Chat(loader))
    out = capsys.readouterr().out
    given = loader.made[0].given
    assert [one[0] for one in given[:3]] == [["Be brief.", "one"]] * 3  # asked again, not after its own answer
    assert given[0][2] == given[2][2] != given[1][2]  # the same seed, the same draws
    assert given[3][0] == ["Be brief.", "one", "you said one", "two \nlines"]
    (row,) = [json.loads(line) for line in talk_file.read_text().splitlines()]
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert text_file.read_text().startswith("system: Be brief.\n\nuser: one\n\nassistant: you said one")
    for told in ("nothing was asked yet", "nothing to save yet", "most is 256; give a whole number", "most is 9"):
        assert told in out
    assert "talk.txt: is there already; name a new file" in out and "name a file: /save talk.jsonl" in out
    assert "/nowhere/x.txt" in out


def test_a_model_that_only_continues_is_not_given_the_conversation_and_is_not_greedy() -> None:
    loader = Loader()
    chat = Chat(loader, "pretrain")
    assert ["".join(chat.answer(text)) for text in ("one", "two")] == ["you said one", "you said two"]
    assert [given[0] for given in loader.made[0].given] == [["one"], ["two"]]
    assert loader.made[0].given[0][1] > 0
    assert Chat(loader, "pretrain", 0.0).temperature == 0.0


def test_a_model_that_was_taught_single_requests_is_asked_each_on_its_own(tmp_path: Path) -> None:
    loader = Loader()
    chat = Chat(loader, "single")
    assert "taught single requests" in chat.greeting()
    assert ["".join(chat.answer(text)) for text in ("one", "two")] == ["you said one", "you said two"]
    assert [given[0] for given in loader.made[0].given] == [["one"], ["two"]]
    told = tmp_path / "gather" / "instructions" / "train.jsonl"
    assert not taught_single(tmp_path)
    told.parent.mkdir(parents=True)
    turns = [{"role": role, "content": "x"} for role in ("system", "user", "assistant", "user", "assistant")]
    for rows, single in (([turns[:3], turns[1:3]], True), ([turns[1:3], turns], False)):
        told.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
        assert taught_single(tmp_path) is single


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


TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C comes as in a terminal of one's own
from tests.apps.test_chat import Loader
from trivium.apps.chat import Chat, talk
talk(Chat(Loader()))
"""


def test_a_terminal_is_not_given_what_it_would_obey(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    talk(Chat(Loader()), "\x1b[2Jgone\x9b\u202e")
    assert capsys.readouterr().out == "you said <U+001B>[2Jgone<U+009B><U+202E>\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    talk(Chat(Loader()), "\x1b[2Jgone")
    assert capsys.readouterr().out == "you said \x1b[2Jgone\n"  # a file gets what was said


CONTROL_C = "\x03"


def _own_terminal() -> None:
    """Ctrl-C reaches the process whoever started the tests: the terminal is its own, and no caller's deafness is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def typed(keys: list[str], state: Path) -> str:
    """What a terminal shows where these are typed one after the other, each once the prompt is back."""
    control, terminal = pty.openpty()
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "TERM": "dumb", "PYTHONPATH": "src:."}
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(terminal)
    shown, deadline = b"", time.monotonic() + 60
    try:
        pressed = ""
        for number, key in enumerate(keys, 1):
            while shown.count(b"\n> ") < number:
                if select.select([control], [], [], 1.0)[0]:
                    shown += os.read(control, 4096)
                    continue
                assert time.monotonic() < deadline, shown.decode()
                if pressed == CONTROL_C:  # between its prompt and its wait Python notes a signal and sleeps on
                    os.write(control, CONTROL_C.encode())
            os.write(control, key.encode())
            pressed = key[-1]
        while True:
            try:
                more = os.read(control, 4096)
            except OSError:
                break
            if not more:
                break
            shown += more
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(control)
    return shown.decode()


def test_at_a_terminal_lines_of_earlier_conversations_come_back_and_tab_completes(tmp_path: Path) -> None:
    pytest.importorskip("readline")
    first = typed(["one\n", "/te\t0.5\n", "\x04"], tmp_path)
    assert "talking to align" in first and "you said one" in first and "temperature is 0.5" in first
    again = typed(["\x1b[A\x1b[A\n", "half a li\x03", "/quit\n"], tmp_path)  # two up: the line before the command
    assert "/quit or Ctrl-D ends" in again  # Ctrl-C drops a line and no conversation
    assert "you said one" in again
    kept = tmp_path / "trivium" / "chat_history"
    assert kept.read_text().splitlines()[0] == "one" and kept.stat().st_mode & 0o777 == 0o600
