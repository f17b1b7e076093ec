"""A conversation in the terminal: answers appear as they are drawn; lines that begin with / are commands.

Works with a piped standard input too: then it prints what it has to say and no prompts.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.apps.printable import Wrapped, listed
from trivium.base.errors import TriviumError, UserError
from trivium.base.files import explain_os_error
from trivium.base.seeds import derive
from trivium.base.words import Message

if TYPE_CHECKING:
    from trivium.journey.assistant import Assistant

COMMANDS = {
    "/help": "this",
    "/stage NAME": "talk to another stage; the conversation begins anew; without a name, which there are",
    "/reset": "forget the conversation, keep the settings",
    "/retry": "ask the last thing again, drawn anew",
    "/system TEXT": "what the model is told before all else; without a text, nothing",
    "/temperature X": "0 gives the likeliest answer, always; 1 what the model would say on its own",
    "/most N": "tokens of an answer, at most",
    "/seed N": "answers at a temperature are drawn from this; the same seed, the same answers",
    "/save FILE": "add the conversation to a .jsonl file, as training reads it, or write it as text to a new file",
    "/quit": "end (so does Ctrl-D)",
}
NAMES = tuple(command.split()[0] for command in COMMANDS)
CONTINUING = 0.8  # a model that only continues text repeats itself at 0
LONGEST = 256  # tokens of an answer, where nothing else is said
MOST_HISTORY = 1000  # lines that are kept


class Chat:
    """The state of a conversation. `load` gives the assistant of a stage, None for the newest; `stages` are those there are."""

    def __init__(
        self,
        load: Callable[[str | None], Assistant],
        stage: str | None = None,
        temperature: float | None = None,
        stages: Sequence[str] = (),
    ) -> None:
        self._all, self._asked_temperature, self._stages = load, temperature, stages
        self._messages: list[Message] = []
        self._system = ""
        self._turn = 0
        self._seed = 0
        self._most = LONGEST
        self._last: str | None = None
        self.assistant = self._load(stage)

    def _load(self, stage: str | None) -> Assistant:
        """The assistant of a stage. Raises UserError for one that only reads."""
        found = self._all(stage)
        if not found.writes:
            raise UserError(
                f"the model of '{found.stage}' reads and does not write, so there is no talking to it; `trivium predict` asks "
                "the run's tasks"
            )
        return found

    @property
    def temperature(self) -> float:
        """As asked for, or what suits the model."""
        if self._asked_temperature is not None:
            return self._asked_temperature
        return 0.0 if self.assistant.answers else CONTINUING

    def greeting(self) -> str:
        """What this is, and how to leave it."""
        how = ""
        if not self.assistant.answers:
            how = "; it has only been pre-trained, so it continues your text, it does not answer"
        elif self.assistant.single:
            how = "; it was taught single requests, so it is asked each on its own, without what came before"
        return f"talking to {self.assistant.stage}{how}. /help lists commands, /quit ends."

    def answer(self, text: str) -> Iterator[str]:
        """The answer in pieces; the turn is remembered once it has all come."""
        seed = derive(self._seed, "chat", self._turn)
        system = [Message("system", self._system)] if self._system else []
        said = [*self._messages, Message("user", text)]
        given = said[-1:] if self.assistant.single else said
        pieces = []
        self._last = text
        self._turn += 1
        how = {"max_new_tokens": self._most, "temperature": self.temperature}
        for piece in self.assistant.stream([*system, *given], seed=seed, **how):  # type: ignore[arg-type]
            pieces.append(piece)
            yield piece
        if self.assistant.answers:
            self._messages = [*said, Message("assistant", "".join(pieces).strip())]

    def again(self) -> str | None:
        """What to ask once more, its last answer forgotten; None where nothing was asked."""
        if self._last is not None and len(self._messages) > 1 and self._messages[-2].content == self._last:
            self._messages = self._messages[:-2]
        return self._last

    def command(self, line: str) -> str | None:
        """What to say to a line that begins with /, None to end. Raises TriviumError for a stage or a file that is not there."""
        name, _, value = line[1:].strip().partition(" ")
        value = value.strip()
        if name in ("quit", "exit", "q"):
            return None
        plain = {"reset": self._reset, "system": self._tell, "save": self._save}
        if name in plain:
            return plain[name](value)
        if name == "stage" and value:
            self.assistant = self._load(value)
            self._reset("")
            return self.greeting()
        if name == "stage":
            return f"talking to {self.assistant.stage}" + (
                f"; there are: {', '.join(self._stages)}" if self._stages else ""
            )
        if name in ("temperature", "most", "seed"):
            return self._number(name, value)
        if name == "help":
            return listed(COMMANDS, 18, _width())
        near = difflib.get_close_matches(f"/{name}", NAMES, n=1)
        return f"there is no command '{line.split()[0]}'; {f'did you mean {near[0]}?' if near else '/help lists them'}"

    def _reset(self, value: str) -> str:
        self._messages, self._last = [], None
        return "the conversation is forgotten"

    def _tell(self, value: str) -> str:
        self._system = value
        if value and not self.assistant.answers:
            return "kept; this stage only continues text, so it is told nothing before"
        return "the model is told that first" if value else "the model is told nothing before"

    def _number(self, name: str, value: str) -> str:
        """Set a number where `value` is one that does; what it is now."""
        with contextlib.suppress(ValueError):
            if name == "temperature" and 0.0 <= float(value) < 100.0:
                self._asked_temperature = float(value)
            elif name == "most" and int(value) >= 1:
                self._most = int(value)
            elif name == "seed" and 0 <= int(value) < 2**63:
                self._seed, self._turn = int(value), 0
            else:
                raise ValueError
            return f"{name} is {self._shown(name)}"
        example = {"temperature": "a number from 0, for example /temperature 0.8", "most": "a whole number from 1"}
        return f"{name} is {self._shown(name)}; give {example.get(name, 'a whole number from 0')}"

    def _shown(self, name: str) -> str:
        return f"{self.temperature:g}" if name == "temperature" else str(self._most if name == "most" else self._seed)

    def _save(self, value: str) -> str:
        """Write the conversation. Raises UserError for a file that is there, or cannot be written."""
        if not value or not self._messages:
            return "name a file: /save talk.jsonl" if not value else "there is nothing to save yet"
        path = Path(value).expanduser()
        system = [Message("system", self._system)] if self._system else []
        turns = [asdict(message) for message in [*system, *self._messages]]
        try:
            if path.suffix == ".jsonl":
                with open(path, "a", encoding="utf-8") as file:
                    file.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
            else:
                with open(path, "x", encoding="utf-8") as file:
                    file.write("\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns) + "\n")
        except FileExistsError:
            raise UserError(f"{path}: is there already; name a new file, or one that ends in .jsonl") from None
        except OSError as error:
            raise explain_os_error(error, path) from None
        return f"saved to {path}"


def talk(chat: Chat, prompt: str | None = None) -> None:
    """Answer `prompt`, or hold a conversation until the user ends it."""
    if prompt is not None:
        _write(chat.answer(prompt))
        return
    at_terminal = sys.stdin.isatty()
    with _line_editing() if at_terminal else contextlib.nullcontext():
        if at_terminal:
            print(chat.greeting())
        while (line := _read("\n> " if at_terminal else "")) is not None and _do(chat, line):
            pass


def _do(chat: Chat, line: str) -> bool:
    """Answer a line or obey it; False where it ends the conversation."""
    try:
        if line == "/retry":
            asked = chat.again()
            if asked is None:
                print("nothing was asked yet")
            else:
                _write(chat.answer(asked))
        elif line.startswith("/"):
            reply = chat.command(line)
            if reply is None:
                return False
            print(reply)
        elif line:
            _write(chat.answer(line))
    except KeyboardInterrupt:
        pass  # ends the answer, not the conversation
    except TriviumError as error:  # a request that is too long, a stage that is not there
        print(error)
    return True


def history_file() -> Path:
    """Where the lines that were typed are kept between conversations."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "trivium" / "chat_history"


@contextlib.contextmanager
def _line_editing() -> Iterator[None]:
    """Editing keys, the lines of earlier conversations, and Tab for commands, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    path = history_file()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        readline.read_history_file(path)

    def complete(text: str, number: int) -> str | None:
        found = [name for name in NAMES if name.startswith(text)] if text.startswith("/") else []
        return f"{found[number]} " if number < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" ")
    # macOS has libedit under the same name, with words of its own
    readline.parse_and_bind("bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete")
    readline.set_history_length(MOST_HISTORY)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)
            path.chmod(0o600)


def _read(prompt: str) -> str | None:
    """A line; one that ends in a backslash goes on in the next. None at the end of the input.

    Ctrl-C drops what was typed: it comes a moment after an answer has ended, too, and must not cost the conversation.
    """
    lines: list[str] = []
    try:
        while True:
            line = input("... " if lines and prompt else prompt)
            if not line.endswith("\\"):
                return "\n".join([*lines, line]).strip()
            lines.append(line[:-1])
    except EOFError:
        return "\n".join(lines).strip() or None
    except KeyboardInterrupt:
        print("\n/quit or Ctrl-D ends" if prompt else "")
        return "" if prompt else None


def _width() -> int:
    return shutil.get_terminal_size().columns


def _write(pieces: Iterator[str]) -> None:
    """Print an answer as it comes; at a terminal with whole words, and with control characters by their number."""
    wrapped = Wrapped(sys.stdout.write, _width) if sys.stdout.isatty() else None
    try:
        for piece in pieces:
            (wrapped.add if wrapped else sys.stdout.write)(piece)
            sys.stdout.flush()
    finally:
        if wrapped:
            wrapped.end()
        print()
