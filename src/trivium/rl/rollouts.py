"""Rollouts: groups of sampled answers with the log-probabilities that they were drawn with.

One engine samples and the trainer scores with the same weights in the same precision, so the two agree to rounding;
`mismatch` measures by how much.

Legend: P prompts, G answers a prompt, B = P*G rows, T tokens of prompt and answer, right-padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trivium.base.words import Rollout
from trivium.generate.engine import Engine, Request, Row
from trivium.generate.sampling import Sampling
from trivium.loss.language import token_log_probabilities
from trivium.model.transformer import Transformer
from trivium.train.step import on_device


@dataclass(frozen=True)
class Group:
    """A rollout in which rows g*G .. g*G+G-1 answer prompt g; `prompt_lengths` (B,), `lengths` (B,) of the answers."""

    rollout: Rollout
    prompt_lengths: Tensor
    lengths: Tensor
    answers: list[list[int]]

    @property
    def totals(self) -> Tensor:
        """Tokens of prompt and answer, (B,)."""
        return self.prompt_lengths + self.lengths


def sample_groups(
    engine: Engine,
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
    return on_device(group, engine.model.embedding.weight.device)


def collate(rows: Sequence[Row], pad: int) -> Group:
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


def answer_log_probabilities(model: Transformer, rollout: Rollout, temperature: float = 1.0) -> Tensor:
    """log p of each answer token under `model` at `temperature`, float32 (B, T), zero outside the mask.

    The head is computed at the answers' positions alone.
    """
    hidden = model(rollout.tokens[:, :-1])  # (B, T-1, D)
    mask = rollout.mask[:, 1:]
    logits = model.logits(hidden[mask])  # (N, V)
    chosen = token_log_probabilities(logits, rollout.tokens[:, 1:][mask], temperature)  # (N,)
    return chosen.new_zeros(rollout.tokens.shape).index_put((*_shifted(mask),), chosen)


def _shifted(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Indices, in the unshifted tensor, of the True entries of a mask that starts one column later."""
    rows, columns = mask.nonzero(as_tuple=True)
    return rows, columns + 1


def answer_figures(group: Group, rewards: Tensor, kl: Tensor) -> Tensor:
    """Of each answer its reward, KL, length, whether it ended, and the surprise of its draws in nats: float32 (B, 5)."""
    rollout = group.rollout
    surprise = -(rollout.logprobs * rollout.mask).sum(dim=1)
    return torch.stack([rewards, kl, group.lengths.float(), rollout.ended.float(), surprise], dim=1)


def mismatch(rollout: Rollout, recomputed: Tensor) -> float:
    """Largest absolute difference between the sampler's and the trainer's log-probabilities, in nats."""
    return float(((rollout.logprobs - recomputed) * rollout.mask).abs().max())
