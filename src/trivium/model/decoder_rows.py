"""Rows of the table of families: decoders.

Names on the left are ours, names on the right those of config.json or of the state dictionary. A key of config.json that is
not here has no bearing on what is computed in evaluation (dropout, initial weights, caches).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.model.architecture import Architecture, HeadShape
from trivium.model.family import Family, Head
from trivium.model.family_parts import (
    SIZES,
    TIED,
    activation_name,
    layer_names,
    layer_types,
    only_window,
    read_activation,
    read_rope,
    windows_of,
    write_rope,
)

# Decoders in the form of Llama.

LLAMA_FIELDS = {**SIZES, **TIED, "max_positions": "max_position_embeddings", "norm_epsilon": "rms_norm_eps"}
LLAMA_FORM = {"query_key_norm": False}
LLAMA_EXPECTED = {"hidden_act": "silu"}
LLAMA_DEFAULTS = {"tie_word_embeddings": False, "rms_norm_eps": 1e-6}


_ATTENTION, _MLP = "model.layers.{i}.self_attn", "model.layers.{i}.mlp"
LLAMA_WEIGHTS = {
    "embedding.weight": "model.embed_tokens.weight",
    "blocks.{i}.attention_norm.weight": "model.layers.{i}.input_layernorm.weight",
    **layer_names("blocks.{i}.attention.qkv", f"{_ATTENTION}.q_proj", f"{_ATTENTION}.k_proj", f"{_ATTENTION}.v_proj"),
    "blocks.{i}.attention.query_norm.weight": f"{_ATTENTION}.q_norm.weight",
    "blocks.{i}.attention.key_norm.weight": f"{_ATTENTION}.k_norm.weight",
    **layer_names("blocks.{i}.attention.out", f"{_ATTENTION}.o_proj"),
    "blocks.{i}.feed_forward_norm.weight": "model.layers.{i}.post_attention_layernorm.weight",
    **layer_names("blocks.{i}.feed_forward.gate_up", f"{_MLP}.gate_proj", f"{_MLP}.up_proj"),
    **layer_names("blocks.{i}.feed_forward.down", f"{_MLP}.down_proj"),
    "final_norm.weight": "model.norm.weight",
}


def _read_llama(config: Mapping[str, Any]) -> dict[str, Any]:
    heads = config["num_attention_heads"]
    return {
        "num_kv_heads": config.get("num_key_value_heads", heads),
        "head_dim": config.get("head_dim", config["hidden_size"] // heads),
        **read_rope(config),
    }


def _write_llama(shape: Architecture) -> dict[str, Any]:
    sizes = {"num_key_value_heads": shape.num_kv_heads, "head_dim": shape.head_dim}
    return {**sizes, **write_rope(shape), "attention_dropout": 0.0, "use_cache": True}


def _read_biases(config: Mapping[str, Any]) -> dict[str, Any]:
    bias = config.get("attention_bias", False)
    return {"query_bias": bias, "output_bias": bias, "mlp_bias": config.get("mlp_bias", False)}


def _write_biases(shape: Architecture) -> dict[str, Any]:
    return {"attention_bias": shape.output_bias, "mlp_bias": shape.mlp_bias}


def _read_qwen_windows(config: Mapping[str, Any]) -> dict[str, Any]:
    if not config.get("use_sliding_window", False) or not config.get("sliding_window"):
        return {"windows": ()}
    first, layers = config.get("max_window_layers", 28), config["num_hidden_layers"]
    types = config.get("layer_types") or [
        "sliding_attention" if i >= first else "full_attention" for i in range(layers)
    ]
    return {"windows": windows_of(types, config["sliding_window"])}


def _write_qwen_windows(shape: Architecture) -> dict[str, Any]:
    types = layer_types(shape)
    full = types.index("sliding_attention") if "sliding_attention" in types else shape.num_layers
    return {
        "use_sliding_window": bool(shape.windows),
        "sliding_window": only_window(shape) or None,
        "max_window_layers": full,
        "layer_types": types,
    }


def _read_mistral_windows(config: Mapping[str, Any]) -> dict[str, Any]:
    window = config.get("sliding_window")
    return {"windows": (window,) * config["num_hidden_layers"] if window else ()}


def _decoder_heads(prefix: str, base: str = "", tagger: str = "score") -> dict[str, Head]:
    causal = "GPT2LMHeadModel" if prefix == "GPT2" else f"{prefix}ForCausalLM"
    return {
        "language": Head(causal, HeadShape(), {"unembedding.weight": "lm_head.weight"}),
        "sequence": Head(
            f"{prefix}ForSequenceClassification",
            HeadShape(kind="sequence", pool="last"),
            {"head_out.weight": "score.weight"},
        ),
        "tokens": Head(
            f"{prefix}ForTokenClassification", HeadShape(kind="tokens", bias=True), layer_names("head_out", tagger)
        ),
        "span": Head(
            f"{prefix}ForQuestionAnswering",
            HeadShape(kind="span", bias=True),
            layer_names("head_out", "qa_outputs"),
            base,
        ),
    }


LLAMA = Family(
    model_type="llama",
    base="model.",
    form=LLAMA_FORM,
    fields=LLAMA_FIELDS,
    expected=LLAMA_EXPECTED,
    defaults=LLAMA_DEFAULTS,
    read=lambda config: {**_read_llama(config), **_read_biases(config)},
    write=lambda shape: {**_write_llama(shape), **_write_biases(shape)},
    weights=LLAMA_WEIGHTS,
    heads=_decoder_heads("Llama", "transformer."),
    ignored=r"rotary_emb\.inv_freq$",
)
MISTRAL = Family(
    model_type="mistral",
    base="model.",
    form=LLAMA_FORM,
    fields=LLAMA_FIELDS,
    expected=LLAMA_EXPECTED,
    defaults=LLAMA_DEFAULTS,
    read=lambda config: {**_read_llama(config), **_read_mistral_windows(config)},
    write=lambda shape: {**_write_llama(shape), "sliding_window": only_window(shape) or None},
    weights=LLAMA_WEIGHTS,
    heads=_decoder_heads("Mistral"),
    ignored=r"rotary_emb\.inv_freq$",
)
QWEN2 = Family(
    model_type="qwen2",
    base="model.",
    form={**LLAMA_FORM, "query_bias": True},
    fields=LLAMA_FIELDS,
    expected=LLAMA_EXPECTED,
    defaults=LLAMA_DEFAULTS,
    read=lambda config: {**_read_llama(config), **_read_qwen_windows(config)},
    write=lambda shape: {**_write_llama(shape), **_write_qwen_windows(shape)},
    weights=LLAMA_WEIGHTS,
    heads=_decoder_heads("Qwen2", "transformer."),
)
QWEN3 = Family(
    model_type="qwen3",
    base="model.",
    form={"query_key_norm": True},
    fields=LLAMA_FIELDS,
    expected=LLAMA_EXPECTED,
    defaults={**LLAMA_DEFAULTS, "head_dim": 128},
    read=lambda config: {
        **_read_llama(config),
        **_read_qwen_windows(config),
        **{key: value for key, value in _read_biases(config).items() if key != "mlp_bias"},
    },
    write=lambda shape: {**_write_llama(shape), **_write_qwen_windows(shape), "attention_bias": shape.output_bias},
    weights=LLAMA_WEIGHTS,
    heads=_decoder_heads("Qwen3", "transformer."),
)

# GPT-2.

_H = "transformer.h.{i}"
GPT2 = Family(
    model_type="gpt2",
    base="transformer.",
    form={
        "positions": "learned",
        "norm": "layer",
        "norm_bias": True,
        "norm_epsilon": 1e-5,
        "query_key_norm": False,
        "query_bias": True,
        "output_bias": True,
        "mlp": "gelu_tanh",
        "mlp_bias": True,
    },
    fields={
        "vocab_size": "vocab_size",
        "hidden_size": "n_embd",
        "num_layers": "n_layer",
        "num_heads": "n_head",
        "max_positions": "n_positions",
        "norm_epsilon": "layer_norm_epsilon",
        **TIED,
    },
    expected={
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "add_cross_attention": False,
    },
    defaults={"tie_word_embeddings": True, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"},
    read=lambda config: {
        "num_kv_heads": config["n_head"],
        "head_dim": config["n_embd"] // config["n_head"],
        "intermediate_size": config.get("n_inner", 4 * config["n_embd"]),
        **read_activation(config, "activation_function"),
    },
    write=lambda shape: {"n_inner": shape.intermediate_size, "activation_function": activation_name(shape)},
    weights={
        "embedding.weight": "transformer.wte.weight",
        "position_embedding.weight": "transformer.wpe.weight",
        **layer_names("blocks.{i}.attention_norm", f"{_H}.ln_1"),
        **layer_names("blocks.{i}.attention.qkv", f"{_H}.attn.c_attn"),
        **layer_names("blocks.{i}.attention.out", f"{_H}.attn.c_proj"),
        **layer_names("blocks.{i}.feed_forward_norm", f"{_H}.ln_2"),
        **layer_names("blocks.{i}.feed_forward.up", f"{_H}.mlp.c_fc"),
        **layer_names("blocks.{i}.feed_forward.down", f"{_H}.mlp.c_proj"),
        **layer_names("final_norm", "transformer.ln_f"),
    },
    heads=_decoder_heads("GPT2", tagger="classifier"),
    turned=frozenset(
        f"blocks.{{i}}.{name}.weight"
        for name in ("attention.qkv", "attention.out", "feed_forward.up", "feed_forward.down")
    ),
    ignored=r"\.attn\.(bias|masked_bias)$",
)
