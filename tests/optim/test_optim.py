"""Muon equals its one-matrix twin; state survives a round trip; schedules are what they say."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from tests.reference.muon import SlowMuon
from trivium.optim.muon import Matrix, Muon, orthogonalise
from trivium.optim.optimizer import Optimizer
from trivium.optim.schedule import decay_start, warmup_stable_decay
from trivium.optim.settings import OptimizerSettings


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

    settings = OptimizerSettings(name=name, learning_rate=0.05, adam_learning_rate=0.05, weight_decay=0.1)  # type: ignore[arg-type]
    rows = {"blocks.0.weight": (4, 8)}
    torch.manual_seed(0)
    whole = Tied()
    start = {key: value.clone() for key, value in whole.state_dict().items()}
    train(whole, Optimizer(whole.named_parameters(), settings, lambda n: rows.get(n, (0,))), range(6))
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


def test_a_longer_run_is_the_same_run_until_the_shorter_one_decays() -> None:
    short = [warmup_stable_decay(step, 100, 10, 0.4) for step in range(100)]
    long = [warmup_stable_decay(step, 300, 10, 0.4) for step in range(300)]
    assert short[: decay_start(100, 0.4)] == long[: decay_start(100, 0.4)]
    assert max(short) == 1.0 and 0 < short[-1] < 0.05 and short[0] == pytest.approx(1 / 11)
    assert all(later <= earlier for earlier, later in itertools.pairwise(short[10:]))
