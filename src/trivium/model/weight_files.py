"""Weights on the disk: safetensors, in one file or in shards with an index, as Hugging Face has them. Nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from trivium.base.errors import CheckpointError, RunError
from trivium.base.files import read_json, write_atomic, write_json

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
OWN = "trivium"  # the folder in a model folder of ours that holds what is ours alone
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
SHARD_BYTES = 5_000_000_000
CONVERT = (
    'convert it where you trust it: python -c "from transformers import AutoModel{0} as M; '
    "M.from_pretrained('{1}').save_pretrained('{1}-safe')\""
)


def write_weights(folder: Path, weights: Mapping[str, Tensor], shard_bytes: int = SHARD_BYTES) -> None:
    """Write model.safetensors, or shards of at most `shard_bytes` (but for larger tensors) with their index."""
    shards: list[dict[str, Tensor]] = [{}]
    size = total = 0
    for name, tensor in weights.items():
        if shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
        total += tensor.nbytes
    names = [f"model-{number:05d}-of-{len(shards):05d}.safetensors" for number in range(1, len(shards) + 1)]
    names = [WEIGHTS] if len(shards) == 1 else names
    for name, shard in zip(names, shards, strict=True):
        write_atomic(folder / name, to_bytes(shard, metadata={"format": "pt"}))
    if len(shards) > 1:
        places = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})
    for path in [*folder.glob("model-*-of-*.safetensors"), folder / WEIGHTS, folder / INDEX]:
        if path.name not in (*names, INDEX if len(shards) > 1 else ""):
            path.unlink(missing_ok=True)  # of an earlier writing in another number of files


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises CheckpointError where it is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        folder = path.parent.parent if path.parent.name == OWN else path.parent
        raise CheckpointError(f"{path}: missing or damaged ({error}); {_mend(folder)}") from None


def read_config(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model folder. Raises CheckpointError where it is missing or damaged, or `path` lies in no
    folder."""
    require_folder(path.parent)
    try:
        content = read_json(path, _mend(path.parent))
    except RunError as error:
        raise CheckpointError(str(error)) from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: damaged (it holds no object in braces); {_mend(path.parent)}")
    return content


def _mend(folder: Path) -> str:
    """What to do about a damaged folder: those of our runs have a folder of ours in them, or are not written yet."""
    ours = (folder / OWN).is_dir() or not folder.exists()
    return "run the stage that writes it again" if ours else "fetch or copy the folder again"


def require_folder(folder: Path) -> None:
    """Raises CheckpointError where `folder` is a file: what is wanted, and for a pickle why not and how to convert it."""
    if not folder.is_file():
        return
    wanted = f"{folder}: this is a file; a model is a folder with config.json, tokenizer.json and {WEIGHTS}"
    if folder.suffix not in (".bin", *(Path(pattern).suffix for pattern in PICKLES)):
        raise CheckpointError(f"{wanted}: give the folder")
    raise CheckpointError(
        f"{wanted}, and a pickle can run any code when it is read, so it is not; give it the name pytorch_model.bin beside its "
        "config.json and " + CONVERT.format(_auto_class(folder.parent), folder.parent)
    )


def require_safe(folder: Path) -> None:
    """Raises CheckpointError where `folder` is a file, or has weights that are pickled alone; names alone are read."""
    require_folder(folder)
    pickled = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickled and not (folder / WEIGHTS).exists() and not (folder / INDEX).exists():
        raise CheckpointError(
            f"{folder / pickled[0]}: a pickle can run any code when it is read, so it is not; "
            + CONVERT.format(_auto_class(folder), folder)
        )


def read_folder(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model folder. Raises CheckpointError where files are missing or damaged, and where there are only
    pickled ones, with how to convert them."""
    if (folder / WEIGHTS).exists():
        return read_weights(folder / WEIGHTS)
    if (folder / INDEX).exists():
        return _read_shards(folder)
    require_safe(folder)
    return read_weights(folder / WEIGHTS)


def _read_shards(folder: Path) -> dict[str, Tensor]:
    index = folder / INDEX
    places = read_config(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise CheckpointError(f"{index}: damaged (no weight_map); fetch or copy the folder again")
    result: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        if Path(name).name != name:
            raise CheckpointError(
                f"{index}: names '{name}', which is not a file beside it; fetch or copy the folder again"
            )
        result |= read_weights(folder / name)
    missing = sorted(set(places) - set(result))
    if missing:
        raise CheckpointError(
            f"{index}: {', '.join(missing[:5])} are in none of its files; fetch or copy the folder again"
        )
    return result


def _auto_class(folder: Path) -> str:
    """What of `transformers`' Auto classes keeps the folder's head."""
    try:
        classes = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or [""]
    except (OSError, ValueError, AttributeError):
        return ""
    known = ("ForCausalLM", "ForMaskedLM", "ForPreTraining", "ForSequenceClassification", "ForTokenClassification")
    return next((name for name in (*known, "ForQuestionAnswering") if str(classes[0]).endswith(name)), "")
