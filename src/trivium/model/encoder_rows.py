"""Rows of the table of families: encoders.

Names on the left are ours, names on the right those of config.json or of the state dictionary. A key of config.json that is
not here has no bearing on what is computed in evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trivium.base.errors import CheckpointError
from trivium.model.architecture import Architecture, HeadShape
from trivium.model.family import Family, Head
from trivium.model.family_parts import (
    SIZES,
    TIED,
    activation_name,
    layer_names,
    layer_types,
    only_window,
    own_heads,
    read_activation,
    windows_of,
)

# In the form of BERT: learned positions, norms behind, biases everywhere.

BERT_FORM = {
    "causal": False,
    "positions": "learned",
    "norm": "layer",
    "norm_place": "post",
    "norm_bias": True,
    "norm_epsilon": 1e-12,
    "embedding_norm": True,
    "query_key_norm": False,
    "query_bias": True,
    "output_bias": True,
    "mlp": "gelu",
    "mlp_bias": True,
}
BERT_FIELDS = {**SIZES, **TIED, "norm_epsilon": "layer_norm_eps", "num_segments": "type_vocab_size"}
BERT_EXPECTED = {"is_decoder": False, "add_cross_attention": False, "position_embedding_type": "absolute"}
BERT_DEFAULTS = {"tie_word_embeddings": True, "layer_norm_eps": 1e-12, "type_vocab_size": 2, "hidden_act": "gelu"}
MASKED = HeadShape(kind="masked", dense="gelu", norm=True, bias=True)


def _bert_weights(base: str) -> dict[str, str | tuple[str, ...]]:
    layer = f"{base}encoder.layer.{{i}}"
    attention = f"{layer}.attention.self"
    return {
        "embedding.weight": f"{base}embeddings.word_embeddings.weight",
        "position_embedding.weight": f"{base}embeddings.position_embeddings.weight",
        "type_embedding.weight": f"{base}embeddings.token_type_embeddings.weight",
        **layer_names("embedding_norm", f"{base}embeddings.LayerNorm"),
        **layer_names("blocks.{i}.attention.qkv", *(f"{attention}.{part}" for part in ("query", "key", "value"))),
        **layer_names("blocks.{i}.attention.out", f"{layer}.attention.output.dense"),
        **layer_names("blocks.{i}.attention_norm", f"{layer}.attention.output.LayerNorm"),
        **layer_names("blocks.{i}.feed_forward.up", f"{layer}.intermediate.dense"),
        **layer_names("blocks.{i}.feed_forward.down", f"{layer}.output.dense"),
        **layer_names("blocks.{i}.feed_forward_norm", f"{layer}.output.LayerNorm"),
    }


def _label_head(cls: str, shape: HeadShape, out: str, dense: str = "") -> Head:
    return Head(cls, shape, {**layer_names("head_out", out), **(layer_names("head_dense", dense) if dense else {})})


def _plain_heads(prefix: str) -> dict[str, Head]:
    """Heads of one layer on each token."""
    return {
        "tokens": _label_head(f"{prefix}ForTokenClassification", HeadShape(kind="tokens", bias=True), "classifier"),
        "span": _label_head(f"{prefix}ForQuestionAnswering", HeadShape(kind="span", bias=True), "qa_outputs"),
    }


_CLS = HeadShape(kind="sequence", pool="cls", dense="tanh", bias=True)
_PREDICTIONS = {
    **layer_names("head_dense", "cls.predictions.transform.dense"),
    **layer_names("head_norm", "cls.predictions.transform.LayerNorm"),
    "unembedding.weight": "cls.predictions.decoder.weight",
    "output_bias": "cls.predictions.decoder.bias",
}
_RELATION = {**layer_names("pooler", "bert.pooler.dense"), **layer_names("pair_out", "cls.seq_relationship")}
BERT = Family(
    model_type="bert",
    base="bert.",
    form={**BERT_FORM, "num_segments": 2},
    fields={**BERT_FIELDS, "max_positions": "max_position_embeddings"},
    expected=BERT_EXPECTED,
    defaults=BERT_DEFAULTS,
    read=lambda config: {**own_heads(config), **read_activation(config, "hidden_act")},
    write=lambda shape: {"hidden_act": activation_name(shape)},
    weights=_bert_weights("bert."),
    heads={
        "masked": Head("BertForMaskedLM", MASKED, _PREDICTIONS),
        "pretraining": Head("BertForPreTraining", replace(MASKED, kind="pretraining"), {**_PREDICTIONS, **_RELATION}),
        "sequence": _label_head("BertForSequenceClassification", _CLS, "classifier", "bert.pooler.dense"),
        **_plain_heads("Bert"),
    },
    twins={"cls.predictions.decoder.bias": "cls.predictions.bias"},
    ignored=r"position_ids$",
)


def _read_roberta(config: Mapping[str, Any]) -> dict[str, Any]:
    padding = config["pad_token_id"]  # its positions count from the padding's number on
    if not isinstance(padding, int) or not 0 <= padding < config["max_position_embeddings"] - 1:
        raise CheckpointError(
            f"config.json: pad_token_id is {padding!r}; it must be a whole number, 0 or more, and positions must be left above it"
        )
    offset = padding + 1
    positions = {"position_offset": offset, "max_positions": config["max_position_embeddings"] - offset}
    return {**own_heads(config), **read_activation(config, "hidden_act"), **positions}


def _write_roberta(shape: Architecture) -> dict[str, Any]:
    longest = shape.max_positions + shape.position_offset
    positions = {"max_position_embeddings": longest, "pad_token_id": shape.position_offset - 1}
    return {"hidden_act": activation_name(shape), **positions}


ROBERTA = Family(
    model_type="roberta",
    base="roberta.",
    form={**BERT_FORM, "num_segments": 1, "position_offset": 2},
    fields=BERT_FIELDS,
    expected=BERT_EXPECTED,
    defaults={**BERT_DEFAULTS, "pad_token_id": 1},
    read=_read_roberta,
    write=_write_roberta,
    weights=_bert_weights("roberta."),
    heads={
        "masked": Head(
            "RobertaForMaskedLM",
            MASKED,
            {
                **layer_names("head_dense", "lm_head.dense"),
                **layer_names("head_norm", "lm_head.layer_norm"),
                "unembedding.weight": "lm_head.decoder.weight",
                "output_bias": "lm_head.decoder.bias",
            },
        ),
        "sequence": _label_head("RobertaForSequenceClassification", _CLS, "classifier.out_proj", "classifier.dense"),
        **_plain_heads("Roberta"),
    },
    twins={"lm_head.decoder.bias": "lm_head.bias"},
    ignored=r"position_ids$|^roberta\.pooler\.",
)

_LAYER = "distilbert.transformer.layer.{i}"
DISTILBERT = Family(
    model_type="distilbert",
    base="distilbert.",
    form=BERT_FORM,
    fields={
        "vocab_size": "vocab_size",
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
        "num_layers": "n_layers",
        "num_heads": "n_heads",
        "max_positions": "max_position_embeddings",
        **TIED,
    },
    defaults={"tie_word_embeddings": True, "activation": "gelu"},
    read=lambda config: {
        **own_heads({"hidden_size": config["dim"], "num_attention_heads": config["n_heads"]}),
        **read_activation(config, "activation"),
    },
    write=lambda shape: {"activation": activation_name(shape), "sinusoidal_pos_embds": False},
    weights={
        "embedding.weight": "distilbert.embeddings.word_embeddings.weight",
        "position_embedding.weight": "distilbert.embeddings.position_embeddings.weight",
        **layer_names("embedding_norm", "distilbert.embeddings.LayerNorm"),
        **layer_names("blocks.{i}.attention.qkv", *(f"{_LAYER}.attention.{part}_lin" for part in ("q", "k", "v"))),
        **layer_names("blocks.{i}.attention.out", f"{_LAYER}.attention.out_lin"),
        **layer_names("blocks.{i}.attention_norm", f"{_LAYER}.sa_layer_norm"),
        **layer_names("blocks.{i}.feed_forward.up", f"{_LAYER}.ffn.lin1"),
        **layer_names("blocks.{i}.feed_forward.down", f"{_LAYER}.ffn.lin2"),
        **layer_names("blocks.{i}.feed_forward_norm", f"{_LAYER}.output_layer_norm"),
    },
    heads={
        "masked": Head(
            "DistilBertForMaskedLM",
            MASKED,
            {
                **layer_names("head_dense", "vocab_transform"),
                **layer_names("head_norm", "vocab_layer_norm"),
                "unembedding.weight": "vocab_projector.weight",
                "output_bias": "vocab_projector.bias",
            },
        ),
        "sequence": _label_head(
            "DistilBertForSequenceClassification", replace(_CLS, dense="relu"), "classifier", "pre_classifier"
        ),
        **_plain_heads("DistilBert"),
    },
)

# In the form of ModernBERT: rotary positions, norms before, no biases, windows.


def _read_modernbert(config: Mapping[str, Any]) -> dict[str, Any]:
    every, layers = config["global_attn_every_n_layers"], config["num_hidden_layers"]
    types = config.get("layer_types") or ["sliding_attention" if i % every else "full_attention" for i in range(layers)]
    rope = config.get("rope_parameters") or {}
    thetas = {
        name: float((rope.get(kind) or {}).get("rope_theta", config[key]))
        for name, kind, key in (
            ("rope_theta", "full_attention", "global_rope_theta"),
            ("local_rope_theta", "sliding_attention", "local_rope_theta"),
        )
    }
    bias = config.get("attention_bias", False)
    return {
        **own_heads(config),
        **thetas,
        "windows": windows_of(types, config["local_attention"]),
        "query_bias": bias,
        "output_bias": bias,
    }


def _write_modernbert(shape: Architecture) -> dict[str, Any]:
    types = layer_types(shape)
    full = [i for i, kind in enumerate(types) if kind == "full_attention"]
    local_theta = shape.local_rope_theta
    return {
        "attention_bias": shape.output_bias,
        "local_attention": only_window(shape) or 2 * shape.max_positions,
        "layer_types": types,
        "global_attn_every_n_layers": full[1] if len(full) > 1 else shape.num_layers,
        # transformers 4 reads the first two, transformers 5 the third
        "global_rope_theta": shape.rope_theta,
        "local_rope_theta": local_theta,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": shape.rope_theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": local_theta},
        },
    }


_PREDICTION_HEAD = {"head_dense.weight": "head.dense.weight", **layer_names("head_norm", "head.norm")}
_LABELS = HeadShape(kind="tokens", dense="gelu", dense_bias=False, norm=True, bias=True)


def _modernbert_head(cls: str, shape: HeadShape) -> Head:
    return Head(cls, shape, {**_PREDICTION_HEAD, **layer_names("head_out", "classifier")})


MODERNBERT = Family(
    model_type="modernbert",
    base="model.",
    form={
        "causal": False,
        "norm": "layer",
        "norm_epsilon": 1e-5,
        "embedding_norm": True,
        "first_norm": False,
        "query_key_norm": False,
        "mlp": "geglu",
        "local_rope_theta": 10_000.0,
    },
    fields={
        **SIZES,
        **TIED,
        "max_positions": "max_position_embeddings",
        "norm_epsilon": "norm_eps",
        "norm_bias": "norm_bias",
        "mlp_bias": "mlp_bias",
    },
    expected={
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "classifier_bias": False,
        "decoder_bias": True,
    },
    defaults={
        "tie_word_embeddings": True,
        "norm_eps": 1e-5,
        "norm_bias": False,
        "mlp_bias": False,
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160_000.0,
        "local_rope_theta": 10_000.0,
    },
    read=_read_modernbert,
    write=_write_modernbert,
    weights={
        "embedding.weight": "model.embeddings.tok_embeddings.weight",
        **layer_names("embedding_norm", "model.embeddings.norm"),
        **layer_names("blocks.{i}.attention_norm", "model.layers.{i}.attn_norm"),
        **layer_names("blocks.{i}.attention.qkv", "model.layers.{i}.attn.Wqkv"),
        **layer_names("blocks.{i}.attention.out", "model.layers.{i}.attn.Wo"),
        **layer_names("blocks.{i}.feed_forward_norm", "model.layers.{i}.mlp_norm"),
        **layer_names("blocks.{i}.feed_forward.gate_up", "model.layers.{i}.mlp.Wi"),
        **layer_names("blocks.{i}.feed_forward.down", "model.layers.{i}.mlp.Wo"),
        **layer_names("final_norm", "model.final_norm"),
    },
    heads={
        "masked": Head(
            "ModernBertForMaskedLM",
            replace(MASKED, dense_bias=False),
            {**_PREDICTION_HEAD, "unembedding.weight": "decoder.weight", "output_bias": "decoder.bias"},
        ),
        "sequence": _modernbert_head(
            "ModernBertForSequenceClassification", replace(_LABELS, kind="sequence", pool="cls")
        ),
        "tokens": _modernbert_head("ModernBertForTokenClassification", _LABELS),
        "span": _modernbert_head("ModernBertForQuestionAnswering", replace(_LABELS, kind="span")),
    },
    pool_key="classifier_pooling",
    window=128,
)
