"""Rating in the terminal: the same items, order, leases and log as the page; one line of typing an answer.

Works with a piped standard input too. Texts cannot move the cursor or colour the screen: what is no printable character
is shown by its number.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from trivium.apps.printable import visible
from trivium.base.errors import UserError
from trivium.feedback import assignments, items, plan, raters
from trivium.feedback.answers import record, undo
from trivium.feedback.assignments import Task
from trivium.feedback.database import Database
from trivium.feedback.raters import Rater

LETTERS = "ABCDE"
PAIR = {
    "1": (0, 3), "2": (0, 2), "3": (0, 1), "5": (1, 1), "6": (1, 2), "7": (1, 3),
}  # fmt: skip
ASK = {
    "pair": "1-3 A better (1 much), 4 tie, 5-7 B better (7 much), b both bad",
    "ranking": "letters from best to worst, = for equals, for example B A=C; b all bad",
    "likert": "points from 1 to 7 for {axes}, for example 6 4",
}
MORE = "s REASON skip, e rewrite, v whole texts, u undo, g guidelines, q quit"
MOST = 4_000  # characters of a text that are shown unasked: more would scroll the rest away


class Session:
    """One person rating; `read` gives a line, None at the end; `write` shows text."""

    def __init__(
        self, database: Database, rater: Rater, read: Callable[[str], str | None], write: Callable[[str], None]
    ) -> None:
        self._database, self._rater, self._read, self._write = database, rater, read, write

    def run(self) -> int:
        """Rate until nothing is left or the person ends it. Returns how many answers were given."""
        count = 0
        task: Task | None = None
        while True:
            task = task or next(iter(assignments.take(self._database, self._rater)), None)
            if task is None:
                self._write("nothing is left for you just now; thank you")
                return count
            self._show(task)
            said = self._ask(task)
            if said is None:
                return count
            if said == "undo":
                back = undo(self._database, self._rater, secrets.token_hex(16))
                self._write("taken back" if back else "there is nothing to undo")
                task, count = back or task, count - bool(back)
                continue
            count += 1
            task = None

    def _show(self, task: Task, most: int | None = MOST) -> None:
        turns = [f"{message.role}: {beginning(message.content, most)}" for message in task.item.prompt]
        shown = [
            f"[{LETTERS[place]}]\n{beginning(one['text'], most)}{'  (cut off)' if one['cut'] else ''}"
            for place, one in enumerate(task.texts)
        ]
        self._write("\n" + "-" * 60 + "\n" + "\n\n".join([*turns, *shown]) + "\n")

    def _ask(self, task: Task) -> str | None:
        """Record an answer to the task: '', 'undo' where that was asked for, None to end."""
        started = time.monotonic()
        rewritten: dict[str, Any] = {}
        how = f"{ASK[task.item.kind].format(axes=', '.join(map(visible, task.item.axes)))}; {MORE}"
        self._write(how)
        while (line := self._read("> ")) is not None:
            word = line.strip()
            if word in ("q", "u"):
                return "undo" if word == "u" else None
            if word == "g":
                with self._database.reading() as work:
                    self._write(visible(plan.guidelines(work)))
            elif word == "e":
                rewritten = self._rewrite(task)
            elif word == "v":
                self._show(task, None)
                self._write(how)
            else:
                content = judgement(word, task)
                if content is None:
                    self._write(f"'{visible(word)}' says nothing here. {how}")
                    continue
                extra = {} if content["verdict"] == "skip" else rewritten
                spent = int(1000 * (time.monotonic() - started))
                try:
                    record(self._database, self._rater, secrets.token_hex(16), task.id, {**content, **extra}, spent)
                except UserError as error:
                    self._write(str(error))
                    rewritten = {}
                    continue
                return ""
        return None

    def _rewrite(self, task: Task) -> dict[str, Any]:
        place = 0
        if len(task.shown) > 1:
            letter = (self._read(f"which one ({', '.join(LETTERS[: len(task.shown)])})? ") or "").strip().upper()
            place = LETTERS.find(letter) if letter else -1
            if not 0 <= place < len(task.shown):
                self._write("none of them; nothing is rewritten")
                return {}
        self._write("write what it should say; a line with a single . ends it")
        lines = []
        while (line := self._read("")) is not None and line != ".":
            lines.append(line)
        self._write("kept; it goes with your choice")
        return {"corrects": place, "correction": "\n".join(lines)}


def beginning(text: str, most: int | None) -> str:
    """A text as it may be shown, up to `most` characters of it, and how many more there are."""
    rest = 0 if most is None else max(0, len(text) - most)
    return visible(text[: len(text) - rest]) + (f" ... ({rest:,} more characters: v)" if rest else "")


def judgement(word: str, task: Task) -> dict[str, Any] | None:
    """What a line says of a task, in the places of the screen; None where it says nothing."""
    first, _, rest = word.partition(" ")
    if first == "s":
        return {"verdict": "skip", "reason": rest.strip() or "no reason given"}
    kind = task.item.kind
    if kind == "likert":
        points = [int(part) if part.isdecimal() else 0 for part in word.split()]
        whole = len(points) == len(task.item.axes) and all(1 <= one <= 7 for one in points)
        return {"verdict": "score", "scores": dict(zip(task.item.axes, points, strict=True))} if whole else None
    if word == "b" and kind == "pair":
        return {"verdict": "both_bad"}
    if kind == "pair":
        if word in ("4", "t"):
            return {"verdict": "tie"}
        if word in PAIR:
            return {"verdict": "prefer", "preferred": PAIR[word][0], "strength": PAIR[word][1]}
        return None
    if word == "b":
        return {"verdict": "both_bad"}
    ranking = [[LETTERS.find(letter) for letter in part.split("=")] for part in word.upper().replace(">", " ").split()]
    whole = sorted(place for together in ranking for place in together) == list(range(len(task.shown)))
    return {"verdict": "rank", "ranking": ranking} if whole else None


def rate_here(database: Database, name: str) -> None:
    """Rate at this terminal as `name`."""

    def read(prompt: str) -> str | None:
        try:
            return input(prompt)
        except (EOFError, KeyboardInterrupt):
            print()
            return None

    with database.writing() as work:
        rater = raters.ensure_rater(work, name)
        known = items.status(work)
    print(f"rating as {visible(rater.name)}; {known.answers} of {known.wanted} answers are there")
    count = Session(database, rater, read, print).run()
    print(f"{count} answers given; they are kept")
