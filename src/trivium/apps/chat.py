"""A conversation in the terminal: answers appear as they are drawn; lines that begin with / are commands.

Works with a piped standard input too: then it prints what it has to say and no prompts.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from trivium.base.errors import TriviumError
from trivium.base.seeds import derive
from trivium.base.words import Message

if TYPE_CHECKING:
    from trivium.journey.assistant import Assistant

HELP = """/help             this
/stage NAME       talk to another stage: pretrain, finetune, align
/reset            forget the conversation
/temperature X    0 gives the likeliest answer, always; 1 what the model would say on its own
/quit             end (so does Ctrl-D)"""
CONTINUING = 0.8  # a model that only continues text repeats itself at 0


class Chat:
    """The state of a conversation. `load` gives the assistant of a stage, None for the newest."""

    def __init__(
        self, load: Callable[[str | None], Assistant], stage: str | None = None, temperature: float | None = None
    ) -> None:
        self._load, self._asked_temperature = load, temperature
        self._messages: list[Message] = []
        self._turn = 0
        self.assistant = load(stage)

    @property
    def temperature(self) -> float:
        """As asked for, or what suits the model."""
        if self._asked_temperature is not None:
            return self._asked_temperature
        return 0.0 if self.assistant.answers else CONTINUING

    def greeting(self) -> str:
        """What this is, and how to leave it."""
        how = (
            ""
            if self.assistant.answers
            else "; it has only been pre-trained, so it continues your text, it does not answer"
        )
        return f"talking to {self.assistant.stage}{how}. /help lists commands, /quit ends."

    def answer(self, text: str) -> Iterator[str]:
        """The answer in pieces; the turn is remembered once it has all come."""
        seed = derive(0, "chat", self._turn)
        said = [*self._messages, Message("user", text)]
        pieces = []
        for piece in self.assistant.stream(said, temperature=self.temperature, seed=seed):
            pieces.append(piece)
            yield piece
        self._turn += 1
        if self.assistant.answers:
            self._messages = [*said, Message("assistant", "".join(pieces).strip())]

    def command(self, line: str) -> str | None:
        """What to say to a line that begins with /, None to end. Raises TriviumError for a stage that is not there."""
        name, _, value = line[1:].strip().partition(" ")
        value = value.strip()
        if name in ("quit", "exit", "q"):
            return None
        if name == "reset":
            self._messages = []
            return "the conversation is forgotten"
        if name == "stage" and value:
            self.assistant = self._load(value)
            self._messages = []
            return self.greeting()
        if name == "temperature":
            with contextlib.suppress(ValueError):
                if 0.0 <= float(value) < 100.0:
                    self._asked_temperature = float(value)
                    return f"temperature is {self.temperature:g}"
            return f"temperature is {self.temperature:g}; give a number from 0, for example /temperature 0.8"
        return HELP if name == "help" else f"there is no command '{line.split()[0]}' of that form\n{HELP}"


def talk(chat: Chat, prompt: str | None = None) -> None:
    """Answer `prompt`, or hold a conversation until the user ends it."""
    if prompt is not None:
        _write(chat.answer(prompt))
        return
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives input() its history and editing keys
        print(chat.greeting())
    while True:
        line = _read("\n> " if at_terminal else "")
        if line is None:
            break
        try:
            if line.startswith("/"):
                reply = chat.command(line)
                if reply is None:
                    break
                print(reply)
            elif line:
                _write(chat.answer(line))
        except KeyboardInterrupt:
            pass  # ends the answer, not the conversation
        except TriviumError as error:  # a request that is too long, a stage that is not there
            print(error)


def _read(prompt: str) -> str | None:
    try:
        return input(prompt).strip()
    except EOFError:
        return None
    except KeyboardInterrupt:
        print()
        return None


def _write(pieces: Iterator[str]) -> None:
    try:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
    finally:
        print()
