"""Small models with random weights and a tokenizer of the world's text, for tests of scores."""

from __future__ import annotations

import dataclasses

from trivium.base.device import choose_machine
from trivium.base.seeds import torch_random
from trivium.evaluate.readers import CausalReader, MaskedReader
from trivium.generate import Generator
from trivium.model.architecture import Architecture, HeadShape
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.predict.encoder import Encoder
from trivium.tokenizer import Tokenizer
from trivium.tokenizer import train as train_tokenizer
from trivium.world.documents import documents

SHAPE = Architecture(
    vocab_size=600, hidden_size=32, num_layers=2, num_heads=2, num_kv_heads=2, head_dim=16, intermediate_size=48,
    max_positions=160,
)  # fmt: skip


def tokenizer(masked: bool = False) -> Tokenizer:
    stream = documents(0, "train")
    return train_tokenizer((next(stream).text for _ in range(150)), SHAPE.vocab_size, masked=masked)


def causal_reader(words: Tokenizer) -> CausalReader:
    model = Transformer(SHAPE)
    initialise(model, torch_random(0, "small"))
    return CausalReader(Generator(model, words))


def masked_reader(words: Tokenizer) -> MaskedReader:
    model = Transformer(dataclasses.replace(SHAPE, causal=False), HeadShape(kind="masked"))
    initialise(model, torch_random(0, "small"))
    return MaskedReader(Encoder(model, words, choose_machine("cpu", 1, "float32")))
