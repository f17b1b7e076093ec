"""Tokenizing: the shards hold the text, the tokenizer has the size asked for, and a stop leaves nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tokenizer.tiny import tiny_texts
from trivium.base.errors import Interrupted, UserError
from trivium.base.progress import Context, Progress
from trivium.data.shards import Shard
from trivium.stages import tokenize
from trivium.stages.tokenize import TokenizeSettings, run, training_text
from trivium.tokenizer import Tokenizer


@pytest.fixture
def gathered(tmp_path: Path) -> Path:
    """Documents of two sources; the validation text holds what would be special tokens and a word of its own."""
    folder = tmp_path / "gather/documents"
    folder.mkdir(parents=True)
    train = [{"id": f"a/{n}", "text": text, "source": "topics"} for n, text in enumerate(tiny_texts())]
    train.append({"id": "b/0", "text": "", "source": "other"})
    train.append({"id": "b/1", "text": "1 2 3 <|end|> \U0001f642" * 20, "source": "other"})
    valid = [{"id": "v/0", "text": "Qwyzx <|endoftext|> qwyzx", "source": "topics"}] * 3
    for name, rows in (("train", train), ("valid", valid)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "gather"


def tokenized(folder: Path, gathered: Path, vocab_size: int = 900, **context: Any) -> dict[str, Any]:
    return run(TokenizeSettings(vocab_size=vocab_size), Context(folder, {"gather": gathered}, **context))


def texts_of(gathered: Path, split: str) -> list[str]:
    return [json.loads(line)["text"] for line in (gathered / f"documents/{split}.jsonl").read_text().splitlines()]


def test_the_shards_hold_every_document(tmp_path: Path, gathered: Path) -> None:
    seen: list[Progress] = []
    figures = tokenized(tmp_path / "out", gathered, report=seen.append)
    tokenizer = Tokenizer.load(tmp_path / "out")
    assert tokenizer.vocab_size == figures["vocab_size"] == 900
    for split in ("train", "valid"):
        shard = Shard(tmp_path / "out" / split, tokenizer.sha256)
        shard.verify()
        starts = [0, *shard.ends.tolist()[:-1]]
        found = [shard.tokens[start:end].tolist() for start, end in zip(starts, shard.ends.tolist(), strict=True)]
        expected = texts_of(gathered, split)
        assert [tokenizer.decode(document) for document in found] == expected
        assert [document.count(tokenizer.end_of_text) for document in found] == [1] * len(expected)
        assert all(document[-1] == tokenizer.end_of_text for document in found)
        assert shard.bytes == sum(len(text.encode()) for text in expected)
        assert figures[f"{split}_tokens"] == len(shard.tokens)
    assert (seen[-1].done, seen[-1].unit) == (
        sum(len(t.encode()) for s in ("train", "valid") for t in texts_of(gathered, s)),
        "bytes",
    )


def test_the_figures_are_those_of_the_text(tmp_path: Path, gathered: Path) -> None:
    tokenized(tmp_path / "out", gathered)
    content = json.loads((tmp_path / "out/tokenize.json").read_text())
    tokenizer = Tokenizer.load(tmp_path / "out")
    train, valid = texts_of(gathered, "train"), texts_of(gathered, "valid")
    tokens = sum(len(tokenizer.encode(text)) for text in train + valid)
    assert content["bytes_per_token"] == pytest.approx(
        sum(len(text.encode()) for text in train + valid) / tokens, abs=1e-4
    )
    assert content["bytes_per_token_by_source"]["other"] == pytest.approx(
        len(train[-1].encode()) / len(tokenizer.encode(train[-1])), abs=1e-4
    )
    used = {number for text in train for number in tokenizer.encode(text)}
    assert content["unused_tokens"] == tokenizer.vocab_size - len(tokenizer.special) - len(used)
    longest = content["longest_tokens"]
    assert len(longest[0]["text"]) == max(
        len(tokenizer.pieces([n])[0]) for n in range(tokenizer.vocab_size - len(tokenizer.special))
    )
    assert all(
        row["count"] == sum(tokenizer.encode(text).count(tokenizer.encode(row["text"])[0]) for text in train)
        for row in longest[:3]
    )
    assert "".join(content["sample"]["tokens"]) == content["sample"]["text"] == valid[0]


def test_validation_text_does_not_shape_the_tokenizer(tmp_path: Path, gathered: Path) -> None:
    tokenized(tmp_path / "one", gathered)
    (gathered / "documents/valid.jsonl").write_text(
        json.dumps({"id": "v", "text": "zzqq " * 5000, "source": "x"}) + "\n"
    )
    tokenized(tmp_path / "two", gathered)
    assert Tokenizer.load(tmp_path / "one").sha256 == Tokenizer.load(tmp_path / "two").sha256


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, gathered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenized(tmp_path / "one", gathered)
    monkeypatch.setattr(tokenize, "BATCH_BYTES", 1000)
    tokenized(tmp_path / "two", gathered)
    for name in ("tokenizer.json", "train/tokens.bin", "train/ends.bin", "train/shard.json", "valid/tokens.bin"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("megabytes", [0.005, 0.02, 0.1])
def test_training_text_is_bounded_and_drawn_from_the_whole(tmp_path: Path, gathered: Path, megabytes: float) -> None:
    settings = TokenizeSettings(max_training_megabytes=megabytes)

    def drawn(seed: int) -> list[str]:
        path = gathered / "documents/train.jsonl"
        return list(training_text(path, settings, Context(tmp_path, {}, seed=seed)))

    pieces = drawn(0)
    size = sum(len(piece.encode()) for piece in pieces)
    assert 0.5 * megabytes * 1e6 < size <= megabytes * 1e6
    whole = texts_of(gathered, "train")
    homes = {next(n for n, text in enumerate(whole) if piece in text) for piece in pieces}
    assert min(homes) < 10 and max(homes) > 20  # of 30 topics; the other texts are short
    assert drawn(0) == pieces != drawn(1)


def test_all_of_a_small_text_is_used(tmp_path: Path, gathered: Path) -> None:
    path = gathered / "documents/train.jsonl"
    assert list(training_text(path, TokenizeSettings(), Context(tmp_path, {}))) == texts_of(gathered, "train")


def test_a_tokenizer_larger_than_the_text_supports_is_refused(tmp_path: Path, gathered: Path) -> None:
    with pytest.raises(
        UserError, match=r"vocab_size is 100,000; this text supports at most [\d,]+ tokens.*lower tokenize.vocab_size"
    ):
        tokenized(tmp_path / "out", gathered, vocab_size=100_000)


@pytest.mark.parametrize("polls", [0, 40, 70])
def test_stopping_leaves_nothing_half_written(
    tmp_path: Path, gathered: Path, polls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenize, "BATCH_BYTES", 1000)
    left = polls

    def stopping() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    with pytest.raises(Interrupted, match="the same command starts tokenizing again"):
        tokenized(tmp_path / "out", gathered, stopping=stopping)
    assert not (tmp_path / "out/tokenize.json").exists()
    assert not list((tmp_path / "out").glob(".*"))
    tokenized(tmp_path / "out", gathered)
    Shard(tmp_path / "out/train", Tokenizer.load(tmp_path / "out").sha256).verify()


def test_it_runs_again_over_what_a_killed_process_left(tmp_path: Path, gathered: Path) -> None:
    out = tmp_path / "out"
    (out / ".train.123.part").mkdir(parents=True)
    (out / ".train.123.part/tokens.bin").write_bytes(b"half")
    (out / "train").mkdir()
    (out / "train/tokens.bin").write_bytes(b"old")
    tokenized(out, gathered)
    assert not list(out.glob(".*"))
    Shard(out / "train").verify()


def test_sources_with_weights_are_mixed_and_others_leave_no_trace(tmp_path: Path) -> None:
    from trivium.base.config import validate
    from trivium.data.windows import Windows
    from trivium.stages import gather

    for name, word in (("a", "apple"), ("b", "berry")):
        rows = (json.dumps({"text": f"{word} number {n} of all the {word} there is"}) + "\n" for n in range(60))
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    weights = {"a": {"weight": 3}, "b": {"weight": 1, "epochs": 2}}
    for mixed in (True, False):
        sources = [
            {"kind": "files", "path": str(tmp_path / f"{name}.jsonl"), **(more if mixed else {})}
            for name, more in weights.items()
        ]
        out = tmp_path / str(mixed)
        settings = validate(gather.GatherSettings, {"sources": sources, "valid_share": 0.2}, "recipe")
        gather.run(settings, Context(out / "gather", {}))
        tokenized(out / "tokenize", out / "gather", vocab_size=300)
    shard = Shard(tmp_path / "True/tokenize/train")
    assert [(one.name, one.weight, one.epochs) for one in shard.sections] == [("a", 3, None), ("b", 1, 2)]
    assert sum(one.tokens for one in shard.sections) == len(shard.tokens)
    assert sum(one.documents for one in shard.sections) == len(shard.ends)
    tokenizer = Tokenizer.load(tmp_path / "True/tokenize")
    rows = [tokenizer.decode(row) for row in Windows(shard, 24, seed=0).batch(0, 40).tokens.tolist()]
    assert abs(sum("err" in row for row in rows) - 10) < 2 and not any("err" in row and "ppl" in row for row in rows)
    plain = Shard(tmp_path / "False/tokenize/train")
    assert not plain.sections and "sections" not in json.loads((plain.folder / "shard.json").read_text())
    assert (plain.tokens == shard.tokens).all()
