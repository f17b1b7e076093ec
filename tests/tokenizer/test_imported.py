"""Tokenizers that other models came with give the ids that `transformers` gives, before and after a round trip."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Library

from tests.tokenizer.tiny import OTHER_SCRIPTS, tiny_texts
from trivium.base.errors import CheckpointError, UserError
from trivium.base.words import Message
from trivium.tokenizer import Tokenizer, train
from trivium.tokenizer.imported import ImportedTokenizer

transformers = pytest.importorskip("transformers")

TEXTS = [
    "The fox's 12345 foxes don't, e\u0301 ß İ 中文 👩‍👧!",
    "  two  spaces\n\tand lines\r\n",
    "",
    "a",
    *OTHER_SCRIPTS,
]
BERT_PARTS = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"]


def word_piece() -> tuple[Library, dict[str, str]]:
    library = Library(models.WordPiece(unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer(lowercase=True)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    library.train_from_iterator(
        tiny_texts(), trainers.WordPieceTrainer(vocab_size=500, special_tokens=BERT_PARTS, show_progress=False)
    )
    library.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    return library, {**names, "unk_token": "[UNK]"}


def byte_level() -> tuple[Library, dict[str, str]]:
    """As RoBERTa has it: GPT-2's pattern, and two separators between texts."""
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    library.train_from_iterator(
        tiny_texts(),
        trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    library.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return library, {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
    }


def unigram() -> tuple[Library, dict[str, str]]:
    library = Library(models.Unigram())
    library.normalizer = normalizers.NFKC()
    library.pre_tokenizer = pre_tokenizers.Metaspace()
    library.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    library.train_from_iterator(tiny_texts(), trainer)
    return library, {"eos_token": "</s>", "unk_token": "<unk>"}


def byte_fallback() -> tuple[Library, dict[str, str]]:
    """As Llama 2 has it: BPE over characters, bytes for those that are not known, a beginning before each text."""
    library = Library(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    library.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    library.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<unk>", "<s>", "</s>"], limit_alphabet=40, show_progress=False
    )
    library.train_from_iterator(tiny_texts(), trainer)
    content = json.loads(library.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    library = Library.from_str(json.dumps(content))
    library.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return library, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def other_pattern() -> tuple[Library, dict[str, str]]:
    """As Qwen 2 has it: single digits."""
    library = Library(models.BPE())
    split = pre_tokenizers.Split(Regex(r"\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+"), "isolated")
    library.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<|end|of|it|>"], initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(tiny_texts(), trainer)
    return library, {"eos_token": "<|end|of|it|>"}


KINDS: list[Callable[[], tuple[Library, dict[str, str]]]] = [
    word_piece,
    byte_level,
    unigram,
    byte_fallback,
    other_pattern,
]


def written(kind: Callable[[], tuple[Library, dict[str, str]]], folder: Path) -> Any:
    """The tokenizer's folder, written by `transformers`, and its object."""
    library, names = kind()
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=library, **names)
    theirs.save_pretrained(folder)
    return theirs


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_frames_are_those_of_transformers_before_and_after_a_round_trip(tmp_path: Path, kind: Any) -> None:
    theirs = written(kind, tmp_path / "theirs")
    first = Tokenizer.load(tmp_path / "theirs")
    assert isinstance(first, ImportedTokenizer)
    first.save(tmp_path / "ours", 64)
    again, reloaded = Tokenizer.load(tmp_path / "ours"), transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert again.sha256 == first.sha256 and reloaded.model_max_length == 64
    for tokenizer in (first, again, pickle.loads(pickle.dumps(first))):
        for text in TEXTS:
            ids = tokenizer.encode(text)
            assert ids == theirs(text, add_special_tokens=False)["input_ids"]
            assert tokenizer.encode_many([text])[0].tolist() == ids
            assert tokenizer.frame(ids).ids == theirs(text)["input_ids"] == reloaded(text)["input_ids"]
            assert len(tokenizer.frame(ids).ids) == len(ids) + tokenizer.added(pair=False)
        pair = tokenizer.frame(tokenizer.encode("a fox"), tokenizer.encode("two hens"))
        expected = theirs("a fox", "two hens", return_token_type_ids=True, return_special_tokens_mask=True)
        assert (pair.ids, pair.types) == (expected["input_ids"], expected["token_type_ids"])
        assert pair.special == [bool(mark) for mark in expected["special_tokens_mask"]]


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_becomes_a_special_token(tmp_path: Path, kind: Any) -> None:
    written(kind, tmp_path)
    tokenizer = Tokenizer.load(tmp_path)
    unknown = {tokenizer.special.get(name) for name in ("<unk>", "[UNK]")}
    for text in tokenizer.special:
        ids = pickle.loads(pickle.dumps(tokenizer)).encode(f"a {text} b{text}")
        assert not (set(tokenizer.special.values()) - unknown).intersection(ids)
        assert tokenizer.encode_many([f"a {text} b{text}"])[0].tolist() == ids


@pytest.mark.parametrize("kind", KINDS)
def test_places_and_words_of_tokens(tmp_path: Path, kind: Any) -> None:
    written(kind, tmp_path)
    tokenizer = Tokenizer.load(tmp_path)
    text = "The quick foxes, 42 of them"
    spans = tokenizer.encode_spans(text)
    assert spans.ids == tokenizer.encode(text)
    covered = {place for start, end in zip(spans.starts, spans.ends, strict=True) for place in range(start, end)}
    assert covered >= {place for place, character in enumerate(text) if character != " "}
    assert spans.words == sorted(spans.words)


def test_words_are_the_tokenizer_s_own_whatever_its_spelling() -> None:
    tokenizer = train(tiny_texts(), 400, masked=True)
    spans = tokenizer.encode_spans("unlikely, foxes")
    words: dict[int, str] = {}
    for start, end, word in zip(spans.starts, spans.ends, spans.words, strict=True):
        words[word] = words.get(word, "") + "unlikely, foxes"[start:end]
    assert list(words.values()) == ["unlikely", ",", " foxes"]
    assert len(spans.ids) > 3


def test_a_tokenizer_for_masked_models_frames_as_transformers_does(tmp_path: Path) -> None:
    tokenizer = train(tiny_texts(), 400, masked=True)
    tokenizer.save(tmp_path, types=True)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    again = Tokenizer.load(tmp_path)
    expected = theirs("a fox", "two hens")
    framed = again.frame(again.encode("a fox"), again.encode("two hens"))
    assert (framed.ids, framed.types) == (expected["input_ids"], expected["token_type_ids"])
    assert (theirs.mask_token_id, theirs.cls_token_id, theirs.pad_token_id) == (again.mask, again.cls, again.pad)
    assert again.encode("<|mask|>") != [again.mask]


def test_a_tokenizer_without_a_chat_template_is_given_ours(tmp_path: Path) -> None:
    written(other_pattern, tmp_path)
    plain = Tokenizer.load(tmp_path)
    talk = [Message("user", "Is it so?"), Message("assistant", "Yes, <|end|> it is.")]
    with pytest.raises(UserError, match="no chat template"):
        plain.render(talk)
    tokenizer = plain.with_chat()
    assert tokenizer.encode("The fox") == plain.encode("The fox")
    assert tokenizer.vocab_size == plain.vocab_size + 5
    rendered = tokenizer.render(talk)
    said = [number for number, learned in zip(rendered.ids, rendered.mask, strict=True) if learned]
    assert tokenizer.decode(said, keep_special=True) == " Yes, <|end|> it is.<|end|>"
    assert said.count(tokenizer.end_of_turn) == 1
    tokenizer.save(tmp_path / "chat")
    again = Tokenizer.load(tmp_path / "chat")
    assert again.render(talk) == rendered


def test_files_that_are_missing_or_no_tokenizer_are_told(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json.*(save_pretrained|run the stage)"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {}}')
    with pytest.raises(CheckpointError, match="not a tokenizer"):
        Tokenizer.load(tmp_path)
