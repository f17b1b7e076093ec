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
from trivium.loss.language import linear_log_likelihoods
from trivium.model.ragged import Ragged, ragged, read
from trivium.model.transformer import Transformer
from trivium.rl.prompts import Prompt
from trivium.train.step import on_device

AT_ONCE = 1 << 15  # places of prompts and answers in a forward pass that needs no gradient


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
    """Answers that are computed at once: `rows` of prompts and answers, `targets` int64 (N,) the answers' N tokens, and what
    else there is of them, each (N,), by name."""

    rows: Ragged
    targets: Tensor
    columns: Mapping[str, Tensor]


def parts_of(group: Group, rows: Tensor, parts: int, columns: Mapping[str, Tensor]) -> list[Part]:
    """The answers `rows` (N,) in at most `parts` parts; answers to one prompt stand together, so that it is computed once.
    `columns` are (B, T) over all rows of the group."""
    order = rows.sort().values
    return [_part(group.rollout, chosen, columns) for chosen in order.chunk(parts)] if len(order) else []


def _part(rollout: Rollout, rows: Tensor, columns: Mapping[str, Tensor]) -> Part:
    mask = rollout.mask[rows]
    ends = _ends(mask)
    width = int(ends.max())
    tokens, mask = rollout.tokens[rows, :width], mask[:, :width]
    before = F.pad(mask[:, 1:], (0, 1))  # from where an answer's tokens are foretold
    own = {name: column[rows, :width][mask] for name, column in columns.items()}
    return Part(ragged(tokens, ends, before), tokens[mask], own)


def _ends(mask: Tensor) -> Tensor:
    """Where each row's answer stops, (B,)."""
    return mask.shape[1] - mask.flip(1).int().argmax(dim=1)


def foretelling(model: Transformer, part: Part) -> Tensor:
    """Hidden states (N, D) from which each of the part's N answer tokens is foretold."""
    return read(model, part.rows)


def part_log_probabilities(model: Transformer, part: Part, temperature: float) -> Tensor:
    """log p (N,) of each of the part's answer tokens, float32. The head is computed at their positions alone."""
    return linear_log_likelihoods(foretelling(model, part) / temperature, model.output_weight, part.targets)


def over_answers(rollout: Rollout, compute: Callable[[Part], Tensor]) -> Tensor:
    """What `compute` says of every answer token, float32 (B, T), zero outside the mask; in parts of about `AT_ONCE` tokens."""
    result = torch.zeros(rollout.tokens.shape, device=rollout.tokens.device)
    every = torch.arange(len(rollout.tokens), device=result.device)
    for rows in every.chunk(-(-rollout.tokens.numel() // AT_ONCE)):
        result = result.index_put(_places(rows, rollout.mask[rows]), compute(_part(rollout, rows, {})))
    return result


def answer_log_probabilities(model: Transformer, rollout: Rollout, temperature: float = 1.0) -> Tensor:
    """log p of each answer token under `model` at `temperature`, float32 (B, T), zero outside the mask."""
    return over_answers(rollout, lambda part: part_log_probabilities(model, part, temperature))


def _places(rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where in (B, T) the True entries of the mask of some rows are."""
    own, columns = mask.nonzero(as_tuple=True)
    return rows[own], columns


@dataclass(frozen=True)
class Mismatch:
    """By how much sampler and trainer differ about the log-probabilities of some tokens, in nats: at most, and in the root
    mean square. In float32 the second is some 1e-6, and the first may reach 1e-4 where a model's answer hangs on its last bits
    (docs/decisions.md)."""

    largest: float
    typical: float

    def figures(self) -> dict[str, float]:
        """What a step's metrics tell."""
        return {"mismatch": self.largest, "mismatch_typical": self.typical}


def mismatch(rollout: Rollout, recomputed: Tensor) -> Mismatch:
    """How far the sampler's log-probabilities are from the trainer's."""
    apart = (rollout.logprobs - recomputed)[rollout.mask]  # (N,)
    return Mismatch(float(apart.abs().max()), float(apart.square().mean().sqrt()))
