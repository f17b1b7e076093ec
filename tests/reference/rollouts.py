"""How likely answers are, row by row: no padding, nothing shared."""

from __future__ import annotations

import torch
from torch import Tensor

from trivium.base.words import Rollout
from trivium.model.transformer import Transformer


def answer_log_probabilities(model: Transformer, rollout: Rollout, temperature: float = 1.0) -> Tensor:
    result = []
    for tokens, mask in zip(rollout.tokens, rollout.mask, strict=True):
        places = mask.nonzero().flatten()
        logits = model.logits(model(tokens[: places[-1] + 1][None]))[0] / temperature
        known = logits.log_softmax(dim=-1)[places - 1, tokens[places]]
        result.append(torch.zeros(len(tokens)).index_put((places,), known))
    return torch.stack(result)
