"""Held-out instructions: the world's and the user's own are told apart, and what cannot be read is counted."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.evaluate.small import causal_reader, tokenizer
from trivium.data.intake import Intake
from trivium.data.sources.instructions import InstructionsSource, read
from trivium.evaluate.instructions import HOW, OWN, free_rows, prompt_ids, read_heldout, score_instructions
from trivium.generate import Answer

LIMIT = 20


class Parrot:
    """A generator that answers with the last word of the request; a character is a token."""

    model = SimpleNamespace(shape=SimpleNamespace(max_positions=LIMIT))
    tokenizer = SimpleNamespace(
        render=lambda messages, add_generation_prompt: SimpleNamespace(ids=[ord(c) for c in messages[-1].content]),
        end_of_text=0,
        encode=lambda text: [ord(c) for c in text],
    )

    def complete(self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int) -> list[Answer]:
        assert all(len(prompt) < LIMIT for prompt in prompts)
        texts = ["".join(map(chr, prompt)).split()[-1] for prompt in prompts]
        return [Answer((), f" {text.capitalize()}.\nAnd more", True) for text in texts]


def item(request: str, answer: str, family: str, level: str, verifiable: bool = True) -> dict[str, Any]:
    messages = [{"role": "user", "content": request}]
    return {"messages": messages, "answer": answer, "family": family, "level": level, "verifiable": verifiable}


def scores(*items: dict[str, Any]) -> dict[str, tuple[float, int, str]]:
    rows, _ = score_instructions("pretrain", Parrot(), items, 9, chat=False)  # type: ignore[arg-type]
    assert len({row["name"] for row in rows}) == len(rows)
    return {row["name"]: (row["value"], row["items"], row["note"]) for row in rows}


WORLD = [
    item("say one", "one", "echo", "phrasing"),
    item("say two", "no", "sums", "phrasing"),
    item("a", "a", "echo", "task"),
]
MINE = [item("my one", "one", "mine", "own"), item("my two", "two", "echo", "own")]


def test_rows_of_the_user_alone_are_the_headline() -> None:
    found = scores(*MINE, item("my three", "four", "mine", "own"))
    assert list(found) == [
        "instructions", "instructions/level/own", "instructions/family/echo", "instructions/family/mine",
    ]  # fmt: skip
    assert found["instructions"] == found["instructions/level/own"] == (2 / 3, 3, OWN)
    assert found["instructions/family/mine"] == (0.5, 2, OWN)


def test_beside_the_worlds_they_change_nothing_of_its_scores() -> None:
    alone, both = scores(*WORLD), scores(*WORLD, *MINE)
    assert alone["instructions"] == (0.5, 2, HOW)
    assert {name: both[name] for name in alone} == alone
    assert {name: both[name] for name in both if name not in alone} == {
        "instructions/level/own": (1.0, 2, OWN),
        "instructions/family/mine": (1.0, 1, OWN),
        "instructions/family/echo (own)": (1.0, 1, OWN),
    }


def test_what_the_model_cannot_read_whole_is_wrong_and_counted() -> None:
    long = item("x" * LIMIT + " one", "one", "mine", "own")
    assert scores(MINE[0], long)["instructions"] == (
        0.5,
        2,
        f"{OWN}; 1 longer than the model reads, counted as wrong",
    )
    _, answers = score_instructions("pretrain", Parrot(), [long, MINE[1]], 9, chat=False)  # type: ignore[arg-type]
    assert answers == ["", "Two."]


def test_as_many_of_the_users_rows_are_read_as_of_the_worlds(tmp_path: Path) -> None:
    path = tmp_path / "heldout.jsonl"
    rows = [*WORLD, item("free", "any", "open", "phrasing", verifiable=False), *MINE]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_heldout(path, 1) == [WORLD[0], MINE[0]]
    assert read_heldout(path, 9) == [*WORLD, *MINE]
    assert read_heldout(tmp_path / "none.jsonl", 9) == []


def test_what_gather_keeps_of_the_users_instructions_is_scored(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    path.write_text("".join(json.dumps({"instruction": f"say {n}", "output": str(n)}) + "\n" for n in range(50)))
    items = list(read(InstructionsSource(path=path, heldout_share=0.5), "mine", Intake(0, 0.1)))
    heldout = tmp_path / "heldout.jsonl"
    heldout.write_text("".join(json.dumps(i.row) + "\n" for i in items if i.split == "heldout"))
    found = scores(*read_heldout(heldout, 100))
    value, count, note = found["instructions"]
    assert (value, note) == (1.0, OWN) and 10 < count < 40


def test_of_free_answers_it_is_told_how_likely_the_right_one_is_and_how_much_of_it_was_said() -> None:
    generator = causal_reader(tokenizer()).generator
    mine = [item("Where is Anna?", "In the old mill.", "mine", "own"), item("Who?", "The hen.", "mine", "own")]
    items = [item("say one", "one", "echo", "phrasing"), *mine, item("long " * 200, "x", "mine", "own")]
    rows = {
        row["name"]: row
        for row in free_rows("align", generator, items, ["one", "In the mill.", "A fox.", ""], chat=True)
    }
    told = rows["answer_bits_per_byte"]
    assert told["items"] == 2 and "1 too long" in told["note"]
    nats = [
        generator.log_likelihood(
            prompt_ids(generator, one["messages"], chat=True), generator.tokenizer.encode(one["answer"])
        )
        for one in mine
    ]
    assert told["value"] == pytest.approx(
        -sum(nats) / math.log(2) / (len("In the old mill.") + len("The hen.")), rel=1e-4
    )
    # the longest common subsequence of "in the mill" in "in the old mill": precision 3/3, recall 3/4; two others share nothing
    assert rows["answer_rouge_l"]["value"] == pytest.approx((2 * 0.75 / 1.75) / 3, abs=1e-6)


def test_the_world_s_rows_have_no_free_answers() -> None:
    generator = causal_reader(tokenizer()).generator
    assert free_rows("align", generator, WORLD, ["", "", ""], chat=True) == []
