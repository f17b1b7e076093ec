"""Muon equals its one-matrix twin; state survives a round trip; schedules are what they say."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from tests.reference.average import averages
from tests.reference.muon import SlowMuon
from trivium.optim.average import Average
from trivium.optim.muon import MOST_SHARE, Matrix, Muon, orthogonalise, orthogonalising_flops
from trivium.optim.optimizer import Optimizer
from trivium.optim.schedule import decay_start, rate_factor
from trivium.optim.settings import OptimizerSettings, ScheduleSettings


def test_stacked_muon_equals_one_matrix_at_a_time_also_for_fused_and_tall_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    fused = nn.Parameter(torch.randn(14, 6, generator=generator))  # two matrices: 6 x 6 and 8 x 6
    wide = nn.Parameter(torch.randn(6, 8, generator=generator))
    slow = SlowMuon([fused[:6].detach().clone(), fused[6:].detach().clone(), wide.detach().clone()], 0.1, 0.9)
    fast = Muon([Matrix(fused, 0, 6), Matrix(fused, 6, 14), Matrix(wide, 0, 6)], momentum=0.9)
    assert len(fast.groups) == 2  # 6 x 6 alone; 8 x 6 and 6 x 8 together
    for _ in range(4):
        fused.grad, wide.grad = torch.randn(14, 6, generator=generator), torch.randn(6, 8, generator=generator)
        slow.step([fused.grad[:6], fused.grad[6:], wide.grad])
        fast.step(0.1)
    torch.testing.assert_close(fused.detach(), torch.cat(slow.weights[:2]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(wide.detach(), slow.weights[2], rtol=1e-4, atol=1e-5)


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(0))))
    assert values.min() > 0.6 and values.max() < 1.3


def test_orthogonalising_in_bfloat16_changes_an_update_by_less_than_the_iterations_leave_open() -> None:
    stack = torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(0))
    wide, narrow = orthogonalise(stack), orthogonalise(stack, torch.bfloat16)
    assert narrow.dtype == torch.float32
    for one, other in zip(wide, narrow, strict=True):
        assert float((one - other).norm() / one.norm()) < 0.02, "singular values are left in 0.7 to 1.2 anyway"


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.blocks = nn.ModuleList([nn.Linear(4, 12, bias=False), nn.Linear(12, 4, bias=False)])
        self.norm = nn.Parameter(torch.ones(4))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(tokens)
        return (hidden + self.blocks[1](torch.relu(self.blocks[0](hidden)))) * self.norm @ self.embedding.weight.t()


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_stopping_and_loading_the_state_gives_the_same_bits(name: str) -> None:
    def train(model: Tied, optimizer: Optimizer, steps: range) -> None:
        for step in steps:
            tokens = torch.arange(step, step + 5) % 7
            nn.functional.cross_entropy(model(tokens), (tokens * 3) % 7).backward()
            optimizer.step(1.0 / (step + 1))
            optimizer.zero_gradients()

    settings = OptimizerSettings(
        name=name,  # type: ignore[arg-type]
        learning_rate=0.05,
        adam_learning_rate=0.05,
        weight_decay=0.1,
        average=0.6,
    )
    rows = {"blocks.0.weight": (4, 8)}
    torch.manual_seed(0)
    whole = Tied()
    start = {key: value.clone() for key, value in whole.state_dict().items()}
    one = Optimizer(whole.named_parameters(), settings, lambda n: rows.get(n, (0,)))
    train(whole, one, range(6))
    first = Tied()
    first.load_state_dict(start)
    optimizer = Optimizer(first.named_parameters(), settings, lambda n: rows.get(n, (0,)))
    train(first, optimizer, range(3))
    second = Tied()
    second.load_state_dict(first.state_dict())
    resumed = Optimizer(second.named_parameters(), settings, lambda n: rows.get(n, (0,)))
    resumed.load_state({key: value.clone() for key, value in optimizer.state().items()})
    train(second, resumed, range(3, 6))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key
    assert resumed.average is not None and one.average is not None
    assert all(torch.equal(a, b) for a, b in zip(one.average.values, resumed.average.values, strict=True))


WSD = ScheduleSettings(warmup=10, decay_share=0.4)


@pytest.mark.parametrize("settings", [WSD, WSD.model_copy(update={"name": "constant"})])
def test_a_longer_run_is_the_same_run_until_the_shorter_one_decays(settings: ScheduleSettings) -> None:
    short = [rate_factor(step, 100, settings) for step in range(100)]
    long = [rate_factor(step, 300, settings) for step in range(300)]
    assert short[: decay_start(100, settings)] == long[: decay_start(100, settings)]


@pytest.mark.parametrize(
    ("name", "factors"),
    [  # six steps, two of warm-up, by hand
        ("wsd", [1 / 3, 2 / 3, 1, 3 / 4, 2 / 4, 1 / 4]),
        ("linear", [1 / 3, 2 / 3, 1, 3 / 4, 2 / 4, 1 / 4]),
        ("cosine", [1 / 3, 2 / 3, 1, (1 + 0.5**0.5) / 2, 1 / 2, (1 - 0.5**0.5) / 2]),
        ("constant", [1 / 3, 2 / 3, 1, 1, 1, 1]),
    ],
)
def test_schedules_are_what_they_are_called(name: str, factors: list[float]) -> None:
    settings = ScheduleSettings(name=name, warmup=2, decay_share=0.5)  # type: ignore[arg-type]
    assert [rate_factor(step, 6, settings) for step in range(6)] == pytest.approx(factors)
    floored = settings.model_copy(update={"floor": 0.1})
    expected = [*factors[:2], *(0.1 + 0.9 * factor for factor in factors[2:])]
    assert [rate_factor(step, 6, floored) for step in range(6)] == pytest.approx(expected)


def test_no_schedule_rises_after_the_warm_up_or_stops_learning() -> None:
    for name, warmup in itertools.product(("wsd", "linear", "cosine", "constant"), (0, 7, 50)):
        settings = ScheduleSettings(name=name, warmup=warmup)  # type: ignore[arg-type]
        factors = [rate_factor(step, 40, settings) for step in range(40)]
        assert all(0 < factor <= 1 for factor in factors)
        assert all(later <= earlier for earlier, later in itertools.pairwise(factors[warmup:]))


def test_the_average_is_that_of_the_formula_and_is_exchanged_with_the_weights() -> None:
    path = [[1.0, 3.0, -2.0, 0.5, 9.0, 9.5], [0.0, -1.0, 4.0, 4.0, 2.0, -6.0]]
    weight = nn.Parameter(torch.tensor([path[0][0], path[1][0]]))
    average = Average([("w", weight)], 0.4)
    expected = [averages(one, 0.4) for one in path]
    for step in range(5):
        weight.data.copy_(torch.tensor([one[step + 1] for one in path]))
        average.step()
        torch.testing.assert_close(average.values[0], torch.tensor([one[step] for one in expected]))
    average.swap()
    torch.testing.assert_close(weight.data, torch.tensor([one[-1] for one in expected]))
    assert average.values[0].tolist() == [one[-1] for one in path]


@pytest.mark.parametrize(
    ("decayed", "names"),
    [
        ("hidden", {"blocks.0.weight", "blocks.1.weight"}),
        ("matrices", {"blocks.0.weight", "blocks.1.weight", "embedding.weight"}),
        ("all", {"blocks.0.weight", "blocks.1.weight", "blocks.0.bias", "blocks.1.bias", "embedding.weight", "norm"}),
    ],
)
@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_weight_decay_falls_on_what_is_chosen_and_on_nothing_else(decayed: str, names: set[str], name: str) -> None:
    model = Tied()
    for number, block in enumerate(model.blocks):
        model.blocks[number] = nn.Linear(block.in_features, block.out_features)  # with a bias
    settings = OptimizerSettings(
        name=name, learning_rate=0.1, adam_learning_rate=0.1, weight_decay=0.5, decayed=decayed
    )  # type: ignore[arg-type]
    optimizer = Optimizer(model.named_parameters(), settings, lambda n: (0,))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)  # then decay is all that a step does
    optimizer.step(1.0)
    for key, value in model.state_dict().items():
        factor = 1 - 0.1 * 0.5 if key in names else 1.0
        torch.testing.assert_close(value, before[key] * factor, msg=key)


def test_the_operations_of_orthogonalising_are_those_of_its_products() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        orthogonalise(torch.randn(3, 16, 40))
    assert counter.get_total_flops() == 3 * orthogonalising_flops([(40, 16)])


def test_muon_is_taken_where_its_products_are_a_small_share_of_a_step() -> None:
    model, settings = Tied(), OptimizerSettings()
    own = orthogonalising_flops([(4, 4), (8, 4), (4, 12)])
    rows = {"blocks.0.weight": (4, 8)}

    def chosen(step_flops: float) -> Optimizer:
        return Optimizer(model.named_parameters(), settings, lambda n: rows.get(n, (0,)), step_flops=step_flops)

    large, small = chosen(own / MOST_SHARE * 1.01), chosen(own / MOST_SHARE * 0.99)
    assert (large.settings.name, small.settings.name) == ("muon", "adamw")
    assert large.muon_share == pytest.approx(MOST_SHARE / 1.01) and small.muon_share == 0.0
    assert len(small.muon.matrices) == 0
