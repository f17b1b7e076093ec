"""Decoding: a slot-based engine with a static cache, sampling, and a generator that joins a model with its tokenizer."""

from trivium.generate.generator import Answer, Generator, load_generator

__all__ = ["Answer", "Generator", "load_generator"]
