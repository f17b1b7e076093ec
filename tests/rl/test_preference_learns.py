"""What is preferred becomes more frequent on requests that were never trained on, by DPO and by KTO, from noisy raters."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.model.shapes import SHAPE
from trivium.base.device import Machine
from trivium.base.progress import Context
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.rl.pairs import Judged
from trivium.rl.reference import Reference, log_likelihoods_of
from trivium.rl.tuning import Tuning
from trivium.stages import align_dpo, align_kto
from trivium.train.distributed import Team
from trivium.train.fit import fit
from trivium.train.layout import Layout

STOPS = (1, 2, 3, 4)
CPU = Machine(torch.device("cpu"), torch.float32, 1)
NOISE = 0.1  # share of judgements made by a coin


def new_model() -> Transformer:
    model = Transformer(SHAPE)
    initialise(model, torch.Generator().manual_seed(0))
    return model


def utility(answer: list[int]) -> float:
    """What the raters like: even tokens. An untrained model's answers have about one half of them."""
    return sum(token % 2 == 0 for token in answer) / len(answer)


def answers(model: Transformer, prompts: list[tuple[int, ...]], seed: int) -> list[list[list[int]]]:
    rows = Engine(model.eval(), STOPS).run([Request(prompt, 4) for prompt in prompts], Sampling(8), seed)
    return [[row.tokens for row in group] for group in rows]


def judged(model: Transformer, prompts: list[tuple[int, ...]], random: Random) -> list[Judged]:
    found = []
    for prompt, group in zip(prompts, answers(model, prompts, 5), strict=True):
        pairs = []
        for one in range(4):
            for other in range(one):
                if utility(group[one]) != utility(group[other]):
                    better = utility(group[one]) > utility(group[other])
                    better = random.random() < 0.5 if random.random() < NOISE else better
                    pairs.append((one, other) if better else (other, one))
        rows = tuple((*prompt, *answer) for answer in group)
        found.append(Judged(rows, tuple(pairs), (len(prompt),) * 4))
    return found


@pytest.mark.parametrize("stage", [align_dpo, align_kto])
def test_the_true_preference_rises_on_held_out_requests(tmp_path: Path, stage: Any) -> None:
    prompts = [(10 + number % 40, 10 + number // 40) for number in range(80)]
    policy, frozen = new_model(), new_model().eval()
    train = judged(policy, prompts[:64], Random(1))
    form = align_dpo.DpoSettings if stage is align_dpo else align_kto.KtoSettings
    settings: Any = form.model_validate(
        {"epochs": 6, "batch_size": 8, "instruction_weight": 0, "optimizer": {"adam_learning_rate": 0.005}}
    )
    tokenizer: Any = SimpleNamespace(pad=0)
    tuning = Tuning(settings, Reference(policy, frozen), Layout(policy, Team(CPU)), tokenizer, None, 0)
    known = log_likelihoods_of(train, tuning.reference.log_likelihoods, 0, tuning.team)
    heard: list[torch.Tensor] = []
    if stage is align_dpo:
        objective = align_dpo.objective_of(settings, tuning.reference, heard)
        job = tuning.job(
            48,
            lambda step: align_dpo.batches_of(train, known, step, settings, tuning),
            objective,
            lambda batch: batch.pairs.pairs,
        )
    else:
        train = align_kto.with_verdicts({"train": train})[0]["train"]
        job = tuning.job(
            48,
            lambda step: align_kto.batches_of(train, known, 8, step, tuning),
            align_kto.objective_of(settings, heard),
            lambda batch: len(batch.judged),
        )
    rows = list(fit(policy, job, Context(tmp_path, {})))

    def measured(model: Transformer) -> float:
        found = [utility(answer) for group in answers(model, prompts[64:], 77) for answer in group]
        return sum(found) / len(found)

    assert 0.35 < measured(frozen) < 0.65
    assert measured(policy) > measured(frozen) + 0.2
    if stage is align_dpo:
        assert rows[0].loss == pytest.approx(math.log(2), rel=1e-4) and rows[-1].loss < 0.6


def test_the_drift_of_kto_is_that_of_answers_to_other_requests() -> None:
    policy, frozen = new_model(), new_model().eval()
    with torch.no_grad():
        policy.embedding.weight.mul_(1.1)
    requests = [
        Judged(((10, 11, 20, 21), (10, 11, 22)), ((0, 1),), (2, 2), verdicts=((0, True), (1, False))),
        Judged(((12, 30, 31, 32),), (), (1,), verdicts=((0, True),)),
    ]
    assert align_kto.mismatched(requests, 40) == [((10, 11, 30, 31, 32), 2), ((12, 20, 21), 1)]
    tokenizer: Any = SimpleNamespace(pad=0)
    tuning = Tuning(align_kto.KtoSettings(), Reference(policy, frozen), Layout(policy, Team(CPU)), tokenizer, None, 0)
    total = 0.0
    with torch.no_grad():
        for row, start in align_kto.mismatched(requests, 40):
            for model, sign in ((policy, 1), (frozen, -1)):
                logs = model.logits(model(torch.tensor([row])))[0].log_softmax(dim=-1)
                total += sign * sum(float(logs[place - 1, row[place]]) for place in range(start, len(row)))
    assert float(align_kto.drift_of(requests, tuning)) == pytest.approx(max(0.0, total / 2), abs=1e-5)


def test_verdicts_are_those_of_pairs_too_and_answers_without_a_token_are_left_out() -> None:
    requests = {"train": [Judged(((1, 2), (1,)), ((0, 1),), (1, 1), verdicts=((0, False),))]}
    kept, dropped = align_kto.with_verdicts(requests)
    assert kept["train"][0].verdicts == ((0, True), (0, False)) and dropped == 1
