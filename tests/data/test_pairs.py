"""Pairs: the true next text or one of another document, within a length, from sentences; and the batches made of them."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch

from tests.data.marked import documents, marked_shard, masked_tokenizer
from trivium.base.errors import UserError
from trivium.base.ranks import Ranks
from trivium.data.masked import MaskedBatches, MaskedRows, fixed_batches
from trivium.data.masking_settings import MaskSettings
from trivium.data.pairs import rows_of
from trivium.data.sentences import sentence_starts
from trivium.data.shards import SENTENCE, WORD, Shard, without_documents

ROOM = 24


def document_of(shard: Shard, place: int) -> int:
    return int(numpy.searchsorted(shard.ends, place, side="right"))


def test_sentences_begin_at_lines_and_after_marks() -> None:
    text = "  One here. Two (e.g. this) there!  'Three?' said 4. five\nsix\n\nSeven. 8 it is."
    found = [text[a:b].strip() for a, b in zip(sentence_starts(text), [*sentence_starts(text)[1:], None], strict=True)]
    assert found == ["One here.", "Two (e.g. this) there!", "'Three?' said 4. five", "six", "Seven.", "8 it is."]
    assert sentence_starts(" \n ") == []


def test_marks_tell_where_words_and_sentences_begin(tmp_path: Path) -> None:
    shard, tokenizer = marked_shard(tmp_path / "s", documents()), masked_tokenizer()
    assert shard.marks is not None
    shard.verify()
    start = int(shard.ends[5])
    text, stop = documents()[6], int(shard.ends[6]) - 1
    begun = (shard.marks[start:stop] & SENTENCE) > 0
    pieces = numpy.split(shard.tokens[start:stop], numpy.flatnonzero(begun)[1:])
    assert [tokenizer.decode(piece.tolist()).strip() for piece in pieces] == [
        f"{part}." for part in text[:-1].split(". ")
    ]
    words = numpy.split(shard.tokens[start:stop], numpy.flatnonzero(shard.marks[start:stop] & WORD)[1:])
    assert [tokenizer.decode(piece.tolist()) for piece in words][:4] == ["The", " hen", " sees", " an"]


def test_a_document_that_is_taken_out_takes_its_marks_with_it(tmp_path: Path) -> None:
    marked_shard(tmp_path / "s", documents())
    without_documents(tmp_path / "s", {0, 5})
    kept = [text for number, text in enumerate(documents()) if number not in (0, 5)]
    expected, found = marked_shard(tmp_path / "t", kept), Shard(tmp_path / "s")
    assert (found.marks == expected.marks).all() and (found.tokens == expected.tokens).all()


@pytest.mark.parametrize("kind", ["nsp", "sop"])
def test_every_pair_is_what_its_label_says(tmp_path: Path, kind: str) -> None:
    shard = marked_shard(tmp_path / "s", documents(60))
    labels = []
    for epoch in range(12):
        rows = rows_of(shard, kind, ROOM, 5, epoch)  # type: ignore[arg-type]
        assert (rows.lengths <= ROOM).all() and (rows.lengths >= 2).all()
        for (a, b), (c, d), label in zip(rows.first.tolist(), rows.second.tolist(), rows.labels.tolist(), strict=True):
            assert a < b and c < d
            assert document_of(shard, a) == document_of(shard, b - 1) and document_of(shard, c) == document_of(
                shard, d - 1
            )
            same = document_of(shard, a) == document_of(shard, c)
            if kind == "nsp":
                assert same == (label == 0)
                assert label == 1 or c >= b
            else:
                assert same and (d <= a if label else b <= c)
            labels.append(label)
    if kind == "sop":  # drawn evenly
        assert abs(numpy.mean(labels) - 0.5) < 3 * 0.5 / len(labels) ** 0.5
    else:  # documents of one sentence have no next text
        assert 0.5 < numpy.mean(labels) < 0.8
    again = rows_of(shard, kind, ROOM, 5, 11)  # type: ignore[arg-type]
    assert (again.first == rows.first).all() and (again.labels == rows.labels).all()


def test_sentences_that_a_foreign_text_stands_for_are_used_again(tmp_path: Path) -> None:
    shard = marked_shard(tmp_path / "s", documents(40))
    rows = rows_of(shard, "nsp", 10_000, 1, 0)
    seen = numpy.zeros(len(shard.tokens), int)
    for (a, b), (c, d), label in zip(rows.first.tolist(), rows.second.tolist(), rows.labels.tolist(), strict=True):
        seen[a:b] += 1
        if label == 0:
            seen[c:d] += 1
    inside = numpy.ones(len(shard.tokens), bool)
    inside[shard.ends - 1] = False
    assert (seen[inside] == 1).all()  # each token once, but where it stands in for another document's


def test_one_document_gives_no_next_sentence_pairs(tmp_path: Path) -> None:
    shard = marked_shard(tmp_path / "s", documents(7)[6:])
    with pytest.raises(UserError, match=r"at least two documents; .* has 1: gather more, or set"):
        rows_of(shard, "nsp", ROOM, 0, 0)
    assert len(rows_of(shard, "sop", ROOM, 0, 0)) > 1


def test_single_texts_cover_every_token_once(tmp_path: Path) -> None:
    shard = marked_shard(tmp_path / "s", documents())
    rows = rows_of(shard, "none", 9, 0, 0)
    covered = numpy.concatenate([numpy.arange(a, b) for a, b in rows.first.tolist()])
    inside = numpy.setdiff1d(numpy.arange(len(shard.tokens)), shard.ends - 1)
    assert (numpy.sort(covered) == inside).all() and rows.lengths.max() <= 9


@pytest.mark.parametrize("kind", ["none", "nsp"])
def test_batches_hold_framed_rows_and_the_tokens_to_be_found(tmp_path: Path, kind: str) -> None:
    shard, tokenizer = marked_shard(tmp_path / "s", documents(60)), masked_tokenizer()
    rows = MaskedRows(shard, tokenizer, MaskSettings(split=(0.0, 1.0, 0.0)), kind, 28, seed=2)  # type: ignore[arg-type]
    for batch in MaskedBatches(rows, 16, 4).batches(3):
        clean = batch.tokens.clone().reshape(-1)
        clean[batch.places] = batch.targets
        clean = clean.view(batch.tokens.shape)
        for tokens, real, types in zip(clean, batch.real, batch.types, strict=True):
            row = tokens[real].tolist()
            assert (row[0], row[-1]) == (tokenizer.cls, tokenizer.sep) and (tokens[~real] == tokenizer.pad).all()
            assert row.count(tokenizer.sep) == (1 if kind == "none" else 2) and len(row) <= 28
            middle = row.index(tokenizer.sep)
            framed = tokenizer.frame(row[1:middle], None if kind == "none" else row[middle + 1 : -1])
            assert (framed.ids, framed.types) == (row, types[real].tolist())
        assert not set(batch.targets.tolist()) & set(tokenizer.special.values())
        assert (batch.relations is None) == (kind == "none")


def test_an_epoch_holds_each_row_once_and_processes_share_a_step(tmp_path: Path) -> None:
    shard, tokenizer = marked_shard(tmp_path / "s", documents(60)), masked_tokenizer()
    rows = MaskedRows(shard, tokenizer, MaskSettings(), "nsp", 28, seed=2)
    first, second = len(rows.epoch(0)), len(rows.epoch(1))
    epochs, numbers = rows.locate(0, first + second)
    assert sorted(numbers[epochs == 0]) == list(range(first)) and sorted(numbers[epochs == 1]) == list(range(second))
    late = rows.locate(first - 3, 5)
    assert (late[0] == epochs[first - 3 : first + 2]).all() and (late[1] == numbers[first - 3 : first + 2]).all()
    whole = [batch.targets for batch in MaskedBatches(rows, 12, 12).batches(1)]
    shares = [MaskedBatches(rows, 12, 4, Ranks(rank, 2)).batches(1) for rank in range(2)]
    assert [len(share) for share in shares] == [2, 2]
    parts = torch.cat([batch.targets for share in shares for batch in share])
    assert sorted(parts.tolist()) == sorted(torch.cat(whole).tolist())


def test_an_evaluation_hides_the_same_whatever_the_training_rate(tmp_path: Path) -> None:
    shard, tokenizer = marked_shard(tmp_path / "s", documents(60)), masked_tokenizer()
    found = []
    for rate, seed in ((0.15, 1), (0.4, 2)):
        rows = MaskedRows(shard, tokenizer, MaskSettings(rate=rate), "none", 28, seed)
        found.append(fixed_batches(rows, 8, 20))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one.tokens, other.tokens) and torch.equal(one.places, other.places)
    hidden = sum(len(batch.places) for batch in found[0]) / sum(
        int(batch.real.sum()) - 2 * len(batch.real) for batch in found[0]
    )
    assert 0.1 < hidden < 0.2


@pytest.mark.parametrize("kind", ["none", "nsp"])
def test_sources_with_weights_have_their_share_of_the_rows_and_epochs_of_their_own(tmp_path: Path, kind: str) -> None:
    shard = marked_shard(tmp_path / "s", documents(60), ((20, 1.0, None), (40, 3.0, None)))
    rows = MaskedRows(shard, masked_tokenizer(), MaskSettings(), kind, 28, seed=2)  # type: ignore[arg-type]
    border = shard.ends[19]
    epochs, numbers = rows.locate(0, 600)
    first = numpy.array(
        [rows.epoch(e).first[r, 0] < border for e, r in zip(epochs.tolist(), numbers.tolist(), strict=True)]
    )
    shares = numpy.cumsum(first) / numpy.arange(1, 601)
    assert abs(numpy.cumsum(first) - 0.25 * numpy.arange(1, 601)).max() < 2 and shares[-1] == pytest.approx(
        0.25, abs=0.01
    )
    for own in (first, ~first):  # each source goes through all of its rows before any comes again
        size = int(numpy.array([epochs[own] == 0]).sum())
        assert size == int(rows.counts(0)[0 if own is first else 1])
        assert len(set(numbers[own][:size].tolist())) == size and (epochs[own][:size] == 0).all()
    late = rows.locate(401, 50)
    assert (late[0] == epochs[401:451]).all() and (late[1] == numbers[401:451]).all()


def test_a_source_that_is_used_up_leaves_and_too_many_steps_are_told(tmp_path: Path) -> None:
    shard = marked_shard(tmp_path / "s", documents(60), ((20, 1.0, 2.0), (40, 3.0, 1.0)))
    rows = MaskedRows(shard, masked_tokenizer(), MaskSettings(), "none", 28, seed=2)
    total = 2 * int(rows.counts(0)[0]) + int(rows.counts(0)[1])
    rows.require(total)
    with pytest.raises(UserError, match=f"{total + 1:,} are asked for: raise epochs"):
        rows.require(total + 1)
    epochs, numbers = rows.locate(0, total)
    assert len(set(zip(epochs.tolist(), numbers.tolist(), strict=True))) == total
