"""Families of published models: for each a table row that maps our architecture and weights to theirs.

A row says how the configuration is spelt and where each of our matrices lives in the other's state dictionary; fused
matrices (query+key+value, gate+up) are cut and joined here, so the trunk never knows whose weights it carries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trivium.base.errors import CheckpointError
from trivium.model.architecture import Architecture

# Ours -> theirs, with {i} for the layer; a tuple means that ours is the rows of theirs one after the other.
WeightMap = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Family:
    """One row: the names in config.json, the classes, and the weights."""

    model_type: str
    classes: Mapping[str, str]
    to_config: Callable[[Architecture], dict[str, Any]]
    from_config: Callable[[Mapping[str, Any]], Architecture]
    weights: WeightMap


def _qwen3_config(shape: Architecture) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_positions,
        # transformers 4 and vLLM read the first, transformers 5 the second
        "rope_theta": shape.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "rms_norm_eps": shape.norm_epsilon,
        "tie_word_embeddings": shape.tie_embeddings,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_sliding_window": False,
        "use_cache": True,
    }


def _qwen3_architecture(config: Mapping[str, Any]) -> Architecture:
    rope = config.get("rope_parameters") or {}
    for key, expected in (("hidden_act", "silu"), ("attention_bias", False), ("use_sliding_window", False)):
        if config.get(key, expected) != expected:
            raise CheckpointError(f"config.json: {key} is {config[key]!r}; only {expected!r} is supported")
    if rope.get("rope_type", "default") != "default" or config.get("rope_scaling"):
        raise CheckpointError(
            "config.json: scaled rotary positions are not supported; use a model with rope_type 'default'"
        )
    return Architecture(
        vocab_size=config["vocab_size"],
        hidden_size=config["hidden_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        num_kv_heads=config["num_key_value_heads"],
        head_dim=config["head_dim"],
        intermediate_size=config["intermediate_size"],
        max_positions=config["max_position_embeddings"],
        rope_theta=float(rope.get("rope_theta", config.get("rope_theta", 10_000.0))),
        norm_epsilon=config["rms_norm_eps"],
        tie_embeddings=config.get("tie_word_embeddings", False),
    )


QWEN3 = Family(
    model_type="qwen3",
    classes={"language": "Qwen3ForCausalLM", "score": "Qwen3ForSequenceClassification"},
    to_config=_qwen3_config,
    from_config=_qwen3_architecture,
    weights={
        "embedding.weight": "model.embed_tokens.weight",
        "blocks.{i}.attention_norm.weight": "model.layers.{i}.input_layernorm.weight",
        "blocks.{i}.attention.qkv.weight": (
            "model.layers.{i}.self_attn.q_proj.weight",
            "model.layers.{i}.self_attn.k_proj.weight",
            "model.layers.{i}.self_attn.v_proj.weight",
        ),
        "blocks.{i}.attention.query_norm.weight": "model.layers.{i}.self_attn.q_norm.weight",
        "blocks.{i}.attention.key_norm.weight": "model.layers.{i}.self_attn.k_norm.weight",
        "blocks.{i}.attention.out.weight": "model.layers.{i}.self_attn.o_proj.weight",
        "blocks.{i}.feed_forward_norm.weight": "model.layers.{i}.post_attention_layernorm.weight",
        "blocks.{i}.feed_forward.gate_up.weight": (
            "model.layers.{i}.mlp.gate_proj.weight",
            "model.layers.{i}.mlp.up_proj.weight",
        ),
        "blocks.{i}.feed_forward.down.weight": "model.layers.{i}.mlp.down_proj.weight",
        "final_norm.weight": "model.norm.weight",
        "unembedding.weight": "lm_head.weight",
        "score.weight": "score.weight",
    },
)

FAMILIES: Mapping[str, Family] = {family.model_type: family for family in (QWEN3,)}


def family_of(config: Mapping[str, Any]) -> Family:
    """The row for a config.json. Raises CheckpointError that names the supported families."""
    name = str(config.get("model_type"))
    if name not in FAMILIES:
        raise CheckpointError(f"config.json: model_type is '{name}'; supported: {', '.join(sorted(FAMILIES))}")
    return FAMILIES[name]


def row_counts(name: str, shape: Architecture) -> tuple[int, ...]:
    """How many rows each part of a fused matrix has; one entry for a plain one."""
    queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
    if name.endswith("attention.qkv.weight"):
        return queries, keys, keys
    if name.endswith("feed_forward.gate_up.weight"):
        return shape.intermediate_size, shape.intermediate_size
    return (0,)


def _theirs(name: str, family: Family) -> tuple[str, ...]:
    parts = name.split(".")
    layer = parts[1] if parts[0] == "blocks" else ""
    pattern = ".".join(["blocks", "{i}", *parts[2:]]) if layer else name
    other = family.weights[pattern]
    return tuple(text.replace("{i}", layer) for text in ((other,) if isinstance(other, str) else other))


def export_weights(weights: Mapping[str, Tensor], shape: Architecture, family: Family) -> dict[str, Tensor]:
    """Our state dictionary in the family's names, each tensor contiguous and its own."""
    result = {}
    for name, tensor in weights.items():
        names = _theirs(name, family)
        parts = torch.split(tensor, list(row_counts(name, shape))) if len(names) > 1 else (tensor,)
        result.update({other: part.detach().clone().contiguous() for other, part in zip(names, parts, strict=True)})
    return result


def import_weights(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """The family's state dictionary in our names, for exactly the `wanted` ones. Raises CheckpointError, listing every
    missing, extra and wrongly shaped tensor."""
    result: dict[str, Tensor] = {}
    faults: list[str] = []
    used: set[str] = set()
    for name, like in wanted.items():
        names = _theirs(name, family)
        missing = [other for other in names if other not in weights]
        used.update(names)
        if missing:
            faults += [f"missing {other}" for other in missing]
            continue
        tensor = torch.cat([weights[other] for other in names]) if len(names) > 1 else weights[names[0]]
        if tensor.shape != like.shape:
            faults.append(f"{' + '.join(names)} has shape {tuple(tensor.shape)}, expected {tuple(like.shape)}")
            continue
        result[name] = tensor.to(like.dtype)
    faults += [f"unexpected {other}" for other in sorted(set(weights) - used)]
    if faults:
        raise CheckpointError(f"the weights do not fit the configuration: {'; '.join(faults[:12])}")
    return result
