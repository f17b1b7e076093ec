"""Options scored side by side behind shared beginnings are scored as each alone; whatever shape the model has."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.reference.option_scores import alone
from trivium.base.errors import UserError
from trivium.base.seeds import python_random, torch_random
from trivium.generate.options import Ask, beginnings, log_likelihoods
from trivium.model.architecture import Architecture
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer


def _model(**changes: object) -> Transformer:
    shape = Architecture(
        vocab_size=50, hidden_size=24, num_layers=3, num_heads=4, num_kv_heads=2, head_dim=6, intermediate_size=32,
        max_positions=64,
    )  # fmt: skip
    model = Transformer(dataclasses.replace(shape, **changes))  # type: ignore[arg-type]
    initialise(model, torch_random(0, "test"))
    return model.eval()


def _asks() -> list[Ask]:
    random = python_random(0, "asks")
    common = [random.randrange(50) for _ in range(21)]
    asks = []
    for number in range(40):
        own = [random.randrange(50) for _ in range(random.randrange(1, 9))]
        options = [tuple(random.randrange(50) for _ in range(random.randrange(1, 6))) for _ in range(number % 4 + 1)]
        asks.append(Ask(tuple(common[: random.choice((0, 18, 21))] + own), tuple(options)))
    return [*asks, asks[3]]


@pytest.mark.parametrize("changes", [{}, {"windows": (5, 0, 5)}, {"positions": "learned", "query_key_norm": False}])
def test_side_by_side_is_as_each_alone(changes: dict[str, object]) -> None:
    model = _model(**changes)
    asks = _asks()
    for ask, told in zip(asks, log_likelihoods(model, asks), strict=True):
        for option, one in zip(ask.options, told, strict=True):
            logprobs, greedy = alone(model, ask.prompt, option)
            assert one.logprobs == pytest.approx(logprobs, abs=2e-5)
            assert one.greedy == greedy


def test_the_likeliest_continuation_is_told_as_greedy() -> None:
    model = _model()
    prompt = (3, 4, 5)
    with torch.inference_mode():
        first = int(model.logits(model(torch.tensor([prompt])))[0, -1].argmax())
    (told,) = log_likelihoods(model, [Ask(prompt, ((first,), ((first + 1) % 50,)))])
    assert [one.greedy for one in told] == [True, False]


def test_beginnings_are_shared_by_all_of_a_group_and_leave_each_a_token() -> None:
    prompts = [(*range(20), 7), (*range(20), 8, 9), tuple(range(20)), (9, 9), (9, 9, 9)]
    groups = beginnings(prompts)
    assert sorted(number for _, members in groups for number in members) == list(range(5))
    for shared, members in groups:
        assert len({prompts[number][:shared] for number in members}) == 1
        assert all(shared < len(prompts[number]) for number in members)
    assert max(shared for shared, _ in groups) == 19


def test_what_cannot_be_read_is_refused_with_its_size() -> None:
    model = _model()
    with pytest.raises(UserError, match="60 tokens and an option 6; the model reads 64"):
        log_likelihoods(model, [Ask((1,) * 60, ((2,) * 6,))])
    with pytest.raises(UserError, match="no tokens"):
        log_likelihoods(model, [Ask((1,), ((),))])
