"""A generator: a model folder's model and tokenizer, answering prompts in words.

`load_generator(folder)` is what chat, compare, evaluation and Python users hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trivium.base.device import choose_machine
from trivium.base.errors import UserError
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling
from trivium.loss.language import token_log_probabilities
from trivium.model.folder import load
from trivium.model.transformer import Transformer
from trivium.tokenizer import Tokenizer


@dataclass(frozen=True)
class Answer:
    """`ids` as drawn, the stop token included; `text` without special tokens and outer space; `ended` by itself."""

    ids: tuple[int, ...]
    text: str
    ended: bool


class Generator:
    """Answers with one model. `slots` rows are decoded together, in `dtype`; see `Engine` for what bfloat16 changes."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, slots: int = 128, dtype: torch.dtype = torch.float32
    ) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.stops = (tokenizer.end_of_turn, tokenizer.end_of_text)
        self.engine = Engine(self.model, self.stops, slots, dtype)

    def complete(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> list[Answer]:
        """One answer for each list of token ids. `temperature` 0 is greedy."""
        sampling = Sampling(max_new_tokens, temperature, top_k, top_p)
        requests = [Request(tuple(prompt)) for prompt in prompts]
        return [
            Answer(tuple(row.tokens), self.tokenizer.decode(row.tokens).strip(), row.ended)
            for rows in self.engine.run(requests, sampling, seed)
            for row in rows
        ]

    def stream(
        self,
        prompt: Sequence[int],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
        top_k: int = 0,
        top_p: float = 1.0,
    ) -> Iterator[int]:
        """The tokens of one answer as they are drawn, without the stop token."""
        sampling = Sampling(max_new_tokens, temperature, top_k, top_p)
        for row in self.engine.stream([Request(tuple(prompt))], sampling, seed):
            if row.tokens[-1] not in self.stops:
                yield row.tokens[-1]

    @torch.inference_mode()
    def log_likelihood(self, prompt: Sequence[int], answer: Sequence[int]) -> float:
        """log p(answer | prompt), summed over the answer's tokens, in nats."""
        limit = self.model.shape.max_positions
        if not prompt or len(prompt) + len(answer) > limit:
            raise UserError(
                f"prompt and answer have {len(prompt)} and {len(answer)} tokens; together 2 to {limit} are possible"
            )
        tokens = torch.tensor([[*prompt, *answer]], device=self.model.embedding.weight.device)
        hidden = self.model(tokens[:, :-1])[:, len(prompt) - 1 :]
        return float(token_log_probabilities(self.model.logits(hidden), tokens[:, len(prompt) :]).sum())


def load_generator(folder: Path, device: str = "auto", threads: int = 0, precision: str = "float32") -> Generator:
    """The generator of a model folder, which decodes in `precision`: float32, bfloat16, or auto, what this machine is faster in.

    Raises CheckpointError or RunError where the folder is missing or damaged, UserError where its model does not write text.
    """
    machine = choose_machine(device, threads, precision)
    model = load(folder)
    if model.head.kind != "language":
        raise UserError(
            f"{folder}: its model ({model.shape.family}) has a head of the kind '{model.head.kind}' and writes no text; give the "
            "folder of a causal language model"
        )
    return Generator(model.to(machine.device), Tokenizer.load(folder), dtype=machine.dtype)
