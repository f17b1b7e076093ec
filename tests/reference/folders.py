"""Model folders for tests: small, of random weights, with a tokenizer of the built-in world."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch

from trivium.model.families import FAMILIES, new_shape
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.tokenizer import Tokenizer, train
from trivium.train.record import save_model_folder
from trivium.world.documents import documents

SIZES = {
    "hidden_size": 48, "num_layers": 2, "num_heads": 2, "num_kv_heads": 2, "head_dim": 24, "intermediate_size": 96,
    "max_positions": 128,
}  # fmt: skip


def tokenizer_of_the_world(masked: bool = False) -> Tokenizer:
    """A vocabulary of 700 tokens from the first documents."""
    return train((one.text for one in islice(documents(0, "train"), 400)), 700, masked=masked)


def small_decoder(folder: Path, seed: int = 1) -> Path:
    """A decoder of two layers; 48 numbers a state."""
    return _written("qwen3", "language", tokenizer_of_the_world(), folder, seed)


def small_encoder(folder: Path, seed: int = 1) -> Path:
    """An encoder of two layers that was made to fill gaps; 48 numbers a state."""
    return _written("modernbert", "masked", tokenizer_of_the_world(masked=True), folder, seed)


def small_pair_encoder(folder: Path, seed: int = 1) -> Path:
    """A BERT of two layers that was made to fill gaps and to tell which text follows another; 48 numbers a state."""
    return _written("bert", "pretraining", tokenizer_of_the_world(masked=True), folder, seed)


def _written(family: str, head: str, tokenizer: Tokenizer, folder: Path, seed: int) -> Path:
    shape = new_shape(family, {**SIZES, "vocab_size": tokenizer.vocab_size}, 0, 0)
    model = Transformer(shape, FAMILIES[family].head_shape(head))
    initialise(model, torch.Generator().manual_seed(seed))
    save_model_folder(model, tokenizer, folder)
    return folder
