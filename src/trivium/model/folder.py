"""A model folder: config.json, generation_config.json and model.safetensors, as Hugging Face has them.

`save` writes what `transformers.AutoModel*.from_pretrained` takes as it is; `load` reads it back. The tokenizer's files
are the tokenizer's own. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from trivium.base.errors import CheckpointError, RunError
from trivium.base.files import read_json, write_atomic, write_json
from trivium.model.families import FAMILIES, export_weights, family_of, import_weights
from trivium.model.transformer import Transformer

DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


def save(model: Transformer, folder: Path, special: Mapping[str, int | list[int]], family: str = "qwen3") -> None:
    """Write `model` to `folder`. `special` holds bos_token_id, eos_token_id and pad_token_id as far as there are any."""
    row = FAMILIES[family]
    weights = export_weights(model.state_dict(), model.shape, row)
    config: dict[str, Any] = {
        "architectures": [row.classes[model.head]],
        "model_type": row.model_type,
        "dtype": DTYPES[next(iter(weights.values())).dtype],
        **row.to_config(model.shape),
        **special,
    }
    if model.head == "score":
        config |= {"id2label": {"0": "reward"}, "label2id": {"reward": 0}, "num_labels": 1}
    write_atomic(folder / "model.safetensors", to_bytes(weights, metadata={"format": "pt"}))
    write_json(folder / "config.json", config)
    if model.head == "language":
        write_json(folder / "generation_config.json", {"do_sample": True, "temperature": 1.0, **special})


def load(folder: Path, head: str | None = None) -> Transformer:
    """The model in `folder`, in float32. With `head='score'` a language model's trunk gets a zero score head, and
    the other way round is refused. Raises CheckpointError where files are missing, damaged or do not fit."""
    try:
        config = read_json(folder / "config.json")
    except RunError as error:
        raise CheckpointError(str(error)) from None
    family = family_of(config)
    shape = family.from_config(config)
    weights = read_weights(folder / "model.safetensors")
    stored = next(
        (name for name, cls in family.classes.items() if cls in (config.get("architectures") or [])), "language"
    )
    model = Transformer(shape, head or stored)
    wanted: dict[str, Tensor] = dict(model.state_dict())
    fresh_head = model.head == "score" and stored == "language"
    if fresh_head:
        wanted.pop("score.weight")
        weights.pop("lm_head.weight", None)
    elif shape.tie_embeddings:
        weights.pop("lm_head.weight", None)  # some writers store the tied matrix twice
    found = import_weights(weights, wanted, family)
    if fresh_head:
        found["score.weight"] = torch.zeros(1, shape.hidden_size)
    model.load_state_dict({name: tensor.float() for name, tensor in found.items()})
    return model


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises CheckpointError where it is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: missing or damaged ({error}); run the stage that writes it again") from None
