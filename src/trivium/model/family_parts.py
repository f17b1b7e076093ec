"""What more than one row of the table of families needs: names and how rotary positions, windows and activations are spelt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.base.errors import CheckpointError
from trivium.model.architecture import Architecture

ACTIVATION_NAMES = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
SIZES = {"vocab_size": "vocab_size", "hidden_size": "hidden_size", "intermediate_size": "intermediate_size"}
SIZES |= {"num_layers": "num_hidden_layers", "num_heads": "num_attention_heads"}
TIED = {"tie_embeddings": "tie_word_embeddings"}
SCALINGS: Mapping[str, tuple[str, ...]] = {
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
}


def read_rope(config: Mapping[str, Any]) -> dict[str, Any]:
    rope = {**(config.get("rope_parameters") or {}), **(config.get("rope_scaling") or {})}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default" and kind not in SCALINGS:
        supported = ", ".join(["default", *SCALINGS])
        raise CheckpointError(f"config.json: rotary positions are scaled by '{kind}'; supported: {supported}")
    scaling = {"rope_type": kind, **{key: rope[key] for key in SCALINGS[kind]}} if kind != "default" else {}
    theta = float(rope.get("rope_theta", config.get("rope_theta", 10_000.0)))
    return {"rope_theta": theta, "rope_scaling": scaling}


def write_rope(shape: Architecture) -> dict[str, Any]:
    scaling = dict(shape.rope_scaling)
    rope = {"rope_type": "default", **scaling, "rope_theta": shape.rope_theta}
    # transformers 4 and vLLM read the first two, transformers 5 the third
    return {"rope_theta": shape.rope_theta, "rope_scaling": scaling or None, "rope_parameters": rope}


def own_heads(config: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes of a family in which every head has keys of its own and the heads fill the stream."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    if hidden % heads:
        raise CheckpointError(
            f"config.json: the hidden size is {hidden}, which the number of heads, {heads}, does not divide"
        )
    return {"num_kv_heads": heads, "head_dim": hidden // heads}


def layer_types(shape: Architecture) -> list[str]:
    return ["sliding_attention" if window else "full_attention" for window in shape.layer_windows]


def only_window(shape: Architecture) -> int:
    """The length of those windows that there are; reading it back shows where they differ."""
    return max(shape.layer_windows)


def windows_of(types: list[str], window: int) -> tuple[int, ...]:
    """Windows by layer; empty where no layer has one."""
    local = tuple(window if kind == "sliding_attention" else 0 for kind in types)
    return local if any(local) else ()


def activation_name(shape: Architecture) -> str:
    names = [name for name, ours in ACTIVATION_NAMES.items() if ours == shape.mlp]
    if not names:
        raise CheckpointError(f"a model of the family {shape.family} cannot have mlp '{shape.mlp}'")
    return names[0]


def read_activation(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    name = config[key]
    if name not in ACTIVATION_NAMES:
        raise CheckpointError(f"config.json: {key} is '{name}'; supported: {', '.join(ACTIVATION_NAMES)}")
    return {"mlp": ACTIVATION_NAMES[name]}


def layer_names(name: str, *theirs: str) -> dict[str, str | tuple[str, ...]]:
    """Weight and bias of a layer, which is one of theirs or several, one after the other."""
    return {
        f"{name}.{kind}": tuple(f"{other}.{kind}" for other in theirs) if len(theirs) > 1 else f"{theirs[0]}.{kind}"
        for kind in ("weight", "bias")
    }
