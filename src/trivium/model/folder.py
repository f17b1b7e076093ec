"""A model folder: config.json, generation_config.json and weights, as Hugging Face has them.

`save` writes what `transformers.AutoModel*.from_pretrained` takes as it is; `load` reads it back, with the head that it has
or with another. What no published class has (a next-sentence head beside a ModernBERT, a caller's own module) lies in
trivium/heads.safetensors. The tokenizer's files are the tokenizer's own. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes

from trivium.base.errors import CheckpointError
from trivium.base.files import write_atomic, write_json
from trivium.model.architecture import HeadShape
from trivium.model.families import family_named, read_shape
from trivium.model.family import Family, export_weights, import_weights
from trivium.model.initialise import initialise_head
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


def stored_head(config: Mapping[str, Any], family: Family) -> HeadShape:
    """The head that a folder's config.json describes; the family's first kind where no class of it is named."""
    named = config.get("architectures") or []
    kinds = [kind for kind, head in family.heads.items() if head.cls in named]
    own = config.get(OWN) or {}
    kind = own.get("head", kinds[0] if kinds else next(iter(family.heads)))
    by_number = config.get("id2label") or {}
    labels = tuple(str(by_number[key]) for key in sorted(by_number, key=int))
    if kind in ("sequence", "tokens") and not labels:
        labels = tuple(f"LABEL_{number}" for number in range(config.get("num_labels", 2)))
    if kind == "sequence" and labels == REWARD:
        kind = "score"
    pool = own.get("pool", config.get(family.pool_key, "") if kind in ("sequence", "score") else "")
    return family.head_shape(kind, labels, pool, config.get("problem_type") or "")


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
    config, family, shape = read_shape(folder)
    stored = stored_head(config, family)
    kind = head or stored.kind
    known = kind == stored.kind or (kind == "score" and stored.kind == "sequence" and len(stored.labels) == 1)
    keep = known and not fresh
    names = tuple(labels) or (stored.labels if kind == stored.kind else ())
    same = stored if keep else HeadShape()
    wanted = family.head_shape(kind, names, pool or same.pool, problem or same.problem)
    if keep and kind == stored.kind and set(wanted.labels) != set(stored.labels):
        raise CheckpointError(
            f"{folder}: its labels are {', '.join(stored.labels)}; asked for: {', '.join(names)}: use those, or start a new "
            "head on it"
        )
    model = Transformer(shape, wanted)
    _fill(model, folder, family, keep=keep)
    if keep and wanted.labels != stored.labels and kind == stored.kind:
        _reorder(model, stored.labels)
    return model


def _fill(model: Transformer, folder: Path, family: Family, *, keep: bool) -> None:
    """Load the folder's weights; what of the head is not there is drawn, unless it is the stored head that is kept."""
    weights = read_folder(folder)
    if model.shape.tie_embeddings:
        for head in family.heads.values():
            weights.pop(str(head.weights.get("unembedding.weight")), None)  # some writers store the tied matrix twice
    state = model.state_dict()
    own = read_weights(folder / OWN_WEIGHTS) if (folder / OWN_WEIGHTS).exists() else {}
    if not keep:
        # the last matrix of a head over labels: a new head has other labels
        outs = [theirs for ours, theirs in family.head(model.head.kind).weights.items() if ours.startswith("head_out.")]
        weights = {name: tensor for name, tensor in weights.items() if name not in outs}
    try:
        found, absent = import_weights(weights, state, family, model.head.kind, model.shape.num_layers)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None
    found |= {name: own[name].float() for name in absent if name in own}
    missing = [name for name in absent if name not in own and (keep or name == "unembedding.weight")]
    if missing:
        raise CheckpointError(f"{folder}: the weights do not fit the configuration: missing {', '.join(missing)}")
    initialise_head(model)
    model.load_state_dict({name: tensor.float() for name, tensor in found.items()}, strict=False)


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
