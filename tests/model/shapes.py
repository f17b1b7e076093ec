"""A small decoder whose every axis has another size, so that a swapped one cannot pass."""

from __future__ import annotations

import torch

from trivium.model.architecture import Architecture
from trivium.model.families import FAMILIES
from trivium.model.transformer import Transformer

SHAPE = Architecture(
    vocab_size=61,
    hidden_size=24,
    num_layers=3,
    num_heads=6,
    num_kv_heads=2,
    head_dim=10,
    intermediate_size=34,
    max_positions=40,
    tie_embeddings=True,
)


def random_model(shape: Architecture = SHAPE, head: str = "language", seed: int = 0) -> Transformer:
    """No weight is zero or one, so that every path counts."""
    model = Transformer(shape, FAMILIES[shape.family].head_shape(head)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.2 if parameter.dim() > 1 else 0.1))
            if parameter.dim() == 1:
                parameter.add_(1.0)
    return model
