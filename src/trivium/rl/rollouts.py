"""Rollouts: groups of sampled answers with the log-probabilities that they were drawn with.

One engine samples and the trainer scores with the same weights in the same precision, so the two agree to rounding;
`mismatch` measures by how much. `Sampler` is the seam for another engine.

Legend: P prompts, G answers a prompt, B = P*G rows, T tokens of prompt and answer, right-padded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from trivium.base.words import Rollout
from trivium.generate.engine import Request
from trivium.generate.sampling import Sampling
from trivium.loss.language import token_log_probabilities
from trivium.model.transformer import Transformer
from trivium.rl.prompts import Prompt
from trivium.train.step import on_device


class Drawn(Protocol):
    """An answer: its `tokens`, the stop token included, and the log-probability of each draw under softmax(logits / T)."""

    prompt: tuple[int, ...]
    tokens: list[int]
    logprobs: list[float]
    ended: bool


class Sampler(Protocol):
    """What answers are drawn with: `trivium.generate.engine.Engine`, or an adapter of another engine, such as vLLM.

    It draws from the policy as it is at the call; one with weights of its own takes the policy's over before it draws.
    Log-probabilities must be the policy's to 1e-4 nats: an adapter whose engine rounds more computes them again with
    `answer_log_probabilities`. The same seed and numbers (`first` and on) should give the same answers.
    """

    @property
    def device(self) -> torch.device:
        """Where the policy is."""

    def run(
        self, requests: Sequence[Request], sampling: Sampling, seed: int, first: int = 0
    ) -> Sequence[Sequence[Drawn]]:
        """The answers to each request, as many as it asks for."""


@dataclass(frozen=True)
class Group:
    """A rollout in which rows g*G .. g*G+G-1 answer prompt g; `prompt_lengths` (B,), `lengths` (B,) of the answers; `asked` is
    what each row answers, where that is known."""

    rollout: Rollout
    prompt_lengths: Tensor
    lengths: Tensor
    answers: list[list[int]]
    asked: list[Prompt] = field(default_factory=list)

    @property
    def totals(self) -> Tensor:
        """Tokens of prompt and answer, (B,)."""
        return self.prompt_lengths + self.lengths


def sample_groups(
    engine: Sampler,
    prompts: Sequence[Sequence[int]],
    size: int,
    sampling: Sampling,
    seed: int,
    pad: int,
    first: int = 0,
) -> Group:
    """`size` answers to each prompt, drawn with `seed`, as numbers `first` and on of a step's prompts; its tensors are
    where the engine's model is."""
    answered = engine.run([Request(tuple(prompt), size) for prompt in prompts], sampling, seed, first)
    group = collate([row for rows in answered for row in rows], pad)
    return on_device(group, engine.device)


def collate(rows: Sequence[Drawn], pad: int) -> Group:
    """Rows as right-padded tensors."""
    prompt_lengths = torch.tensor([len(row.prompt) for row in rows])
    lengths = torch.tensor([len(row.tokens) for row in rows])
    width = int((prompt_lengths + lengths).max())
    tokens = torch.full((len(rows), width), pad)
    logprobs = torch.zeros(len(rows), width)
    for number, row in enumerate(rows):
        start, stop = len(row.prompt), len(row.prompt) + len(row.tokens)
        tokens[number, :stop] = torch.tensor([*row.prompt, *row.tokens])
        logprobs[number, start:stop] = torch.tensor(row.logprobs)
    columns = torch.arange(width)
    mask = (columns >= prompt_lengths[:, None]) & (columns < (prompt_lengths + lengths)[:, None])
    ended = torch.tensor([row.ended for row in rows])
    return Group(Rollout(tokens, logprobs, mask, ended), prompt_lengths, lengths, [row.tokens for row in rows])


def concatenate(groups: Sequence[Group], pad: int) -> Group:
    """All rows of `groups`, in their order."""
    width = max(group.rollout.tokens.shape[1] for group in groups)

    def column(name: str, fill: int) -> Tensor:
        parts = [getattr(group.rollout, name) for group in groups]
        return torch.cat([F.pad(part, (0, width - part.shape[1]), value=fill) for part in parts])

    ended = torch.cat([group.rollout.ended for group in groups])
    return Group(
        Rollout(column("tokens", pad), column("logprobs", 0), column("mask", 0), ended),
        torch.cat([group.prompt_lengths for group in groups]),
        torch.cat([group.lengths for group in groups]),
        [answer for group in groups for answer in group.answers],
        [prompt for group in groups for prompt in group.asked],
    )


def select(group: Group, rows: Tensor) -> Group:
    """The rows of `rows` (N,), cut to their longest."""
    totals = group.totals[rows]
    width = int(totals.max()) if len(rows) else 1
    rollout = group.rollout
    kept = Rollout(
        rollout.tokens[rows, :width], rollout.logprobs[rows, :width], rollout.mask[rows, :width], rollout.ended[rows]
    )
    numbers = rows.tolist()
    asked = [group.asked[row] for row in numbers] if group.asked else []
    answers = [group.answers[row] for row in numbers]
    return Group(kept, group.prompt_lengths[rows], group.lengths[rows], answers, asked)


@dataclass(frozen=True)
class Part:
    """Answers that are computed at once: `tokens` int64 and `mask` bool (B, T), and what else there is of their N tokens
    inside the mask, each (N,), by name."""

    tokens: Tensor
    mask: Tensor
    columns: Mapping[str, Tensor]


def parts_of(group: Group, rows: Tensor, parts: int, columns: Mapping[str, Tensor]) -> list[Part]:
    """The answers `rows` (N,) in at most `parts` parts of neighbours in length, so that less is padding. `columns` are (B, T)
    over all rows of the group."""
    order = rows[group.totals[rows].argsort(stable=True)]
    found = []
    for chosen in order.chunk(parts) if len(order) else ():
        width = int(group.totals[chosen].max())
        mask = group.rollout.mask[chosen, :width]
        own = {name: column[chosen, :width][mask] for name, column in columns.items()}
        found.append(Part(group.rollout.tokens[chosen, :width], mask, own))
    return found


def foretelling(model: Transformer, part: Part) -> Tensor:
    """Hidden states (N, D) from which each of the part's N answer tokens is foretold."""
    hidden: Tensor = model(part.tokens[:, :-1])  # (B, T-1, D)
    return hidden[part.mask[:, 1:]]


def part_log_probabilities(model: Transformer, part: Part, temperature: float) -> Tensor:
    """log p (N,) of each of the part's answer tokens, float32. The head is computed at their positions alone."""
    logits = model.logits(foretelling(model, part))  # (N, V)
    return token_log_probabilities(logits, part.tokens[:, 1:][part.mask[:, 1:]], temperature)


def over_answers(rollout: Rollout, parts: int, compute: Callable[[Part], Tensor]) -> Tensor:
    """What `compute` says of every answer token, float32 (B, T), zero outside the mask; in `parts` of neighbours in length."""
    result = torch.zeros(rollout.tokens.shape, device=rollout.tokens.device)
    ends = rollout.mask.shape[1] - rollout.mask.flip(1).int().argmax(dim=1)  # where each row's answer stops
    for rows in ends.argsort(stable=True).chunk(parts):
        width = int(ends[rows].max())
        part = Part(rollout.tokens[rows, :width], rollout.mask[rows, :width], {})
        result = result.index_put(_places(rows, part.mask), compute(part))
    return result


def answer_log_probabilities(model: Transformer, rollout: Rollout, temperature: float = 1.0, parts: int = 1) -> Tensor:
    """log p of each answer token under `model` at `temperature`, float32 (B, T), zero outside the mask."""
    return over_answers(rollout, parts, lambda part: part_log_probabilities(model, part, temperature))


def _places(rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where in (B, T) the True entries of the mask of some rows are."""
    own, columns = mask.nonzero(as_tuple=True)
    return rows[own], columns


def mismatch(rollout: Rollout, recomputed: Tensor) -> float:
    """Largest absolute difference between the sampler's and the trainer's log-probabilities, in nats."""
    return float(((rollout.logprobs - recomputed) * rollout.mask).abs().max())
