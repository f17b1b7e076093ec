"""What a model is made of: a frozen dataclass that the trunk is built from.

A new decoder is Qwen3-shaped: RMSNorm before each sub-layer, rotary positions, SwiGLU, RMSNorm on every query and key
head, grouped key and value heads, no biases. Which family's folder such a model is written as is `families`' business.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from trivium.base.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Sizes of a decoder. Raises UserError at construction where they do not fit together."""

    vocab_size: int
    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    num_kv_heads: int = 4
    head_dim: int = 32
    intermediate_size: int = 384
    max_positions: int = 512
    rope_theta: float = 10_000.0
    norm_epsilon: float = 1e-6
    tie_embeddings: bool = True

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "tie_embeddings" and not value > 0:
                raise UserError(f"model.{name} is {value}; it must be above 0")
        if self.num_heads % self.num_kv_heads:
            raise UserError(
                f"model.num_kv_heads is {self.num_kv_heads}; it must divide model.num_heads, which is {self.num_heads}"
            )
        if self.head_dim % 2:
            raise UserError(f"model.head_dim is {self.head_dim}; rotary positions need an even number")

    @property
    def matmul_parameters(self) -> int:
        """Weights that take part in a matrix product for every token, the language-model head included."""
        query, key = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        layer = self.hidden_size * (2 * query + 2 * key + 3 * self.intermediate_size)
        return self.num_layers * layer + self.vocab_size * self.hidden_size

    def flops_per_token(self, length: int) -> float:
        """Training operations per token at rows of `length`: 6 N + 12 L d T (PaLM, appendix B; not causal-halved)."""
        return 6.0 * self.matmul_parameters + 12.0 * self.num_layers * self.num_heads * self.head_dim * length

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
