"""A GGUF file holds the model: read by another program's reader, it says what the folder says."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from trivium.base.errors import UserError
from trivium.model.folder import save
from trivium.tokenizer import Tokenizer, train

pytest.importorskip("gguf")
from trivium.journey.export_gguf import export_gguf

TEXT = "It's 12,345 foxes! <|end|> Naïve\n\n  owls' dens... "


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train([TEXT, "the fox and the owl said it's late. " * 9] * 9, 300)


def folder_of(path: Path, tokenizer: Tokenizer, family: str = "qwen3", spare: int = 5) -> Path:
    """A random model of a family with a tokenizer, as a stage writes them; `spare` numbers are no token's."""
    parts = {"family": family, "query_key_norm": family == "qwen3", "query_bias": family == "qwen2"}
    shape = replace(
        SHAPE, vocab_size=tokenizer.vocab_size + spare, head_dim=8, num_heads=6, hidden_size=48, intermediate_size=64,
        max_positions=64, tie_embeddings=family == "qwen3", **parts,
    )  # fmt: skip
    save(random_model(shape), path, tokenizer.special_ids())
    tokenizer.save(path, 64)
    return path


@pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
def test_transformers_reads_the_file_as_it_reads_the_folder(tmp_path: Path, tokenizer: Tokenizer, family: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = folder_of(tmp_path / "model", tokenizer, family)
    export_gguf(folder, tmp_path / "model.gguf")
    expected = AutoModelForCausalLM.from_pretrained(folder).eval()
    config = AutoConfig.from_pretrained(folder)  # of GGUF it does not read a head's size, and would assume Qwen3's
    reading = {"gguf_file": "model.gguf", "dtype": torch.float32, "config": config}
    found = AutoModelForCausalLM.from_pretrained(tmp_path, **reading).eval()
    tokens = torch.randint(0, tokenizer.vocab_size, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(found(tokens).logits, expected(tokens).logits, rtol=1e-5, atol=1e-5)


def test_the_tokenizer_is_told_in_full(tmp_path: Path, tokenizer: Tokenizer) -> None:
    import gguf

    export_gguf(folder_of(tmp_path / "model", tokenizer), tmp_path / "model.gguf", "float16")
    reader = gguf.GGUFReader(tmp_path / "model.gguf")

    def field(name: str) -> object:
        found = reader.get_field(name)
        assert found is not None, name
        return found.contents()

    tokens = field("tokenizer.ggml.tokens")
    kinds = field("tokenizer.ggml.token_type")
    assert isinstance(tokens, list) and isinstance(kinds, list)
    assert len(tokens) == len(kinds) == tokenizer.vocab_size + 5
    assert {text: number for number, text in enumerate(tokens) if kinds[number] == 3} == tokenizer.special
    assert kinds[-5:] == [5] * 5
    assert field("tokenizer.ggml.pre") == "llama-bpe"
    assert field("tokenizer.ggml.eos_token_id") == tokenizer.end_of_turn
    assert field("tokenizer.chat_template") == tokenizer.template
    # the rules themselves: merging by them gives the tokenizer's own ids
    ranks = {merge: rank for rank, merge in enumerate(field("tokenizer.ggml.merges"))}  # type: ignore[arg-type]
    for word in ("owls", " foxes", " said"):
        pieces = list(word.replace(" ", "Ġ"))
        while pairs := [p for p in itertools.pairwise(pieces) if " ".join(p) in ranks]:
            first = min(pairs, key=lambda pair: ranks[" ".join(pair)])
            at = next(i for i in range(len(pieces)) if tuple(pieces[i : i + 2]) == first)
            pieces[at : at + 2] = ["".join(first)]
        assert [tokens.index(piece) for piece in pieces] == tokenizer.encode(word)
    assert {str(tensor.tensor_type.name) for tensor in reader.tensors} == {"F16", "F32"}


def test_llama_cpp_says_what_we_say(tmp_path: Path, tokenizer: Tokenizer) -> None:
    library = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed; it is built from source")
    from trivium.generate import load_generator

    folder = folder_of(tmp_path / "model", tokenizer)
    export_gguf(folder, tmp_path / "model.gguf")
    other = library.Llama(str(tmp_path / "model.gguf"), n_ctx=64, logits_all=False, verbose=False)
    text = "It's 12,345 foxes! Naïve\n\n  owls' dens... "
    prompt = other.tokenize(text.encode(), add_bos=False, special=False)
    assert prompt == tokenizer.encode(text)
    prompt = prompt[:30]
    (ours,) = load_generator(folder, "cpu", 1).complete([prompt], max_new_tokens=20)
    theirs: list[int] = []
    for token in other.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0):
        theirs.append(token)
        if len(theirs) == len(ours.ids):
            break
    assert tuple(theirs) == ours.ids


def test_what_llama_cpp_would_read_otherwise_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    folder = folder_of(tmp_path / "mistral", tokenizer, "mistral")
    with pytest.raises(UserError, match="families llama, qwen2, qwen3; this is MistralForCausalLM"):
        export_gguf(folder, tmp_path / "model.gguf")
    folder = folder_of(tmp_path / "model", tokenizer)
    with pytest.raises(UserError, match="the type of a GGUF file is 'int3'; supported: float32"):
        export_gguf(folder, tmp_path / "model.gguf", "int3")
    assert not list(tmp_path.glob("*.gguf*"))
