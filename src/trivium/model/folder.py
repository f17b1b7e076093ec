"""A model folder: config.json, generation_config.json and weights, as Hugging Face has them.

`save` writes what `transformers.AutoModel*.from_pretrained` takes as it is; `load` reads it back, with the head that it has
or with another. What no published class has (a next-sentence head beside a ModernBERT, a caller's own module) lies in
trivium/heads.safetensors. The tokenizer's files are the tokenizer's own. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor

from trivium.base.errors import CheckpointError
from trivium.base.files import write_atomic, write_json
from trivium.model.architecture import Architecture, HeadShape
from trivium.model.families import family_named, read_shape
from trivium.model.family import (
    OVER_VOCABULARY,
    Family,
    canonical,
    export_weights,
    file_names,
    head_names,
    import_weights,
    known_names,
)
from trivium.model.initialise import HEADS, initialise_head
from trivium.model.transformer import Transformer
from trivium.model.weight_files import read_folder, read_weights, write_weights

DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
OWN, OWN_WEIGHTS = "trivium", "trivium/heads.safetensors"  # a key of config.json; a file
REWARD = ("reward",)


def save(
    model: Transformer, folder: Path, special: Mapping[str, int | list[int]], dtype: torch.dtype = torch.float32
) -> None:
    """Write `model` to `folder`, in the form of its shape's family, its numbers as `dtype` (float32, bfloat16, float16).

    `special` holds bos_token_id, eos_token_id and pad_token_id as far as there are any. Raises CheckpointError where the
    family cannot hold such a model.
    """
    family = family_named(model.shape.family)
    weights, own = export_weights(model.state_dict(), model.shape, family, model.head.kind)
    config: dict[str, Any] = {
        "architectures": [family.head(model.head.kind).cls],
        "model_type": family.model_type,
        "dtype": DTYPES[dtype],
        **family.config(model.shape),
        **special,
        **_head_config(model.head, family),
    }
    _check_padding(config, family.config(model.shape))
    write_weights(folder, {name: tensor.to(dtype) for name, tensor in weights.items()})
    if own:
        write_atomic(folder / OWN_WEIGHTS, to_bytes(own, metadata={"format": "pt"}))
    else:
        (folder / OWN_WEIGHTS).unlink(missing_ok=True)
    write_json(folder / "config.json", config)
    if model.head.kind == "language":
        write_json(folder / "generation_config.json", {"do_sample": True, "temperature": 1.0, **special})


def _check_padding(config: Mapping[str, Any], form: Mapping[str, Any]) -> None:
    if "pad_token_id" in form and config["pad_token_id"] != form["pad_token_id"]:
        raise CheckpointError(
            f"the tokenizer pads with {config['pad_token_id']}; this family counts positions from its padding's number, "
            f"which is {form['pad_token_id']}: use the tokenizer that the model came with"
        )


def _head_config(head: HeadShape, family: Family) -> dict[str, Any]:
    """What config.json says of the head."""
    config: dict[str, Any] = {}
    own: dict[str, Any] = {}
    if head.kind in ("sequence", "tokens", "score"):
        config["id2label"] = {str(number): name for number, name in enumerate(head.labels)}
        config["label2id"] = {name: number for number, name in enumerate(head.labels)}
        config["num_labels"] = len(head.labels)
    if head.problem:
        config["problem_type"] = head.problem
    if head.kind == "pretraining" and "pretraining" not in family.heads:
        own["head"] = head.kind
    if head.pool and family.pool_key and head.pool != "last":
        config[family.pool_key] = head.pool
    elif head.pool != family.head(head.kind).shape.pool:
        own["pool"] = head.pool
    return {**config, OWN: own} if own else config


@dataclass(frozen=True)
class Stored:
    """What a folder holds: its configuration, the head that this tells of (none for a bare trunk), and its weights."""

    folder: Path
    config: Mapping[str, Any]
    family: Family
    shape: Architecture
    head: HeadShape
    weights: Mapping[str, Tensor]


def stored_head(config: Mapping[str, Any], family: Family, kind: str) -> HeadShape:
    """The head that a folder's config.json describes; one of `kind` where no class of a head is named."""
    kinds = _named_kinds(config, family)
    own = config.get(OWN) or {}
    kind = own.get("head", kinds[0] if kinds else kind)
    by_number = config.get("id2label") or {}
    labels = tuple(str(by_number[key]) for key in sorted(by_number, key=int))
    if kind in ("sequence", "tokens") and not labels:
        labels = tuple(f"LABEL_{number}" for number in range(config.get("num_labels", 2)))
    if kind == "sequence" and labels == REWARD:
        kind = "score"
    pool = own.get("pool", config.get(family.pool_key, "") if kind in ("sequence", "score") else "")
    return family.head_shape(kind, labels, pool, config.get("problem_type") or "")


def _named_kinds(config: Mapping[str, Any], family: Family) -> list[str]:
    named = config.get("architectures") or []
    return [kind for kind, head in family.heads.items() if head.cls in named]


def _read(folder: Path) -> Stored:
    config, family, shape = read_shape(folder)
    weights = read_folder(folder)
    first = next(iter(family.heads))
    needed = head_names(family, first, tied=shape.tie_embeddings)
    kind = "none" if needed and not needed & set(canonical(weights, family)) else first
    try:
        return Stored(folder, config, family, shape, stored_head(config, family, kind), weights)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None


def load(
    folder: Path,
    head: str | None = None,
    labels: Sequence[str] = (),
    *,
    pool: str = "",
    problem: str = "",
    fresh: bool = False,
) -> Transformer:
    """The model in `folder`, in float32, with the head that it has or with one of the kind `head`.

    A head of another kind than the stored one (or of any, with `fresh`) is a new one: what the folder has of it is taken,
    its last matrix starts at zero. The labels of a stored head must be `labels` as a set (or none are given); its rows are put
    into the order of `labels`. Raises CheckpointError where files are missing, damaged or do not fit.
    """
    stored = _read(folder)
    kind = head or stored.head.kind
    if head is None and kind == "none":
        raise CheckpointError(
            f"{folder}: it holds a trunk without a head ({stored.family.trunk}), which gives vectors alone; give a model with "
            "a head, or go on training this one (pretrain.base)"
        )
    known = kind == stored.head.kind or (
        kind == "score" and stored.head.kind == "sequence" and len(stored.head.labels) == 1
    )
    keep = known and not fresh
    names = tuple(labels) or (stored.head.labels if kind == stored.head.kind else ())
    same = stored.head if keep else HeadShape()
    wanted = stored.family.head_shape(kind, names, pool or same.pool, problem or same.problem)
    if keep and kind == stored.head.kind and set(wanted.labels) != set(stored.head.labels):
        raise CheckpointError(
            f"{folder}: its labels are {', '.join(stored.head.labels)}; asked for: {', '.join(names)}: use those, or start a "
            "new head on it"
        )
    model = Transformer(stored.shape, wanted)
    _fill(model, stored, keep=keep)
    if keep and wanted.labels != stored.head.labels and kind == stored.head.kind:
        _reorder(model, stored.head.labels)
    return model


def load_any(folder: Path) -> Transformer:
    """The model in `folder` with the head that it has, or as a bare trunk where it has none."""
    stored = _read(folder)
    model = Transformer(stored.shape, stored.head)
    _fill(model, stored, keep=True)
    return model


def load_to_train(folder: Path, head: str) -> tuple[Transformer, list[str]]:
    """The model in `folder` with a head over the vocabulary, and the names of those of its tensors that the folder has not:
    they are drawn, all others taken."""
    stored = _read(folder)
    model = Transformer(stored.shape, stored.family.head_shape(head))
    drawn = _fill(model, stored, keep=stored.head.kind == head, draw=True)
    names = [name for ours in drawn for name in file_names(ours, stored.weights, stored.family, head)]
    return model, names


def _fill(model: Transformer, stored: Stored, *, keep: bool, draw: bool = False) -> list[str]:
    """Load the stored weights, and give the names of ours that are drawn: what of the head is not there, unless it is the
    stored one that is kept; a matrix over the vocabulary only with `draw`."""
    family, kind = stored.family, model.head.kind
    weights, path = dict(stored.weights), stored.folder / OWN_WEIGHTS
    if model.shape.tie_embeddings:
        for head in family.heads.values():
            weights.pop(str(head.weights.get("unembedding.weight")), None)  # some writers store the tied matrix twice
    own = read_weights(path) if path.exists() else {}
    if not keep:
        # the last matrix of a head over labels: a new head has other labels
        outs = [theirs for ours, theirs in family.head(kind).weights.items() if ours.startswith("head_out.")]
        weights = {name: tensor for name, tensor in weights.items() if name not in outs}
    state = model.state_dict()
    new = set() if keep else {name for name in state if name.startswith(HEADS)}
    new |= {"unembedding.weight"} if draw and not keep else set()
    optional = set(own) | new
    try:
        found, absent = import_weights(weights, state, family, kind, _known(stored, kind), optional)
    except CheckpointError as error:
        raise CheckpointError(f"{stored.folder}: {error}") from None
    found |= {name: own[name].float() for name in absent if name in own}
    drawn = [name for name in absent if name not in own]
    initialise_head(model, vocabulary="unembedding.weight" in drawn)
    model.load_state_dict({name: tensor.float() for name, tensor in found.items()}, strict=False)
    return drawn


def _known(stored: Stored, kind: str) -> set[str]:
    """The names that may be in the files: of the trunk, of the heads that are named, stored and asked for, and what is left
    of pre-training; of all heads where no class of the family is named."""
    family, named = stored.family, _named_kinds(stored.config, stored.family)
    kinds = {*family.heads}
    if named or family.trunk in (stored.config.get("architectures") or []):
        kinds = {*named, stored.head.kind, kind, *(one for one in OVER_VOCABULARY if one in family.heads)}
    return known_names(family, kinds, stored.shape.num_layers)


def _reorder(model: Transformer, stored: tuple[str, ...]) -> None:
    """Put the outputs, which are in the order of `stored`, into the order of the model's labels."""
    order = torch.tensor([stored.index(label) for label in model.head.labels])
    with torch.no_grad():
        for parameter in model.head_out.parameters():
            parameter.copy_(parameter[order])


def load_extra(model: Transformer, folder: Path) -> None:
    """Fill `model.extra` from the folder that it was saved to. Raises CheckpointError where its weights do not fit."""
    assert model.extra is not None
    own = read_weights(folder / OWN_WEIGHTS)
    found = {name.removeprefix("extra."): tensor for name, tensor in own.items() if name.startswith("extra.")}
    try:
        model.extra.load_state_dict(found)
    except RuntimeError as error:
        raise CheckpointError(f"{folder / OWN_WEIGHTS}: does not fit: {str(error).splitlines()[-1].strip()}") from None


def resize_vocabulary(model: Transformer, size: int) -> Transformer:
    """A model that reads and writes `size` tokens: the first rows of every matrix over the vocabulary are kept, new ones are
    the mean of the old (Hewitt 2021, "Initializing new word embeddings")."""
    result = Transformer(replace(model.shape, vocab_size=size), model.head)
    state = model.state_dict()
    with torch.no_grad():
        for name in ("embedding.weight", "unembedding.weight", "output_bias"):
            if name in state:
                old = state[name]
                rows = old.mean(dim=0, keepdim=True).expand(max(size - len(old), 0), *old.shape[1:])
                state[name] = torch.cat([old[:size], rows])
    result.load_state_dict(state)
    return result
