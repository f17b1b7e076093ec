"""Tokenizing: a byte-level BPE learned from the training text, and all text as token shards.

Leaves tokenizer.json and tokenizer_config.json, the shards train/ and valid/, and tokenize.json. The tokenizer is trained
on at most so many megabytes, drawn at random from the whole; validation text is never among them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import Interrupted, UserError
from trivium.base.hub import Base
from trivium.base.progress import Context, Progress

if TYPE_CHECKING:
    import numpy

    from trivium.data.shards import Section
    from trivium.tokenizer import Tokenizer

    Array = numpy.ndarray[Any, Any]

NEEDS = ("gather",)
ROWS = {"documents": 1}
SPLITS = ("train", "valid")
BATCH_BYTES = 1 << 20  # text between two looks at whether the user wants to stop
MOST_LISTED = 40
SAMPLE_CHARACTERS = 400
SAMPLE_MEGABYTES = 1.0  # of the training text, on which vocabularies are compared


class TokenizeSettings(Settings):
    """The tokenizer's size, and on how much text it is trained."""

    vocab_size: int = Field(default=2048, ge=262, description="tokens, the 256 bytes and the special ones included")
    masked_tokens: bool = Field(
        default=False, description="for masked models: tokens that mark, and where words and sentences begin"
    )
    base: Base | None = Field(
        default=None, description="a model whose tokenizer is used (its folder, or {hub: owner/name}); none is trained"
    )
    max_training_megabytes: float = Field(
        default=16.0, gt=0, description="text that the tokenizer is trained on, at most"
    )


def run(settings: TokenizeSettings, context: Context) -> dict[str, Any]:
    """Train the tokenizer and write the shards. Returns the headline figures."""
    from trivium.base.files import write_json
    from trivium.data.outbox import remove_leftovers
    from trivium.tokenizer import train

    started = time.monotonic()
    remove_leftovers(context.folder)
    texts = {split: context.inputs["gather"] / "documents" / f"{split}.jsonl" for split in SPLITS}
    if settings.base is not None:
        tokenizer = tokenizer_of(settings, context)
    else:
        note = f"training a tokenizer of {settings.vocab_size:,} tokens"
        context.report(Progress("tokenize", 0, 1, "bytes", note=note))
        text = training_text(texts["train"], settings, context)
        tokenizer = train(text, settings.vocab_size, settings.masked_tokens)
    tokenizer.save(context.folder)
    trained = time.monotonic()
    size = sum(path.stat().st_size for path in texts.values())
    encoding = Encoding(tokenizer, context, size, marked=settings.masked_tokens)
    for split, path in texts.items():
        encoding.write(path, context.folder / split)
    seconds = time.monotonic() - trained
    figures = encoding.figures()
    times = {"training": round(trained - started, 3), "encoding": round(seconds, 3)}
    about = {**describe(encoding, texts["valid"]), **sizes(encoding, texts["train"], context)}
    write_json(context.folder / "tokenize.json", {**figures, **about, "seconds": times})
    overall = round(encoding.bytes / max(encoding.tokens, 1), 4)
    return {
        "vocab_size": tokenizer.vocab_size,
        "bytes_per_token": overall,
        "train_tokens": figures["shards"]["train"]["tokens"],
        "valid_tokens": figures["shards"]["valid"]["tokens"],
        "unused_tokens": figures["unused_tokens"],
        "megabytes_per_second": round(encoding.bytes / 1e6 / max(seconds, 1e-9), 2),
    }


def tokenizer_of(settings: TokenizeSettings, context: Context) -> Tokenizer:
    """The tokenizer of the base model; a decoder's that cannot render conversations gets tokens and a template for them.

    Raises UserError where masked tokens are asked for and it has none.
    """
    from trivium.model.hub import called, find_model
    from trivium.tokenizer import Tokenizer

    assert settings.base is not None
    folder = find_model(settings.base)
    tokenizer = Tokenizer.load(folder)
    context.report(
        Progress(
            "tokenize",
            0,
            1,
            "bytes",
            note=f"the tokenizer of {called(settings.base, folder)}, {tokenizer.vocab_size:,} tokens",
        )
    )
    if settings.masked_tokens and tokenizer.mask is None:
        raise UserError(
            f"{folder}: its tokenizer has no mask token; set tokenize.masked_tokens: false, or use a masked model's"
        )
    return tokenizer if settings.masked_tokens else tokenizer.with_chat()


def training_text(path: Path, settings: TokenizeSettings, context: Context) -> Iterator[str]:
    """The texts of a documents file, or pieces of them drawn at random, at most `max_training_megabytes` in all."""
    from trivium.base.files import read_jsonl
    from trivium.base.seeds import derive
    from trivium.data.text import cut_text

    most = int(settings.max_training_megabytes * 1_000_000)
    share = most / max(path.stat().st_size, 1)
    piece_bytes = min(max(most // 64, 256), 1 << 16)
    left = most
    for row in read_jsonl(path):
        if context.stopping():
            raise Interrupted("stopped while training the tokenizer; the same command starts tokenizing again")
        for number, piece in enumerate([row["text"]] if share >= 1 else cut_text(row["text"], piece_bytes)):
            if share < 1 and derive(context.seed, "tokenizer", row["id"], number) >= share * (1 << 63):
                continue
            left -= len(piece.encode("utf-8"))
            if left < 0:
                return
            yield piece


class Encoding:
    """Encodes documents into shards, and counts: how often each token, how many bytes and tokens of each source."""

    def __init__(self, tokenizer: Tokenizer, context: Context, expected: int, *, marked: bool = False) -> None:
        import numpy

        self.tokenizer, self.context, self.expected, self.marked = tokenizer, context, expected, marked
        self.counts = numpy.zeros(tokenizer.vocab_size, numpy.int64)  # in the training shard
        self.by_source: dict[str, list[int]] = {}  # bytes, tokens (separators left out)
        self.shards: dict[str, dict[str, int]] = {}
        self.bytes = self.tokens = 0

    def write(self, path: Path, folder: Path) -> None:
        """The documents of the file `path` as the shard `folder`."""
        import numpy

        from trivium.data.shards import write_shard

        tokenizer = self.tokenizer
        parts: dict[str, list[int]] = {}  # of this shard: documents and tokens by source, separators counted
        facts = (tokenizer.sha256, tokenizer.vocab_size, tokenizer.end_of_text, self.marked)
        with write_shard(folder, *facts) as writer:
            for rows in batches_of(path):
                if self.context.stopping():
                    raise Interrupted(
                        f"stopped after {self.bytes / 1e6:.1f} MB; the same command starts tokenizing again"
                    )
                encoded, marks = self._encode([row["text"] for row in rows])
                for row, ids, begun in zip(rows, encoded, marks, strict=True):
                    size = len(row["text"].encode("utf-8"))
                    writer.add(ids, size, begun)
                    amount = self.by_source.setdefault(row["source"], [0, 0])
                    amount[0] += size
                    amount[1] += len(ids)
                    part = parts.setdefault(row["source"], [0, 0])
                    part[0] += 1
                    part[1] += len(ids) + 1
                    self.bytes += size
                    self.tokens += len(ids)
                if folder.name == "train":
                    self.counts += numpy.bincount(numpy.concatenate(encoded), minlength=len(self.counts))
                self.context.report(Progress("tokenize", min(self.bytes, self.expected), self.expected, "bytes"))
            if folder.name == "train":
                writer.sections = _sections(parts, self.context)
        self.shards[folder.name] = {"tokens": writer.tokens, "documents": writer.documents, "bytes": writer.bytes}

    def _encode(self, texts: list[str]) -> tuple[list[Array], Sequence[Array | None]]:
        """The ids of each text and, where they are wanted, its marks."""
        import numpy

        from trivium.data.sentences import marks_of

        if not self.marked:
            return self.tokenizer.encode_many(texts), [None] * len(texts)
        spans = [self.tokenizer.encode_spans(text) for text in texts]
        marks = [marks_of(text, one) for text, one in zip(texts, spans, strict=True)]
        return [numpy.array(one.ids, numpy.uint32) for one in spans], marks

    def figures(self) -> dict[str, Any]:
        """Sizes, and bytes per token overall and by source."""
        rates = {source: round(size / max(tokens, 1), 4) for source, (size, tokens) in self.by_source.items()}
        special = set(self.tokenizer.special.values())
        unused = [number for number in (self.counts == 0).nonzero()[0].tolist() if number not in special]
        return {
            "vocab_size": self.tokenizer.vocab_size,
            "tokenizer_sha256": self.tokenizer.sha256,
            "shards": self.shards,
            "bytes_per_token": round(self.bytes / max(self.tokens, 1), 4),
            "bytes_per_token_by_source": rates,
            "unused_tokens": len(unused),
            "unused_multibyte_tokens": sum(len(piece) > 1 for piece in self.tokenizer.pieces(unused)),
        }


def _sections(parts: dict[str, list[int]], context: Context) -> list[Section]:
    """The sources of the training shard with their weights; none where they are not mixed."""
    from trivium.data.manifest import mix_of
    from trivium.data.shards import Section

    mix = mix_of(context.inputs["gather"]) if "gather" in context.inputs else {}
    return [Section(name, counts[0], counts[1], *mix[name]) for name, counts in parts.items()] if mix else []


def describe(encoding: Encoding, path: Path) -> dict[str, Any]:
    """The longest tokens, the most frequent ones, and the beginning of a validation document cut into tokens."""
    from trivium.base.files import read_jsonl

    tokenizer = encoding.tokenizer
    ordinary = [number for number in range(tokenizer.vocab_size) if number not in tokenizer.special.values()]
    longest = sorted(ordinary, key=lambda number: (-len(tokenizer.pieces([number])[0]), number))[:MOST_LISTED]
    frequent = sorted(ordinary, key=lambda number: (-int(encoding.counts[number]), number))[:MOST_LISTED]
    text = next(read_jsonl(path))["text"][:SAMPLE_CHARACTERS]
    ids = tokenizer.encode(text)
    return {
        "longest_tokens": [
            {"text": tokenizer.decode([number]), "count": int(encoding.counts[number])} for number in longest
        ],
        "frequent_tokens": [
            {"text": tokenizer.decode([number]), "count": int(encoding.counts[number])} for number in frequent
        ],
        "sample": {"text": text, "ids": ids, "tokens": [tokenizer.decode([number]) for number in ids]},
    }


def sizes(encoding: Encoding, path: Path, context: Context) -> dict[str, Any]:
    """What smaller vocabularies would have given on a sample of the training text, and what size is advised."""
    from dataclasses import asdict

    from trivium.tokenizer.advice import advise, sizes_of

    sample = list(training_text(path, TokenizeSettings(max_training_megabytes=SAMPLE_MEGABYTES), context))
    found = sizes_of(encoding.tokenizer, sample, encoding.shards["train"]["bytes"])
    return {"sizes": [asdict(size) for size in found], "advice": advise(found)}


def batches_of(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of a documents file, about `BATCH_BYTES` of text at a time."""
    from trivium.base.files import read_jsonl

    batch: list[dict[str, Any]] = []
    size = 0
    for row in read_jsonl(path):
        batch.append(row)
        size += len(row["text"])
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
