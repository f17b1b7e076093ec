"""Our AdamW takes the same steps as PyTorch's, to the last bit."""

from __future__ import annotations

import torch
from torch import nn

from trivium.optim.adamw import AdamW


def _parameters() -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=draw)) for shape in ((7, 5), (5,), (3, 3))]


def _set_gradients(parameters: list[nn.Parameter], step: int) -> None:
    draw = torch.Generator().manual_seed(step + 1)
    for number, parameter in enumerate(parameters):
        gradient = torch.randn(parameter.shape, generator=draw)
        parameter.grad = None if number == 2 and step % 2 else gradient  # one that is not always learned


def test_steps_are_those_of_pytorch() -> None:
    ours, theirs = _parameters(), _parameters()
    groups = [
        [{"params": own[:1], "weight_decay": 0.1}, {"params": own[1:], "weight_decay": 0.0}] for own in (ours, theirs)
    ]
    mine = AdamW(groups[0], 0.01, (0.9, 0.98), 1e-8)
    peer = torch.optim.AdamW(groups[1], lr=0.01, betas=(0.9, 0.98), eps=1e-8, fused=True)
    for step in range(6):
        for optimizer in (mine, peer):
            optimizer.param_groups[0]["lr"] = 0.01 / (step + 1)
        for parameters in (ours, theirs):
            _set_gradients(parameters, step)
        mine.step()
        peer.step()
        for own, other in zip(ours, theirs, strict=True):
            assert torch.equal(own, other)
    for own, other in zip(ours, theirs, strict=True):
        for key in ("exp_avg", "exp_avg_sq", "step"):
            assert torch.equal(mine.state[own][key], peer.state[other][key])
