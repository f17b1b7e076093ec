"""Bits per byte and perplexity of texts that the run did not gather, and of the model that its pre-training went on from: what
adaptation to a domain gained there, and what it cost elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy

from trivium.base.device import choose_machine
from trivium.base.errors import DataError, UserError
from trivium.base.hub import Base
from trivium.base.progress import Context
from trivium.data.ledger import Ledger
from trivium.data.rows import read_rows, text_of
from trivium.data.shards import Shard, write_shard
from trivium.data.text import read_text
from trivium.evaluate.scores import score_row
from trivium.evaluate.text import bits_per_byte_estimate, perplexity
from trivium.model.folder import load, resize_vocabulary
from trivium.model.hub import find_model
from trivium.model.transformer import Transformer
from trivium.tokenizer import Tokenizer

PIECE_BYTES = 1 << 20


def valid_rows(
    name: str, model: Transformer, tokenizer: Tokenizer, length: int, context: Context
) -> list[dict[str, Any]]:
    """Perplexity and bits per byte of the run's validation text under one model, with intervals over its rows of `length`
    tokens."""
    shard = Shard(context.inputs["tokenize"] / "valid", tokenizer.sha256)
    return _rows(("valid_", ""), name, model, shard, length, context, "the whole validation text")


def further_scores(
    texts: Mapping[str, Path],
    base: Base | None,
    models: Mapping[str, Transformer],
    tokenizer: Tokenizer,
    length: int,
    context: Context,
) -> list[dict[str, Any]]:
    """The base on the validation text, and it and every model on every further text: `perplexity/NAME`,
    `bits_per_byte/NAME`. The texts' tokens are left in the stage's folder.

    Raises DataError where a text cannot be read or is too short to measure.
    """
    rows = []
    if base is not None:
        models = {
            "base": base_of(find_model(base), tokenizer).to(next(iter(models.values())).embedding.weight.device),
            **models,
        }
        rows += valid_rows("base", models["base"], tokenizer, length, context)
    for name, path in texts.items():
        shard = as_shard(path, tokenizer, context.folder / "texts" / name, length)
        for stage, model in models.items():
            rows += _rows(("", f"/{name}"), stage, model, shard, length, context, f"all of {path.name}")
    return rows


def _rows(
    around: tuple[str, str], stage: str, model: Transformer, shard: Shard, length: int, context: Context, note: str
) -> list[dict[str, Any]]:
    machine = choose_machine(context.device, context.threads, "float32")
    bits = bits_per_byte_estimate(model, shard, length, machine)
    model.eval()
    before, after = around  # what stands around the measure in the name of a score
    note = f"{note}, in groups of rows"
    each = f"{note}; of a token of its vocabulary"
    return [
        score_row(f"{before}perplexity{after}", stage, perplexity(bits, shard), "", each),
        score_row(f"{before}bits_per_byte{after}", stage, bits, "bits", note),
    ]


def as_shard(path: Path, tokenizer: Tokenizer, folder: Path, length: int) -> Shard:
    """The documents of a `.jsonl` (field `text`), or any other file as one text, as a shard in `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with write_shard(folder, tokenizer.sha256, tokenizer.vocab_size, tokenizer.end_of_text) as writer:
        for text in _documents(path):
            writer.add(numpy.asarray(tokenizer.encode(text), numpy.int64), len(text.encode("utf-8")))
    shard = Shard(folder, tokenizer.sha256)
    if len(shard.tokens) <= length:
        raise DataError(f"has {len(shard.tokens)} tokens; more than evaluate.length ({length}) are needed", file=path)
    return shard


def base_of(folder: Path, tokenizer: Tokenizer) -> Transformer:
    """The causal model in a folder, for this tokenizer. Raises UserError where it came with another one."""
    known = Tokenizer.load(folder)
    if tokenizer.sha256 not in (known.sha256, known.with_chat().sha256):
        raise UserError(f"evaluate.base: {folder} has another tokenizer than the run; set tokenize.base to it too")
    model = load(folder, "language")
    if tokenizer.vocab_size > model.shape.vocab_size:
        model = resize_vocabulary(model, tokenizer.vocab_size)
    return model.eval()


def _documents(path: Path) -> Iterator[str]:
    if path.is_dir():
        raise DataError("is a folder; give one file, .jsonl or plain text", file=path)
    ledger = Ledger(strict=True)
    if path.suffix == ".jsonl":
        for line, row in read_rows(path, "refuse", ledger):
            yield text_of(row, "text", path, line)
    else:
        yield from read_text(path, PIECE_BYTES, "refuse", ledger)
