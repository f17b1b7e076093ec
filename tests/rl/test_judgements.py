"""What a preferences file may say, and what is wrong with one, told with its line and field; degenerate answers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from tests.model.shapes import random_model
from tests.tokenizer.tiny import tiny_tokenizer
from trivium.base.errors import DataError
from trivium.base.words import Message
from trivium.rl.judgements import answered, load_judged, with_pairs
from trivium.rl.pairs import Judged, pair_batch
from trivium.rl.probes import KINDS, Spoiler
from trivium.rl.rewards import last_token_scores
from trivium.stages.reward import RewardSettings, learnable, loss_of

ASKED = [{"role": "user", "content": "hi"}]


def written(path: Path, *rows: dict[str, Any]) -> Path:
    whole = [{"prompt": ASKED, "prompt_id": "a", "split": "train", **row} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in whole), encoding="utf-8")
    return path


def test_everything_that_can_be_said_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "preferences.jsonl",
        {"chosen": "yes", "rejected": "no", "strength": 3},
        {"chosen": "no", "rejected": "maybe", "tie": True},
        {"answers": ["never", "yes", "no"], "best": 1},
        {"answer": "maybe", "rating": 4},
        {"answer": "yes", "rating": 6.5},
        {"answer": "never", "good": False},
        {"chosen": "yes", "rejected": "yes", "rejected_ended": False},
    )
    (request,) = load_judged(path, tiny_tokenizer(), 64)["train"]
    assert len(request.answers) == 5  # yes, no, maybe, never, and yes cut off
    assert request.pairs == ((0, 1), (0, 4)) and request.strengths == (3, 1)
    assert request.ties == ((1, 2),) and request.lists == ((0, 3, 1),)
    assert request.ratings == ((2, 4.0), (0, 6.5)) and request.verdicts == ((3, False),)
    assert request.compared == ((0, 1), (0, 4), (0, 3), (0, 1), (0, 2))
    prompt = tiny_tokenizer().render([Message("user", "hi")], add_generation_prompt=True).ids
    assert all(answer[:start] == tuple(prompt) for answer, start in zip(request.answers, request.starts, strict=True))
    assert request.answers[4] == request.answers[0][:-1]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"chosen": "a", "rejected": "a"}, "field 'rejected': chosen and rejected are the same"),
        ({"chosen": "a"}, "field 'rejected': is missing"),
        ({"chosen": "a", "rejected": 3}, "field 'rejected': should be text, is int"),
        ({"chosen": "a", "rejected": "b", "strength": 9}, "field 'strength': is 9; 1"),
        ({"chosen": "a " * 90, "rejected": "b"}, "field 'prompt': .* tokens; the model reads at most 64"),
        ({"answers": ["a"], "best": 0}, "field 'answers': should be a list of two"),
        ({"answers": ["a", "b", "a"], "best": 0}, "field 'answers': holds the same answer twice"),
        ({"answers": ["a", "b"], "best": 2}, "field 'best': is 2; it should be a place, 0 to 1"),
        ({"answer": "a", "rating": "good"}, "field 'rating': should be a number, is 'good'"),
        ({"answer": "a", "rating": math.nan}, "field 'rating': should be a number, is nan"),
        ({"answer": "a", "good": 1}, "field 'good': should be true or false, is 1"),
        ({"answer": "a"}, "field 'good': is missing; an answer alone needs it, or 'rating'"),
        ({"chosen": "a", "rejected": "b", "prompt": "hi"}, "field 'prompt': should be a list of turns"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_field(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    path = written(tmp_path / "preferences.jsonl", {"chosen": "yes", "rejected": "no"}, row)
    with pytest.raises(DataError, match=rf"preferences\.jsonl:2: {told}"):
        load_judged(path, tiny_tokenizer(), 64)


def test_a_pair_with_an_answer_that_has_no_token_is_left_out() -> None:
    requests = {"train": [Judged(((1, 2), (1,), (1, 3)), ((0, 1), (0, 2)), (1, 1, 1))]}
    kept, dropped = with_pairs(requests)
    assert kept["train"][0].pairs == ((0, 2),) and dropped == 1


def test_ties_come_along_where_they_are_learned_from() -> None:
    tied = Judged(((1, 2), (1,), (1, 3)), (), (1, 1, 1), ties=((0, 2), (0, 1)))
    requests = {"train": [tied], "heldout": [tied, replace(tied, pairs=((2, 0),))]}
    kept, dropped = with_pairs(requests, ties=True)
    assert kept["train"][0].ties == ((0, 2),) and dropped == 1  # one has an answer without a token
    assert [(one.pairs, one.ties) for one in kept["heldout"]] == [(((2, 0),), ())]
    assert "train" not in with_pairs(requests)[0]


def test_an_answer_begins_where_the_last_turn_does() -> None:
    turns = [Message("user", "hi"), Message("assistant", "yes"), Message("user", "so?")]
    ids, start = answered(tiny_tokenizer(), turns, "no", True)
    assert ids[:start] == tuple(tiny_tokenizer().render(turns, add_generation_prompt=True).ids)


def test_the_loss_of_a_step_is_the_sum_of_all_that_was_said() -> None:
    model = random_model(head="score")
    rows = ((5, 6, 7, 8), (5, 9), (5, 8, 8))
    request = Judged(rows, ((0, 1),), strengths=(3,), ties=((1, 2),), lists=((2, 0, 1),), ratings=((1, 0.5),))
    settings = RewardSettings(margin=0.4, centring=0.0)
    batch = pair_batch([request, Judged(((7, 6), (7, 5)), ((1, 0),))], 0)
    with torch.no_grad():
        a, b, c = (last_token_scores(model, torch.tensor([row]), torch.tensor([len(row)])).item() for row in rows)
        one, two = (last_token_scores(model, torch.tensor([row]), torch.tensor([2])).item() for row in ((7, 6), (7, 5)))
        found = loss_of(model, batch, settings, ties=0.5).item()

    def nats(ahead: float, tie: bool = False) -> float:
        """Davidson's: win, loss and tie weigh e^(d/2), e^(-d/2) and v."""
        whole = math.exp(ahead / 2) + math.exp(-ahead / 2) + 0.5
        return -math.log((0.5 if tie else math.exp(ahead / 2)) / whole)

    total = nats(a - b - 0.8) + nats(two - one) + nats(b - c, tie=True) + 0.5 * (b - 0.5) ** 2
    total += math.log(sum(map(math.exp, (a, b, c)))) - c
    assert found == pytest.approx(total, rel=1e-4) and batch.said == 5


def test_ratings_are_standardised_by_those_trained_on_and_held_out_ones_give_pairs() -> None:
    train = Judged(((1, 2), (1, 3)), ratings=((0, 2.0), (1, 6.0)))
    heldout = Judged(((1, 2), (1, 3)), ratings=((0, 9.0), (1, 1.0)))
    only_verdicts = Judged(((1, 2),), verdicts=((0, True),))
    found, measured = learnable({"train": [train, only_verdicts], "heldout": [heldout, only_verdicts]})
    assert found == [Judged(((1, 2), (1, 3)), ratings=((0, -1.0), (1, 1.0)))]
    assert [one.pairs for one in measured] == [((0, 1),)]
    mixed = Judged(((1, 2), (1, 3)), ratings=((0, 9.0), (1, 1.0), (0, 5.0)), rated_by=("a", "b", "a"))
    assert mixed.compared == ()  # two people's scales, or one person about one answer: nothing is compared


def test_degenerate_answers_are_what_they_are_called_and_lose() -> None:
    tokenizer = tiny_tokenizer()
    end = tokenizer.end_of_turn
    requests = [Judged(((1, 2, 30 + n, 31 + n, 32 + n, end), (1, 2, 9, end)), ((0, 1),), (2, 2)) for n in range(5)]
    spoiler = Spoiler(requests, tokenizer, 40)
    probes = spoiler.probes(requests)
    assert {kind: len(rows) for kind, rows in probes.items()} == dict.fromkeys(KINDS, 5)
    assert probes["empty"][0] == (1, 2, end)
    assert probes["repetition"][1] == (1, 2, 31, 32, 33, 31, end)
    assert len(probes["very long"][0]) == 2 + 4 * 4 + 1 and probes["very long"][0][2:7] == (30, 31, 32, 30, 31)
    for seed in range(20):
        spoiled = spoiler.spoiled(requests[0], Random(seed))
        assert spoiled.pairs == ((0, 1), (0, 2)) and spoiled.answers[:2] == requests[0].answers
        assert spoiled.answers[2][:2] == (1, 2) and spoiled.answers[2][-1] == end and len(spoiled.answers[2]) <= 40
        assert spoiled.starts == (2, 2, 2) and spoiled.strengths == (1, 1)
