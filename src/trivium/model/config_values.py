"""Whether the values of a config.json are of the kind that their keys need; what they describe is `family`'s business."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from trivium.base.errors import CheckpointError

SIZES = """vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim
    max_position_embeddings dim hidden_dim n_layers n_heads n_embd n_layer n_head n_inner n_positions local_attention
    global_attn_every_n_layers num_labels"""
COUNTS = "type_vocab_size sliding_window max_window_layers"
NUMBERS = "rms_norm_eps layer_norm_eps layer_norm_epsilon norm_eps rope_theta global_rope_theta local_rope_theta"
SWITCHES = "tie_word_embeddings attention_bias mlp_bias norm_bias use_sliding_window"
NAMES = "hidden_act activation activation_function problem_type classifier_pooling"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _are_labels(value: Any) -> bool:
    return isinstance(value, dict) and all(key.isdecimal() for key in value)


KINDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (SIZES, lambda value: _is_whole(value) and value > 0, "a whole number above 0"),
    (COUNTS, lambda value: _is_whole(value) and value >= 0, "a whole number, 0 or more"),
    (NUMBERS, lambda value: _is_number(value) and value > 0, "a number above 0"),
    (SWITCHES, lambda value: isinstance(value, bool), "true or false"),
    (NAMES, lambda value: isinstance(value, str), "a name in quotes"),
    ("architectures layer_types", _are_names, "a list of names"),
    ("rope_parameters rope_scaling trivium", lambda value: isinstance(value, dict), "an object in braces"),
    ("id2label", _are_labels, 'an object from numbers to labels, such as {"0": "no", "1": "yes"}'),
)


def check_values(config: Mapping[str, Any]) -> None:
    """Raises CheckpointError for the first value, but for null, that is not of its key's kind."""
    for keys, fits, wanted in KINDS:
        for key in keys.split():
            value = config.get(key)
            if value is not None and not fits(value):
                raise CheckpointError(f"config.json: {key} is {value!r}; it must be {wanted}")
