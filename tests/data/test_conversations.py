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
from trivium.data.conversations import ConversationBatches, Conversations, load_conversations


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
    conversations = load_conversations(path, tokenizer, 100)
    (batch,) = ConversationBatches(conversations, len(conversations.tokens), seed=0, parts=1).batches(0)
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


@pytest.mark.parametrize("count", [1, 2, 50, 700])
def test_every_epoch_holds_every_conversation_once(count: int) -> None:
    batches = ConversationBatches(synthetic(count), 400, seed=1)
    steps = -(-3 * count // batches.rows_per_step)
    seen = numpy.bincount(numpy.concatenate([batches.rows(step) for step in range(steps)]), minlength=count)
    extra = steps * batches.rows_per_step - 3 * count  # the last step reaches into the fourth epoch
    assert seen.sum() == 3 * count + extra
    assert seen.min() >= 3 and seen.max() <= 3 + -(-extra // count)


def test_a_step_has_about_the_tokens_asked_for_and_pads_little() -> None:
    source = synthetic(3000, longest=100)
    batches = ConversationBatches(source, 2000, seed=1, parts=4)
    real = padded = 0
    for step in range(50):
        parts = batches.batches(step)
        assert [len(part.tokens) for part in parts] == sorted((len(part.tokens) for part in parts), reverse=True)
        padded += sum(part.tokens.numel() for part in parts)
        real += int(sum((part.targets != source.pad).sum() for part in parts))
    assert abs(real / 50 - 2000) < 150
    assert padded < 1.35 * real  # rows of a random step side by side would be twice the tokens
    assert all(part.tokens.shape[1] % 8 == 0 for part in batches.batches(0))


def test_the_batches_of_a_step_are_its_conversations_whole() -> None:
    source = synthetic(40, longest=30)
    batches = ConversationBatches(source, 200, seed=3)
    for step in range(4):
        assert batches.sizes(step) == [tuple(part.tokens.shape) for part in batches.batches(step)]
        found = [int(row[0]) for part in batches.batches(step) for row in part.tokens]
        assert found == batches.rows(step).tolist()
        for part in batches.batches(step):
            for row, weights in zip(part.tokens, part.weights, strict=True):
                number = int(row[0])
                length = int(source.lengths[number])
                assert row[: length - 1].tolist() == [number] * (length - 1)
                assert weights.sum() == source.learned[source.starts[number] + 1 : source.starts[number + 1]].sum()


def test_a_step_is_a_function_of_its_number() -> None:
    """Resuming is asking for the next number: no state, whatever was asked before."""
    source = synthetic(500)
    first = ConversationBatches(source, 400, seed=4)
    expected = [first.batches(step) for step in range(60)]
    again = ConversationBatches(source, 400, seed=4)
    for step in (59, 3, 30, 31, 0):
        for part, other in zip(again.batches(step), expected[step], strict=True):
            assert torch.equal(part.tokens, other.tokens)
            assert torch.equal(part.weights, other.weights)
    other = ConversationBatches(source, 400, seed=5)
    assert any(not numpy.array_equal(other.rows(step), first.rows(step)) for step in range(5))


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
