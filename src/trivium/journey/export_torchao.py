"""A model folder with the matrices of its layers in 8 or 4 bits, and what that costs in bits per byte. Adapter of torchao.

The new folder is again one that `transformers` loads (where torchao is installed). Matrices of layers are rounded to the
nearest of 2^bits steps about zero: with 8 bits a scale for each row, with 4 bits for each `GROUP` weights of one.
Embeddings, heads and vectors stay as they are. torchao packs two weights of 4 bits into a byte only on GPUs with libraries of
their own; here each takes a byte, so 4 bits tell what that precision would cost, and save no more than 8.

Nothing is estimated: the written folder is read back, and both models are asked how likely they find the same texts.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from trivium.base.errors import DataError, MissingExtra, UserError
from trivium.base.files import read_json, replacing_folder, write_atomic, write_json
from trivium.base.words import Message
from trivium.data.shards import Shard
from trivium.evaluate.instructions import read_heldout
from trivium.evaluate.intervals import ratio
from trivium.evaluate.likelihood import Ask, Judge, load_judge
from trivium.journey.graph import is_named
from trivium.model.families import family_of
from trivium.model.folder import OWN_WEIGHTS
from trivium.model.weight_files import WEIGHTS, read_folder, write_weights
from trivium.tokenizer import Tokenizer

GROUP = 32
MOST = {True: 200, False: 20}  # texts measured on, of a decoder and of a masked model, which is asked token by token
TOLD = "quantisation.json"
FILES = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "README.md",
    OWN_WEIGHTS,
)
HELD_OUT, ANSWERS, GIVEN = "the run's held-out text", "the right answers to its held-out instructions", "a given text"
Documents = Sequence[tuple[Ask, int]]  # each with the bytes of what is asked for
Tokens = tuple[Sequence[int], Sequence[int]]  # of a text, and the places of those that are asked for


def export_torchao(folder: Path, target: Path, bits: int, text: Path | None = None) -> dict[str, Any]:
    """Write the folder `target` with matrices in `bits` (8 or 4); what it costs, as `quantisation.json` in it holds it.

    Measured on `text`: a run, whose held-out text is taken (for a model that was taught to answer: the right answers to its
    held-out instructions), or a file of text, paragraphs parted by empty lines. Raises
    UserError for a model without a head over the vocabulary, a family whose matrices torchao does not know or a folder that
    is there, MissingExtra without the library.
    """
    _check(folder, target)
    judge = load_judge(folder, "cpu")
    documents, measured_on = _documents(judge, folder, text)
    before = _bits_of(judge, documents)
    weights = read_folder(folder)
    small, metadata = _rounded(weights, _matrices(folder, weights), bits)
    config = read_json(folder / "config.json")
    with replacing_folder(target) as part:
        write_atomic(part / WEIGHTS, to_bytes(small, metadata={"format": "pt", **metadata}))
        write_json(part / "config.json", {**config, "quantization_config": _described(bits)})
        _copy_rest(folder, part)
        after = _bits_of(_read_back(part, config), documents)
        sizes = [size for _, size in documents]
        more = [b - a for a, b in zip(before, after, strict=True)]
        told = {
            "bits": bits,
            "group": GROUP if bits == 4 else "row",
            "bits_per_byte": {
                name: asdict(ratio(values, sizes))
                for name, values in (("before", before), ("after", after), ("added", more))
            },
            "measured_on": measured_on,
            "megabytes_before": sum(tensor.nbytes for tensor in weights.values()) / 1e6,
            "megabytes": (part / WEIGHTS).stat().st_size / 1e6,
        }
        write_json(part / TOLD, told)
    return told


def _check(folder: Path, target: Path) -> None:
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it tells of parts for GPUs that it does not find, and of its own old ways
    try:
        import torchao.prototype.safetensors.safetensors_support
        import torchao.quantization  # noqa: F401
    except ImportError:
        raise MissingExtra("torchao", "export", "writing weights in fewer bits") from None
    finally:
        logging.disable(level)
    if target.exists():
        raise UserError(f"{target}: is there already; name a new folder")
    config = read_json(folder / "config.json")
    family = family_of(config)
    if family.turned:
        raise UserError(
            f"{folder}: the matrices of the family {family.model_type} lie otherwise than torchao reads them; export one of "
            "another family"
        )


def _matrices(folder: Path, weights: Mapping[str, Tensor]) -> set[str]:
    """The published names of the layers' matrices."""
    family = family_of(read_json(folder / "config.json"))
    found = set()
    for ours, theirs in family.weights.items():
        if ours.startswith("blocks.") and ours.endswith(".weight"):
            for one in (theirs,) if isinstance(theirs, str) else theirs:
                before, after = one.split("{i}")
                found |= {name for name in weights if name.startswith(before) and name.endswith(after)}
    return {name for name in found if weights[name].dim() == 2}


def _way(bits: int, width: int) -> Any:
    """torchao's name for what is done to a matrix of that width."""
    from torchao.quantization import Int8WeightOnlyConfig, IntxWeightOnlyConfig
    from torchao.quantization.granularity import PerAxis, PerGroup

    if bits == 8:
        return Int8WeightOnlyConfig(set_inductor_config=False)
    four: torch.dtype = torch.int4  # type: ignore[attr-defined]  # PyTorch has it, its stubs do not
    return IntxWeightOnlyConfig(four, PerAxis(0) if width % GROUP else PerGroup(GROUP))


def _described(bits: int) -> dict[str, Any]:
    """What config.json says, in the form of `transformers`."""
    from torchao.core.config import config_to_dict

    way = {"default": config_to_dict(_way(bits, GROUP))}
    return {"quant_method": "torchao", "quant_type": way, "modules_to_not_convert": None}


def _rounded(weights: Mapping[str, Tensor], names: set[str], bits: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of the new file and what it says of them."""
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict
    from torchao.quantization import quantize_

    made: dict[str, Any] = {}
    for name, tensor in weights.items():
        made[name] = tensor.detach()
        if name in names:
            layer = nn.Linear(tensor.shape[1], tensor.shape[0], bias=False, device="meta")
            layer.weight = nn.Parameter(tensor.float(), requires_grad=False)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its own parts that it means to leave out one day
                quantize_(layer, _way(bits, tensor.shape[1]))
            made[name] = layer.weight.detach()
    tensors, metadata = flatten_tensor_state_dict(made)
    return tensors, metadata


def _read_back(folder: Path, config: Mapping[str, Any]) -> Judge:
    """The judge of a folder that was written here: its numbers as they stand in the file, in float32."""
    from torchao.prototype.safetensors.safetensors_support import unflatten_tensor_state_dict

    with safe_open(folder / WEIGHTS, framework="pt") as file:
        metadata = {name: value for name, value in file.metadata().items() if name != "format"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    found, left = unflatten_tensor_state_dict(tensors, metadata)
    assert not left, f"nobody reads {sorted(left)}"
    plain = {name: one if type(one) is Tensor else one.dequantize() for name, one in found.items()}
    with tempfile.TemporaryDirectory() as place:
        write_weights(Path(place), {name: tensor.float().contiguous() for name, tensor in plain.items()})
        write_json(Path(place) / "config.json", config)
        _copy_rest(folder, Path(place))
        return load_judge(Path(place), "cpu")


def _copy_rest(folder: Path, target: Path) -> None:
    for name in FILES:
        if (folder / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target / name)


def _documents(judge: Judge, folder: Path, text: Path | None) -> tuple[Documents, str]:
    """What both models are asked for, and what that is. Raises UserError where there is nothing to measure on."""
    if text is None:
        raise UserError(
            f"{folder}: a model folder alone has no held-out text to measure on; give some with --text FILE"
        )
    most, what = MOST[judge.causal], ANSWERS
    found: list[Tokens] = []
    if text.is_dir() and (folder.name in ("finetune", "align") or is_named(folder.name, "align")):
        found = _answers_of(text, judge, most)
    if not found:
        plain = _of_run(text, judge.tokenizer, most) if text.is_dir() else _of_file(text, judge.tokenizer, most)
        found, what = [(ids, range(len(ids))) for ids in plain], HELD_OUT if text.is_dir() else GIVEN
    asks = []
    for ids, places in found:
        kept = tuple(ids[: judge.room])
        asked = tuple(place for place in places if place < len(kept))
        size = sum(map(len, judge.tokenizer.pieces([kept[place] for place in asked], keep_special=False)))
        if size:
            asks.append((Ask(kept, asked), size))
    if not asks:
        raise UserError(f"{text}: holds no text to measure on; give another file with --text FILE")
    return asks, what


def _answers_of(run: Path, judge: Judge, most: int) -> list[Tokens]:
    """Conversations that the run keeps out of training, and the places of what the assistant should say; none where it has
    none, or one is longer than the model reads."""
    found = []
    for row in read_heldout(run / "gather" / "instructions" / "heldout.jsonl", most):
        turns = [*row["messages"], {"role": "assistant", "content": row["answer"]}]
        rendered = judge.tokenizer.render([Message(**turn) for turn in turns])
        found.append((rendered.ids, [place for place, learned in enumerate(rendered.mask) if learned]))
    return [(ids, places) for ids, places in found if len(ids) <= judge.room]


def _of_run(run: Path, tokenizer: Tokenizer, most: int) -> list[list[int]]:
    shard = Shard(run / "tokenize" / "valid", tokenizer.sha256)
    ends = [int(end) for end in shard.ends[:most]]
    return [shard.tokens[start : end - 1].tolist() for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _of_file(path: Path, tokenizer: Tokenizer, most: int) -> list[list[int]]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as UTF-8 text ({error})", file=path) from None
    parts = [part.strip() for part in content.split("\n\n")]
    return [tokenizer.encode(part) for part in parts if part][:most]


def _bits_of(judge: Judge, documents: Documents) -> list[float]:
    """-log2 p of each document: its bits."""
    found = judge.log_probabilities([ask for ask, _ in documents])
    return [float(-one.double().sum()) / math.log(2) for one in found]
