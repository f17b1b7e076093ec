"""What an algorithm's answers answer: open requests, or instructions whose right answer is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trivium.base.errors import DataError
from trivium.base.files import read_jsonl
from trivium.base.words import Message
from trivium.rl.reward_settings import Prompts
from trivium.tokenizer import Tokenizer


@dataclass(frozen=True)
class Prompt:
    """`ids` of the rendered conversation, up to where the assistant speaks; `reference` is the right answer, if there is
    one."""

    ids: tuple[int, ...]
    messages: tuple[Message, ...]
    reference: str | None = None

    @property
    def text(self) -> str:
        """What was said last."""
        return self.messages[-1].content


def load_prompts(gathered: Path, kind: Prompts, tokenizer: Tokenizer, room: int) -> tuple[list[Prompt], int]:
    """The prompts of a kind that leave the model, which reads `room` tokens, at least one for an answer, and how many do not.

    Raises DataError where none is left.
    """
    path = gathered / ("prompts" if kind == "open" else "instructions") / "train.jsonl"
    found, dropped = [], 0
    for row in read_jsonl(path) if path.exists() else ():
        if row.get("verifiable") is False and kind == "instructions":
            continue
        turns = [Message(turn["role"], turn["content"]) for turn in row["messages"]]
        reference = turns.pop().content if kind == "instructions" else None
        ids = tuple(tokenizer.render(turns, add_generation_prompt=True).ids)
        if len(ids) < room:
            found.append(Prompt(ids, tuple(turns), reference))
        else:
            dropped += 1
    if not found:
        what = (
            f"all {dropped} requests are as long as all that the model reads ({room} tokens); give shorter ones"
            if dropped
            else "no open requests to answer; add a source of kind requests (your own) or world to gather.sources"
            if kind == "open"
            else "no instructions with a right answer; add some to gather.sources"
        )
        raise DataError(what, file=path)
    return found, dropped
