"""Conversations: loss where the assistant speaks, every one once an epoch, batches of like lengths, faults named."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from tests.tokenizer.tiny import tiny_tokenizer
from trivium.base.errors import DataError
from trivium.base.words import Message
from trivium.data.conversations import STRETCH, ConversationBatches, Conversations, load_conversations


def turns(*contents: str) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(contents)
    return {"messages": [{"role": role, "content": text} for role, text in zip(roles, contents, strict=False)]}


def write(path: Path, *rows: Any) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def synthetic(count: int, longest: int = 60, seed: int = 0) -> Conversations:
    """Conversation n is n repeated; its second half is learned."""
    draw = random.Random(seed)
    lengths = [draw.randint(2, longest) for _ in range(count)]
    tokens = numpy.concatenate([numpy.full(length, number, numpy.int32) for number, length in enumerate(lengths)])
    learned = numpy.concatenate([numpy.arange(length) >= length // 2 for length in lengths])
    return Conversations(tokens, learned, numpy.cumsum([0, *lengths]), pad=count, dropped=0)


def test_loss_falls_on_the_assistant_alone(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    path = write(
        tmp_path / "c.jsonl",
        turns("Who is there?", "Nobody.", "Sure?", "Quite."),
        turns("Hi", "Hello, <|end|> friend."),
    )
    batch = ConversationBatches(load_conversations(path, tokenizer, 100), 10_000, seed=0).batch(0)
    learned = [
        tokenizer.decode(row[on.bool()].tolist(), keep_special=True)
        for row, on in zip(batch.targets, batch.weights, strict=True)
    ]
    assert sorted(learned) == sorted([" Nobody.<|end|> Quite.<|end|>", " Hello, <|end|> friend.<|end|>"])
    for row, targets, on in zip(batch.tokens, batch.targets, batch.weights, strict=True):
        ids = [*row.tolist(), targets.tolist()[-1]]
        assert ids[1:] == targets.tolist()
        filled = [number for number in ids if number != tokenizer.pad]
        expected = [
            tokenizer.render([Message(**m) for m in turns(*texts)["messages"]]).ids
            for texts in (("Who is there?", "Nobody.", "Sure?", "Quite."), ("Hi", "Hello, <|end|> friend."))
        ]
        assert filled in expected
        assert not on[targets == tokenizer.pad].any()


@pytest.mark.parametrize("count", [1, 2, 50, STRETCH + 300])
def test_an_epoch_holds_every_conversation_once(count: int) -> None:
    batches = ConversationBatches(synthetic(count), 400, seed=1)
    number = 0
    for epoch in range(3):
        rows: list[int] = []
        for _ in range(len(batches.plan(epoch))):
            rows += batches.rows(number).tolist()
            number += 1
        assert sorted(rows) == list(range(count))


def test_batches_keep_to_the_budget_and_pad_little() -> None:
    source = synthetic(3000, longest=100)
    batches = ConversationBatches(source, 1000, seed=1)
    sizes = []
    padding = 0
    for chosen in batches.plan(0):
        batch = batches.collate(chosen)
        sizes.append(batch.tokens.numel())
        padding += int((batch.targets == source.pad).sum())
    assert max(sizes) <= 1000
    assert padding < 0.05 * sum(sizes)
    assert min(sizes) > 600  # no remainder of a few rows
    unsorted = len(source) * 100
    assert sum(sizes) < 0.6 * unsorted


def test_a_conversation_longer_than_the_budget_stands_alone() -> None:
    source = Conversations(
        numpy.arange(30, dtype=numpy.int32), numpy.ones(30, bool), numpy.array([0, 25, 30]), pad=99, dropped=0
    )
    batches = ConversationBatches(source, 10, seed=0)
    assert sorted(len(batches.rows(number)) for number in range(2)) == [1, 1]
    assert {batches.batch(number).tokens.shape for number in range(2)} == {(1, 24), (1, 4)}


def test_a_batch_is_a_function_of_its_number() -> None:
    """Resuming is asking for the next number: no state, whatever was asked before."""
    source = synthetic(500)
    first = ConversationBatches(source, 400, seed=4)
    expected = [first.batch(number) for number in range(120)]  # several epochs
    assert len(first.plan(0)) < 60
    again = ConversationBatches(source, 400, seed=4)
    for number in (119, 3, 60, 61, 0):
        batch = again.batch(number)
        assert torch.equal(batch.tokens, expected[number].tokens)
        assert torch.equal(batch.weights, expected[number].weights)
    other = ConversationBatches(source, 400, seed=5)
    assert any(not numpy.array_equal(other.rows(number), first.rows(number)) for number in range(5))


def test_lengths_say_little_about_the_time_in_an_epoch() -> None:
    source = synthetic(3 * STRETCH)
    batches = ConversationBatches(source, 600, seed=2)
    means = [source.lengths[rows].mean() for rows in batches.plan(0)]
    assert abs(numpy.corrcoef(numpy.arange(len(means)), means)[0, 1]) < 0.2


def test_too_long_ones_are_dropped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", turns("a", "b"), turns("word " * 100, "b"), turns("c", "d"))
    found = load_conversations(path, tiny_tokenizer(), 20)
    assert (len(found), found.dropped) == (2, 1)
    with pytest.raises(
        DataError, match=r"c\.jsonl: all 3 conversations are longer than the model's 4 tokens \(the longest has \d+\)"
    ):
        load_conversations(path, tiny_tokenizer(), 4)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{bad", r"c\.jsonl:3: not JSON \(Expecting property name.* at column 2\)"),
        ("[1]", r"c\.jsonl:3: a row is a JSON object, this is a list"),
        ("[" * 100_000, r"c\.jsonl:3: nested too deeply"),
        ('{"messages": ' + "9" * 5000 + "}", r"c\.jsonl:3: not JSON"),
        ({"text": "x"}, r"c\.jsonl:3: field 'messages': should be a list of turns"),
        ({"messages": []}, r"c\.jsonl:3: field 'messages': should be a list"),
        ({"messages": ["x"]}, r"c\.jsonl:3: field 'messages\[0\]': should be an object"),
        (
            {"messages": [{"role": "end", "content": "x"}]},
            r"c\.jsonl:3: field 'messages\[0\].role': is \"end\"; known roles",
        ),
        ({"messages": [{"role": "user"}]}, r"c\.jsonl:3: field 'messages\[0\].content': missing"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            r"c\.jsonl:3: field 'messages\[0\].content': should be text, is 5",
        ),
        (turns("a", " \n"), r"c\.jsonl:3: field 'messages\[1\].content': is empty"),
        (turns("a", "b", "c"), r"c\.jsonl:3: field 'messages': nothing to learn"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, r"c\.jsonl:3: field 'messages': nothing to learn"),
    ],
)
def test_a_row_that_is_no_conversation_is_named(tmp_path: Path, row: Any, fault: str) -> None:
    path = write(tmp_path / "c.jsonl", turns("a", "b"), "", row)
    with pytest.raises(DataError, match=fault) as caught:
        load_conversations(path, tiny_tokenizer(), 50)
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"c\.jsonl: no conversation"):
        load_conversations(write(tmp_path / "c.jsonl"), tiny_tokenizer(), 50)
