"""Pairs of one request share their answers' rows; the loss and its gradient are those of every pair by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.model.shapes import random_model
from tests.tokenizer.tiny import tiny_tokenizer
from trivium.base.errors import DataError
from trivium.loss.preference import bradley_terry
from trivium.rl.judgements import load_judged
from trivium.rl.pairs import Judged, judged, pair_batch, pair_batches
from trivium.rl.rewards import last_token_scores

REQUESTS = [
    Judged(((5, 6, 7, 8), (5, 9), (5, 8, 8)), ((0, 1), (2, 0), (2, 1))),
    Judged(((7, 6), (7, 6, 5)), ((1, 0),)),
]


def test_shared_rows_give_the_loss_and_gradient_of_separate_pairs() -> None:
    together, apart = random_model(head="score"), random_model(head="score")
    batch = pair_batch(REQUESTS, 0)
    assert batch.rows.tokens.shape == (5, 4) and batch.pairs == 4
    scores = last_token_scores(together, batch.rows.tokens, batch.rows.lengths)
    loss = bradley_terry(scores[batch.chosen], scores[batch.rejected], 0.1)
    loss.backward()
    total = 0.0
    for request in REQUESTS:
        for better, worse in request.pairs:
            one = [
                last_token_scores(apart, torch.tensor([answer]), torch.tensor([len(answer)]))
                for answer in (request.answers[better], request.answers[worse])
            ]
            part = bradley_terry(one[0], one[1], 0.1)
            part.backward()
            total += part.item()
    assert loss.item() == pytest.approx(total, rel=1e-5)
    for mine, other in zip(together.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_an_answer_is_kept_once_however_many_pairs_it_is_in() -> None:
    assert judged([((1, 2), (3,)), ((4,), (1, 2)), ((3,), (4,))]) == Judged(
        ((1, 2), (3,), (4,)), ((0, 1), (2, 0), (1, 2))
    )


def test_every_epoch_holds_each_request_once() -> None:
    requests = [Judged(((place,), (place, place)), ((0, 1),)) for place in range(7)]
    seen = [
        int(row[0])
        for step in range(7)
        for batch in [pair_batches(requests, 2, 3, step, 0)]
        for row, length in zip(batch.rows.tokens, batch.rows.lengths, strict=True)
        if length == 1
    ]
    assert sorted(seen[:7]) == sorted(seen[7:]) == list(range(7)) and seen[:7] != seen[7:]


def row(chosen: str, rejected: str, request: str = "a") -> dict[str, object]:
    prompt = [{"role": "user", "content": "hi"}]
    ended = {"chosen_ended": True, "rejected_ended": True}
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, "prompt_id": request, "split": "train"} | ended


def test_a_file_is_read_by_request(tmp_path: Path) -> None:
    path = tmp_path / "preferences.jsonl"
    rows = [row("yes", "no"), row("yes", "maybe"), row("no", "yes", "b")]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    (first, second) = load_judged(path, tiny_tokenizer(), 64)["train"]
    assert [len(first.answers), len(second.answers)] == [3, 2]
    assert first.pairs == ((0, 1), (0, 2)) and second.answers == first.answers[1::-1]


def test_a_pair_without_a_difference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "preferences.jsonl"
    path.write_text(json.dumps(row("yes", "no")) + "\n" + json.dumps(row("no", "no")) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"preferences\.jsonl:2: field 'rejected': .* the same"):
        load_judged(path, tiny_tokenizer(), 64)
