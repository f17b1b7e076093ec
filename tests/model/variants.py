"""One small model of every family and every way in which a family varies; no axis has another's size."""

from __future__ import annotations

from typing import Any

import torch

from trivium.model.architecture import Architecture
from trivium.model.families import FAMILIES, new_shape
from trivium.model.transformer import Transformer

GROUPED = {"num_kv_heads": 2, "head_dim": 10, "hidden_size": 24, "num_heads": 6}
OWN_KEYS = {"num_kv_heads": 3, "head_dim": 8, "hidden_size": 24, "num_heads": 3}
SIZES = {"vocab_size": 61, "num_layers": 3, "intermediate_size": 34, "max_positions": 40}
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 |= {"original_max_position_embeddings": 16}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3": ("qwen3", GROUPED),
    "qwen3-windows": ("qwen3", {**GROUPED, "windows": (0, 4, 4), "tie_embeddings": False}),
    "qwen2": ("qwen2", {**OWN_KEYS, "num_kv_heads": 1}),
    "llama": ("llama", {**GROUPED, "tie_embeddings": False}),
    "llama-biases": ("llama", {**GROUPED, "query_bias": True, "output_bias": True, "mlp_bias": True}),
    "llama-scaled": ("llama", {**GROUPED, "rope_scaling": LLAMA3}),
    "llama-linear": ("llama", {**GROUPED, "rope_scaling": {"rope_type": "linear", "factor": 3.0}}),
    "mistral": ("mistral", {**GROUPED, "windows": (5, 5, 5), "tie_embeddings": False}),
    "gpt2": ("gpt2", {**OWN_KEYS, "mlp": "gelu_tanh", "norm_epsilon": 1e-5}),
    "gpt2-untied": ("gpt2", {**OWN_KEYS, "mlp": "relu", "tie_embeddings": False}),
    "bert": ("bert", OWN_KEYS),
    "bert-untied": ("bert", {**OWN_KEYS, "tie_embeddings": False}),
    "roberta": ("roberta", OWN_KEYS),
    "distilbert": ("distilbert", OWN_KEYS),
    "modernbert": ("modernbert", {**OWN_KEYS, "windows": (0, 6, 6), "rope_theta": 160_000.0, "local_rope_theta": 1e3}),
    "modernbert-untied": ("modernbert", {**OWN_KEYS, "windows": (4, 4, 0), "tie_embeddings": False, "norm_bias": True}),
    "modernbert-one-layer": ("modernbert", {**OWN_KEYS, "num_layers": 1}),  # that sees all: no window is left
}
LABELS = ("red", "green", "blue", "none", "other")


def shape_of(variant: str) -> Architecture:
    family, sizes = VARIANTS[variant]
    return new_shape(family, {**SIZES, **sizes})


def any_model(shape: Architecture, kind: str, seed: int = 0) -> Transformer:
    """No weight is zero or one, so that every path counts."""
    labels = LABELS if kind in ("sequence", "tokens") else ()
    model = Transformer(shape, FAMILIES[shape.family].head_shape(kind, labels)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
            if name.endswith("norm.weight"):
                parameter.add_(1.0)
    return model
