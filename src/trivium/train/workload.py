"""What a training step works on, in numbers: all that its memory and its time follow from, and nothing of the data."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from trivium.base.words import Batch
from trivium.model.architecture import LANGUAGE, Architecture, HeadShape
from trivium.optim.settings import OptimizerSettings
from trivium.train.step import Objective, next_token_loss


@dataclass(frozen=True)
class Workload:
    """`rows` rows of `length` tokens in a forward pass, and `passes` of them in an optimizer step.

    `apart` where rows tell their documents.
    """

    shape: Architecture
    rows: int
    length: int
    passes: int = 1
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    apart: bool = False
    head: HeadShape = LANGUAGE
    objective: Objective = next_token_loss

    def __hash__(self) -> int:
        return hash((self.rows, self.length, self.passes))  # a shape may hold a mapping, which has none

    @property
    def tokens(self) -> int:
        """Tokens that an optimizer step computes."""
        return self.rows * self.length * self.passes

    @property
    def flops(self) -> float:
        """Operations of an optimizer step, forwards and backwards, Muon's own left out."""
        return self.tokens * self.shape.flops_per_token(self.length)

    def batch(self, device: str = "cpu") -> Batch:
        """A batch of these sizes in which every position is learned from; random tokens, the same ones always."""
        size = (self.rows, self.length + 1)
        if device == "meta":
            drawn = torch.empty(size, dtype=torch.long, device=device)
        else:
            generator = torch.Generator().manual_seed(0)
            drawn = torch.randint(0, self.shape.vocab_size, size, generator=generator).to(device)
        segments = positions = None
        if self.apart:
            segments = torch.zeros_like(drawn[:, 1:])
            positions = torch.arange(self.length, device=device).expand(self.rows, -1)
        weights = torch.ones(self.rows, self.length, device=device)
        return Batch(drawn[:, :-1], drawn[:, 1:], weights, segments, positions)


@dataclass(frozen=True)
class Outlook:
    """A whole stage, as far as its settings tell it: `steps` steps of `work`, that compute `tokens` tokens in `flops`
    operations; `looked` tokens are read beside them without a gradient, and at the end the validation text where `reads_all`.
    `assumed` is a sentence about what only the data will tell."""

    work: Workload
    steps: int
    tokens: int
    flops: float
    looked: int = 0
    reads_all: bool = False
    assumed: str = ""
