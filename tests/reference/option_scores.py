"""The slow twin of scoring options side by side: one pass of the whole text for each option, and nothing shared."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trivium.model.transformer import Transformer


@torch.inference_mode()
def alone(model: Transformer, prompt: Sequence[int], option: Sequence[int]) -> tuple[list[float], bool]:
    """Log-probabilities of the option's tokens behind the prompt, and whether each was the likeliest."""
    tokens = torch.tensor([[*prompt, *option]])
    logprobs = model.logits(model(tokens))[0].float().log_softmax(dim=-1)
    places = range(len(prompt) - 1, len(prompt) + len(option) - 1)
    told = [float(logprobs[place, token]) for place, token in zip(places, option, strict=True)]
    return told, all(int(logprobs[place].argmax()) == token for place, token in zip(places, option, strict=True))
