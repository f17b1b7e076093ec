"""What is worth a person's time: pairs of answers about which the reward model, with what it has seen, is least sure.

    spread(d)^2 = d' S d,    S = (lambda I + sum over judged pairs of p (1 - p) d_n d_n')^-1
    worth(d)    = p (1 - p) spread(d)

d is the difference of the last hidden states of a pair's two answers, p the modelled chance that the first is preferred.
S is the covariance of the score head alone, the trunk held fixed: Laplace's approximation (MacKay 1992, "A practical
Bayesian framework for backpropagation networks", section 4; of a last layer: Kristiadi et al. 2020). `worth` is, to first
order, how far p would move within that uncertainty: what Christiano et al. 2017, section 2.2.4, read from an ensemble.
Legend: B answers (rows), N pairs, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from trivium.base.words import Message
from trivium.model.folder import load
from trivium.model.transformer import Transformer
from trivium.rl.judgements import conversation_ids, load_judged
from trivium.rl.pairs import Conversation
from trivium.tokenizer import Tokenizer

PRIOR = 1.0  # lambda: how strongly the head is held to zero before it has seen anything
AT_ONCE = 64  # conversations read together


def covariance(differences: Tensor, chances: Tensor) -> Tensor:
    """S (D, D), float64, from the judged pairs' differences (N, D) and chances (N,)."""
    weights = chances * (1 - chances)
    precision = (differences * weights[:, None]).T @ differences
    precision.diagonal().add_(PRIOR)
    return torch.cholesky_inverse(torch.linalg.cholesky(precision))


def worth_of(differences: Tensor, chances: Tensor, spread_of: Tensor) -> Tensor:
    """The worth (N,) of pairs with these differences (N, D) and chances (N,), under the covariance (D, D)."""
    spread = ((differences @ spread_of) * differences).sum(dim=1).clamp(min=0).sqrt()
    return chances * (1 - chances) * spread


class Judge:
    """A finished reward model, and what it has learned from: says how much a pair of answers is worth asking about."""

    def __init__(self, reward: Path, preferences: Path, device: torch.device) -> None:
        self.model = load(reward, head="score").to(device).eval()
        self.tokenizer, self.device = Tokenizer.load(reward), device
        judged = load_judged(preferences, self.tokenizer, self.model.shape.max_positions).get("train", [])
        seen = [(one.answers[better], one.answers[worse]) for one in judged for better, worse in one.compared]
        self.covariance = covariance(*self._compare(seen))

    def worth(self, pairs: Sequence[tuple[Sequence[Message], tuple[str, bool], tuple[str, bool]]]) -> list[float]:
        """Of each (prompt, answer, answer), an answer being its text and whether it ended by itself."""
        rows = [(self._ids(prompt, first), self._ids(prompt, second)) for prompt, first, second in pairs]
        return [float(one) for one in worth_of(*self._compare(rows), self.covariance)] if rows else []

    def _ids(self, prompt: Sequence[Message], answer: tuple[str, bool]) -> Conversation:
        return conversation_ids(self.tokenizer, prompt, *answer)

    def _compare(self, pairs: Sequence[tuple[Conversation, Conversation]]) -> tuple[Tensor, Tensor]:
        """Differences (N, D) of the last hidden states, float64 on the CPU, and the chances (N,) of the first ones."""
        rows = list(dict.fromkeys(row for pair in pairs for row in pair))
        places = {row: place for place, row in enumerate(rows)}
        hidden, scores = last_states(self.model, rows, self.tokenizer.pad, self.device)
        first = torch.tensor([places[one] for one, _ in pairs], dtype=torch.long)
        second = torch.tensor([places[two] for _, two in pairs], dtype=torch.long)
        return hidden[first] - hidden[second], torch.sigmoid(scores[first] - scores[second])


@torch.inference_mode()
def last_states(
    model: Transformer, rows: Sequence[Conversation], pad: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The hidden state (B, D) at each conversation's last token and its score (B,), float64 on the CPU."""
    hidden = torch.zeros(len(rows), model.shape.hidden_size, dtype=torch.float64)
    scores = torch.zeros(len(rows), dtype=torch.float64)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))  # alike in length: less is padding
    for start in range(0, len(order), AT_ONCE):
        part = order[start : start + AT_ONCE]
        lengths = torch.tensor([len(rows[place]) for place in part], device=device)
        tokens = torch.full((len(part), int(lengths.max())), pad, device=device)
        for number, place in enumerate(part):
            tokens[number, : len(rows[place])] = torch.tensor(rows[place], device=device)
        states = model(tokens)[torch.arange(len(part), device=device), lengths - 1]
        hidden[part] = states.double().cpu()
        scores[part] = model.scores(states).double().cpu()
    return hidden, scores
