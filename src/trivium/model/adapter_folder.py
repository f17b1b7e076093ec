"""A low-rank adapter in the format of PEFT: `adapter_config.json` and `adapter_model.safetensors`, the head with it.

`peft.PeftModel.from_pretrained(base, folder)` loads it on the model that it was trained on; the head, new with the adapter, is
among its `modules_to_save`, or it would be lost.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor

from trivium.base.files import write_atomic, write_json
from trivium.model.families import family_named
from trivium.model.family import export_weights
from trivium.model.lora import adapted_layers
from trivium.model.lora_settings import LoraSettings
from trivium.model.transformer import Transformer

TASK_TYPES = {"sequence": "SEQ_CLS", "tokens": "TOKEN_CLS", "span": "QUESTION_ANS", "language": "CAUSAL_LM"}


def save_adapter(model: Transformer, settings: LoraSettings, folder: Path, base: str) -> None:
    """Write the adapter of an adapted `model` to `folder`; `base` is where the model that it changes is."""
    family, kind = family_named(model.shape.family), model.head.kind
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    layers = adapted_layers(model)
    for name, layer in layers.items():
        weight = {f"{name}.weight": layer.weight}
        theirs = [other.removesuffix(".weight") for other in export_weights(weight, model.shape, family, kind)[0]]
        pairs = layer.pairs()
        if len(theirs) != len(pairs):  # fused there too: the changes side by side are one of a higher rank
            pairs = [(layer.lora_a, torch.block_diag(*(b for _, b in pairs)))]  # type: ignore[no-untyped-call]
        for module, (a, b) in zip(theirs, pairs, strict=True):
            tensors[f"base_model.model.{module}.lora_A.weight"] = a
            tensors[f"base_model.model.{module}.lora_B.weight"] = b
            ranks[module] = len(a)
    head = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("head_")}
    heads = export_weights(head, model.shape, family, kind)[0]
    tensors |= {f"base_model.model.{name}": tensor for name, tensor in heads.items()}
    content = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    write_atomic(folder / "adapter_model.safetensors", to_bytes(content, metadata={"format": "pt"}))
    higher = {module: rank for module, rank in ranks.items() if rank != settings.rank}
    stabilised = settings.rank_stabilised
    config = {
        "peft_type": "LORA",
        "task_type": TASK_TYPES[kind],
        "base_model_name_or_path": base,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "rank_pattern": higher,
        "alpha_pattern": {
            module: settings.scale * (rank**0.5 if stabilised else rank) for module, rank in higher.items()
        },
        "use_rslora": stabilised,
        "lora_dropout": settings.dropout,
        "bias": "none",
        "fan_in_fan_out": bool(family.turned),
        "target_modules": sorted(ranks),
        "modules_to_save": sorted({name.rpartition(".")[0] for name in heads}) or None,
        "inference_mode": True,
    }
    write_json(folder / "adapter_config.json", config)
