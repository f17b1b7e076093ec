"""How likely a model finds a token where it stands: given all before it (a decoder), or all around it (a masked model).

A masked model is asked with one token hidden at a time (Wang and Cho 2019; Salazar et al. 2020: pseudo-log-likelihood). What
bias and privacy are measured by is built on this alone, so that both kinds of model are asked in one way.

Legend: N requests, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from trivium.base.device import Machine, choose_machine
from trivium.base.errors import UserError
from trivium.loss.language import token_log_probabilities
from trivium.model.folder import load
from trivium.model.transformer import Transformer
from trivium.predict.passes import row_states
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.rows import Row


@dataclass(frozen=True)
class Ask:
    """Tokens of a text, none of them special, and the places whose tokens are asked for."""

    ids: tuple[int, ...]
    places: tuple[int, ...]


@dataclass(frozen=True)
class Slot:
    """Tokens of a text, a place in it, and tokens that could stand there. Of a decoder the place may be the one after the
    last."""

    ids: tuple[int, ...]
    place: int
    tokens: tuple[int, ...]


class Judge:
    """A model as something that finds texts likely or not. `causal` tells which kind of likelihood it has."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, machine: Machine) -> None:
        """Raises UserError for a model that has no head over the vocabulary, or was not trained on gaps or next tokens."""
        if not model.head.over_vocabulary or (not model.shape.causal and tokenizer.mask is None):
            raise UserError(
                f"a model with a head of the kind '{model.head.kind}' finds no text likely; give a language or masked model"
            )
        self.model, self.tokenizer, self.machine = model.eval(), tokenizer, machine

    @property
    def causal(self) -> bool:
        """Whether a token is judged by what stands before it alone."""
        return bool(self.model.shape.causal)

    @property
    def room(self) -> int:
        """Tokens of a text that the model reads at most."""
        limit: int = self.model.shape.max_positions
        return limit if self.causal else limit - self.tokenizer.added(False)

    @property
    def tells_pairs(self) -> bool:
        """Whether this is a masked model that was taught which text follows another."""
        return not self.causal and self.model.head.kind == "pretraining"

    @property
    def pair_room(self) -> int:
        """Tokens of two texts together that the model reads at most."""
        return int(self.model.shape.max_positions - self.tokenizer.added(True))

    def whole(self, text: str) -> Ask:
        """Every token of the text."""
        ids = tuple(self.tokenizer.encode(text))
        return Ask(ids, tuple(range(len(ids))))

    def log_probabilities(self, asks: Sequence[Ask]) -> list[Tensor]:
        """For each request log p (nats, float32) of the token at each of its places. None of them may be longer than `room`."""
        assert all(len(ask.ids) <= self.room for ask in asks)
        return self._causal(asks) if self.causal else self._masked(asks)

    @torch.inference_mode()
    def likeliest(self, asks: Sequence[Ask]) -> list[Tensor]:
        """For each request whether the token at each of its places is the likeliest one; of a decoder alone."""
        assert self.causal
        rows = [Row((self.tokenizer.end_of_text, *ask.ids[:-1]), (0,) * len(ask.ids)) for ask in asks]
        found: list[Tensor] = [torch.empty(0)] * len(asks)
        for numbers, _, hidden in row_states(self.model, rows, self.tokenizer.pad, self.machine):
            for place, number in enumerate(numbers):
                ask = asks[number]
                best = self.model.logits(hidden[place][list(ask.places)]).argmax(dim=-1).cpu()
                found[number] = best == torch.tensor([ask.ids[one] for one in ask.places])
        return found

    @torch.inference_mode()
    def follows(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
        """The probability that the second text of each pair follows the first, by the model's head for pairs (Devlin et al.
        2019); in double precision, since such heads are sure of much. None may be longer than `pair_room`."""
        assert self.tells_pairs and all(len(one) + len(two) <= self.pair_room for one, two in pairs)
        rows = []
        for first, second in pairs:
            framed = self.tokenizer.frame(list(first), list(second))
            rows.append(Row(tuple(framed.ids), tuple(framed.types)))
        told = [0.0] * len(rows)
        for numbers, _, hidden in row_states(self.model, rows, self.tokenizer.pad, self.machine):
            shares = (
                self.model.pair_logits(hidden).double().softmax(dim=-1)[:, 0].cpu()
            )  # (B,): 0 is the true next text
            for number, share in zip(numbers, shares.tolist(), strict=True):
                told[number] = share
        return told

    @torch.inference_mode()
    def candidates(self, slots: Sequence[Slot]) -> Tensor:
        """log p (N, C) of each slot's tokens (as many in all of them) at its place."""
        rows, places = [], []
        for slot in slots:
            if self.causal:
                rows.append(Row((self.tokenizer.end_of_text, *slot.ids[: slot.place]), (0,) * (slot.place + 1)))
                places.append(slot.place)
            else:
                framed = self.tokenizer.frame(list(slot.ids))
                at = framed.special.index(False) + slot.place
                assert self.tokenizer.mask is not None
                ids = (*framed.ids[:at], self.tokenizer.mask, *framed.ids[at + 1 :])
                rows.append(Row(ids, tuple(framed.types)))
                places.append(at)
        told = torch.empty(len(slots), len(slots[0].tokens))
        for numbers, _, hidden in row_states(self.model, rows, self.tokenizer.pad, self.machine):
            lines = torch.arange(len(numbers), device=hidden.device)
            at_places = torch.tensor([places[number] for number in numbers], device=hidden.device)
            wanted = torch.tensor([slots[number].tokens for number in numbers], device=hidden.device)  # (B, C)
            logits = self.model.logits(hidden[lines, at_places]).float().log_softmax(dim=-1)  # (B, V)
            told[torch.tensor(numbers)] = logits.gather(1, wanted).cpu()
        return told

    def _causal(self, asks: Sequence[Ask]) -> list[Tensor]:
        """A document begins with the end of the one before: that is what the first token is judged by."""
        first = self.tokenizer.end_of_text
        rows = [Row((first, *ask.ids[:-1]), (0,) * len(ask.ids)) for ask in asks]
        found: list[Tensor] = [torch.empty(0)] * len(asks)
        for numbers, _, hidden in row_states(self.model, rows, self.tokenizer.pad, self.machine):
            for place, number in enumerate(numbers):
                ask = asks[number]
                chosen = torch.tensor(ask.places, dtype=torch.long, device=hidden.device)
                tokens = torch.tensor([ask.ids[one] for one in ask.places], dtype=torch.long, device=hidden.device)
                found[number] = self._told(hidden[place].index_select(0, chosen), tokens)
        return found

    def _masked(self, asks: Sequence[Ask]) -> list[Tensor]:
        rows, gaps, wanted, owners = [], [], [], []
        for number, ask in enumerate(asks):
            framed = self.tokenizer.frame(list(ask.ids))
            start = framed.special.index(False)
            for place in ask.places:
                ids = list(framed.ids)
                wanted.append(ids[start + place])
                assert self.tokenizer.mask is not None
                ids[start + place] = self.tokenizer.mask
                rows.append(Row(tuple(ids), tuple(framed.types)))
                gaps.append(start + place)
                owners.append(number)
        told = torch.empty(len(rows))
        for numbers, _, hidden in row_states(self.model, rows, self.tokenizer.pad, self.machine):
            lines = torch.arange(len(numbers), device=hidden.device)
            at = torch.tensor([gaps[number] for number in numbers], device=hidden.device)
            tokens = torch.tensor([wanted[number] for number in numbers], device=hidden.device)
            told[torch.tensor(numbers)] = self._told(hidden[lines, at], tokens)
        counts = [len(ask.places) for ask in asks]
        return list(torch.split(told, counts)) if rows else [torch.empty(0) for _ in counts]

    @torch.inference_mode()
    def _told(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """log p of `tokens` (N,) at hidden states (N, D)."""
        return token_log_probabilities(self.model.logits(hidden), tokens).cpu()


def load_judge(folder: Path, device: str = "auto", threads: int = 0) -> Judge:
    """The judge of a model folder. Raises CheckpointError where it is damaged, UserError where it has no head over the
    vocabulary."""
    machine = choose_machine(device, threads, "float32")
    return Judge(load(folder).to(machine.device), Tokenizer.load(folder), machine)
