"""The table of families: every published form that a model folder can be read from and written as.

The rows are in `decoder_rows` and `encoder_rows`, what is done with one in `family`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.base.errors import CheckpointError, UserError
from trivium.model.architecture import Architecture
from trivium.model.architecture import row_counts as row_counts
from trivium.model.decoder_rows import GPT2, LLAMA, MISTRAL, QWEN2, QWEN3
from trivium.model.encoder_rows import BERT, DISTILBERT, MODERNBERT, ROBERTA
from trivium.model.family import Family
from trivium.model.weight_files import read_config

FAMILIES: Mapping[str, Family] = {
    family.model_type: family for family in (GPT2, LLAMA, MISTRAL, QWEN2, QWEN3, BERT, ROBERTA, DISTILBERT, MODERNBERT)
}


def family_of(config: Mapping[str, Any]) -> Family:
    """The row for a config.json. Raises CheckpointError that names the supported families."""
    return family_named(str(config.get("model_type")))


def family_named(name: str) -> Family:
    """The row of that name. Raises CheckpointError that names the supported families."""
    if name not in FAMILIES:
        raise CheckpointError(f"config.json: model_type is '{name}'; supported: {', '.join(sorted(FAMILIES))}")
    return FAMILIES[name]


def read_shape(folder: Path) -> tuple[dict[str, Any], Family, Architecture]:
    """What a model folder's config.json says: itself, its family's row and the shape; no weight is read.

    Raises CheckpointError, naming the folder, where there is none or it says what is not supported.
    """
    config: dict[str, Any] = read_config(folder / "config.json")
    if "quantization_config" in config:
        raise CheckpointError(f"{folder}: its weights are quantised; give the folder that it was made from")
    try:
        family = family_of(config)
        return config, family, family.architecture(config)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {error}") from None


def new_shape(family: str, sizes: Mapping[str, Any], window: int | None = None, every: int = 3) -> Architecture:
    """A shape of `sizes` (fields of Architecture) in a family's form; where it has local layers every layer is one but the
    first of each `every`, and sees `window` tokens (None: as the family has it; 0: all layers see all).

    Raises UserError where the family has no such model.
    """
    row = family_named(family)
    reach = row.window if window is None else window
    windows = tuple(reach if layer % every else 0 for layer in range(sizes["num_layers"])) if reach else ()
    if any(windows):
        sizes = {"windows": windows, **sizes}
    shape = Architecture(**{**row.form, **sizes, "family": family})
    try:
        row.config(shape)
    except CheckpointError as error:
        raise UserError(f"model: {error}") from None
    return shape
