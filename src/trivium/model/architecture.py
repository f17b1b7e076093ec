"""What a model is made of: frozen dataclasses that the trunk and its head are built from.

Every difference between published models that the trunk knows is a field here, and no field names a model: norms, places
of norms, positions, activations, biases, direction, windows. What a new decoder is by default is what the defaults say.
Which published form a folder takes is `families`' business; `family` only remembers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from trivium.base.errors import UserError

GATED = ("swiglu", "geglu")  # feed-forward parts that are a product of two


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Sizes and parts of a trunk. Raises UserError at construction where they do not fit together.

    `windows` holds for each layer how many tokens it sees (a causal layer itself and those before it, the other kind half of
    them on either side), 0 for all; empty means all everywhere. Windowed layers rotate by `local_rope_theta` where it is not 0.
    `rope_scaling` is what config.json calls rope_parameters, beyond the base: empty, or rope_type linear or llama3.
    """

    vocab_size: int
    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    num_kv_heads: int = 4
    head_dim: int = 32
    intermediate_size: int = 384
    max_positions: int = 512
    tie_embeddings: bool = True
    causal: bool = True
    positions: Literal["rope", "learned"] = "rope"
    position_offset: int = 0  # rows of the table of learned positions that stand before the first
    rope_theta: float = 10_000.0
    local_rope_theta: float = 0.0
    rope_scaling: Mapping[str, Any] = field(default_factory=dict)
    windows: tuple[int, ...] = ()
    num_segments: int = 0
    norm: Literal["rms", "layer"] = "rms"
    norm_place: Literal["pre", "post"] = "pre"
    norm_bias: bool = False
    norm_epsilon: float = 1e-6
    embedding_norm: bool = False
    first_norm: bool = True  # whether the first attention has a norm of its own
    query_key_norm: bool = True
    query_bias: bool = False  # of queries, keys and values
    output_bias: bool = False  # of attention's output
    mlp: Literal["swiglu", "geglu", "gelu", "gelu_tanh", "relu"] = "swiglu"
    mlp_bias: bool = False
    family: str = "qwen3"

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "hidden_size", "num_layers", "num_heads", "num_kv_heads", "head_dim")
        for name in (*sizes, "intermediate_size", "max_positions", "rope_theta", "norm_epsilon"):
            value = getattr(self, name)
            if not value > 0:
                raise UserError(f"model.{name} is {value}; it must be above 0")
        if self.num_heads % self.num_kv_heads:
            raise UserError(
                f"model.num_kv_heads is {self.num_kv_heads}; it must divide model.num_heads, which is {self.num_heads}"
            )
        if self.head_dim % 2 and self.positions == "rope":
            raise UserError(f"model.head_dim is {self.head_dim}; rotary positions need an even number")
        if self.windows and len(self.windows) != self.num_layers:
            raise UserError(f"model.windows has {len(self.windows)} entries for {self.num_layers} layers")
        if self.query_key_norm and self.positions != "rope":
            raise UserError("model.query_key_norm needs rotary positions")

    @property
    def layer_windows(self) -> tuple[int, ...]:
        """For each layer how many tokens it sees, 0 for all."""
        return self.windows or (0,) * self.num_layers

    @property
    def matmul_parameters(self) -> int:
        """Weights that take part in a matrix product for every token, the language-model head included."""
        query, key = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        matrices = 3 if self.mlp in GATED else 2
        layer = self.hidden_size * (2 * query + 2 * key + matrices * self.intermediate_size)
        return self.num_layers * layer + self.vocab_size * self.hidden_size

    def flops_per_token(self, length: int) -> float:
        """Training operations per token at rows of `length`: 6 N + 12 L d T (PaLM, appendix B; not causal-halved); a window
        counts for T where it is shorter."""
        seen = sum(min(window, length) if window else length for window in self.layer_windows)
        return 6.0 * self.matmul_parameters + 12.0 * self.num_heads * self.head_dim * seen

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """What stands on the trunk.

    `kind`: language (the next token), masked (the token here), pretraining (masked, and a pair's relation), sequence (labels
    of a row), tokens (labels of each token), span (start and end), score (one number a row), none (the trunk alone). Output i
    means `labels[i]`.
    `pool` says what of a row is read by sequence and score. Before the last matrix stand a dense layer with the activation
    `dense` ('' for none) and a norm, where the family has them; `bias` is the last matrix's.
    """

    kind: Literal["language", "masked", "pretraining", "sequence", "tokens", "span", "score", "none"] = "language"
    labels: tuple[str, ...] = ()
    pool: Literal["", "cls", "mean", "last"] = ""
    dense: Literal["", "tanh", "relu", "gelu"] = ""
    dense_bias: bool = True
    norm: bool = False
    bias: bool = False
    problem: str = ""

    @property
    def over_vocabulary(self) -> bool:
        """Whether the outputs are tokens."""
        return self.kind in ("language", "masked", "pretraining")


LANGUAGE = HeadShape()


def row_counts(name: str, shape: Architecture) -> tuple[int, ...]:
    """How many rows each part of a fused matrix (or of its bias) has; one entry for a plain one."""
    queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
    layer = name.rpartition(".")[0]
    if layer.endswith("attention.qkv"):
        return queries, keys, keys
    if layer.endswith("feed_forward.gate_up"):
        return shape.intermediate_size, shape.intermediate_size
    return (0,)
