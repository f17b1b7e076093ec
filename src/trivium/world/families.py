"""What an instruction family is: phrasings, a maker of cases, and what of it is never trained on.

A phrasing is one conversation as a template: `{slots}` are filled from the case, `||` parts the user's turns. Three
things are held out: whole phrasings, the pools' held-out entities, and one task inside most families (`held_out_task`),
which has its own phrasings where the trained ones cannot ask it. The families themselves are in `families_*.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from trivium.base.words import Message
from trivium.world.draws import Draw, Level

TURN = "||"


@dataclass(frozen=True)
class Case:
    """What one instruction is about: the phrasing's slots, and the answer to each of the user's turns."""

    slots: Mapping[str, str]
    answers: tuple[str, ...]


def case(answer: str, **slots: str) -> Case:
    """A case with one turn."""
    return Case(slots, (answer,))


@dataclass(frozen=True)
class Family:
    """One kind of instruction. `verifiable`: there is one right answer; `entities`: held-out words can be asked about.

    How often each family comes is in `instructions.WEIGHTS`.
    """

    name: str
    line: str
    make: Callable[[Draw], Case]
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    verifiable: bool = True
    entities: bool = True
    held_out_task: str = ""
    task_phrasings: tuple[str, ...] = ()

    def phrasings(self, level: Level) -> tuple[str, ...]:
        """The templates that a level uses."""
        if level == "phrasing":
            return self.held_out
        return self.task_phrasings if level == "task" and self.task_phrasings else self.train

    def allows(self, level: Level) -> bool:
        """Whether this family has anything to hold out at `level`."""
        return {"task": bool(self.held_out_task), "entity": self.entities}.get(level, True)

    def conversation(self, random: Random, level: Level) -> tuple[Message, ...]:
        """One conversation at `level`, the user's and the assistant's turns in order."""
        made = self.make(Draw(random, level))
        template = random.choice(self.phrasings(level))
        turns = template.format_map(made.slots).split(TURN)
        assert len(turns) == len(made.answers), f"{self.name}: {len(turns)} turns, {len(made.answers)} answers"
        return tuple(
            message
            for turn, answer in zip(turns, made.answers, strict=True)
            for message in (Message("user", turn.strip()), Message("assistant", answer))
        )
