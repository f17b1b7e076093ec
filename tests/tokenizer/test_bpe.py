"""Encoding: the same ids as `tokenizers` and `transformers` give, every text comes back, and no text is ever special."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import pickle
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tokenizer.tiny import OTHER_SCRIPTS, tiny_texts, tiny_tokenizer
from trivium.base.errors import CheckpointError, UserError
from trivium.tokenizer import Tokenizer, train
from trivium.tokenizer.bpe import LONGEST_BLANK
from trivium.tokenizer.layout import SPECIAL_TOKENS

CHARACTERS = st.characters(exclude_categories=["Cs"])
PIECES = st.sampled_from(
    [
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u00a0",
        "\u2003",
        "\x85",
        "'s",
        "'LL",
        "'\u017f",
        "don't",
        "12345",
        "中文",
        "👩‍👧",
        "e\u0301",
        "--",
        "ß",
        "İ",
        "a",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(CHARACTERS, max_size=6)), max_size=30).map("".join)
RUNS = ("a", " ", "\n", "\t", " \n", "中", "1", "-", "'s", "🙂", "aB", "\u0301", "\x00")


@cache
def reference() -> tokenizers.Tokenizer:
    """The same tokenizer.json, encoded by another program."""
    library = tokenizers.Tokenizer.from_str(tiny_tokenizer().definition.decode())
    library.encode_special_tokens = True
    return library


def reference_ids(text: str) -> list[int]:
    return list(reference().encode(text, add_special_tokens=False).ids)


@settings(deadline=None, max_examples=400)
@given(TEXTS)
def test_same_ids_as_tokenizers_and_back(text: str) -> None:
    ids = tiny_tokenizer().encode(text)
    assert ids == reference_ids(text)
    assert tiny_tokenizer().decode(ids) == text


@pytest.mark.parametrize("unit", RUNS)
def test_same_ids_on_long_runs(unit: str) -> None:
    for text in (unit * 20_000, f"word{unit * 3_001}word", f"!{unit * 999} ?\n"):
        assert tiny_tokenizer().encode(text) == reference_ids(text)


def test_same_ids_around_every_kind_of_character() -> None:
    """The two regular expression engines must agree on what is a letter, a number and a space."""
    drawn = random.Random(5).sample(range(0x80, 0x32000), 4000)
    codes = [code for code in [*range(0x3100), *drawn, *range(0xE0000, 0xE0200)] if not 0xD800 <= code < 0xE000]
    texts = [f"a{chr(code)}a {chr(code)}1 1{chr(code)}{chr(code)}!\n{chr(code)} {chr(code)}'s" for code in codes]
    expected = [encoding.ids for encoding in reference().encode_batch(texts, add_special_tokens=False)]
    got = [tiny_tokenizer().encode(text) for text in texts]
    assert [hex(code) for code, a, b in zip(codes, got, expected, strict=True) if a != b] == []


def test_a_million_spaces_do_not_break_the_encoder() -> None:
    text = "x" + " " * 1_100_000 + "y"
    assert len(text) > LONGEST_BLANK
    tokenizer = tiny_tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert "<|end|>" in tokenizer.decode(tokenizer.encode(text + "<|end|>"))
    assert not set(tokenizer.encode(text + "<|end|>")) & set(tokenizer.special.values())


def test_same_ids_either_side_of_where_the_encoder_changes() -> None:
    for count in (LONGEST_BLANK - 1, LONGEST_BLANK, LONGEST_BLANK + 1):
        for text in (" " * count, f"a{' ' * count}b", f"!\n\n{' ' * count}\n b"):
            assert tiny_tokenizer().encode(text) == reference_ids(text)


def test_transformers_reads_the_folder_and_gives_the_same_ids(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.save(tmp_path, max_length=128)
    theirs: Any = AutoTokenizer.from_pretrained(tmp_path)
    for text in (*tiny_texts()[:3], *OTHER_SCRIPTS, "", " ", "\n\n a", "Hello 2026!  \n\t x"):
        assert theirs(text)["input_ids"] == tokenizer.encode(text)
        assert theirs.decode(tokenizer.encode(text)) == text
    assert (theirs.eos_token_id, theirs.pad_token_id) == (tokenizer.end_of_text, tokenizer.pad)
    assert theirs.convert_tokens_to_ids("<|end|>") == tokenizer.end_of_turn
    assert (len(theirs), theirs.model_max_length) == (tokenizer.vocab_size, 128)
    assert theirs.decode([tokenizer.end_of_turn, *tokenizer.encode("so")], skip_special_tokens=True) == "so"


def injections() -> list[str]:
    whole = [*SPECIAL_TOKENS, "".join(SPECIAL_TOKENS), " ".join(SPECIAL_TOKENS)]
    cased = [token.upper() for token in SPECIAL_TOKENS]
    split = [f"{token[:4]}\u200b{token[4:]}" for token in SPECIAL_TOKENS]
    doubled = ["<|<|end|>end|>", "<|endoftext|><|endoftext|>|>", "x<|end|>y", "\n<|pad|>\n"]
    return whole + cased + split + doubled


def specials_in(tokenizer: Tokenizer) -> list[tuple[str, str, bool]]:
    """For every injection: the text, what comes back, and whether any id is special. Runs in another process too."""
    rows = []
    for text in injections():
        ids = tokenizer.encode(text)
        many = tokenizer.encode_many([text])[0].tolist()
        rows.append((text, tokenizer.decode(ids), bool({*ids, *many} & set(tokenizer.special.values()))))
    return rows


def check_specials(rows: list[tuple[str, str, bool]]) -> None:
    assert len(rows) == len(injections())
    for text, back, special in rows:
        assert back == text
        assert not special, text


def test_text_never_becomes_a_special_token() -> None:
    check_specials(specials_in(tiny_tokenizer()))


def test_text_never_becomes_a_special_token_in_a_spawned_worker() -> None:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        check_specials(pool.submit(specials_in, tiny_tokenizer()).result(timeout=120))


def test_pickle_keeps_ids_and_hash() -> None:
    tokenizer = tiny_tokenizer()
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert (copy.sha256, copy.template, copy.vocab_size) == (tokenizer.sha256, tokenizer.template, tokenizer.vocab_size)
    assert copy.encode("Hello there") == tokenizer.encode("Hello there")


def test_saving_and_loading_keeps_the_bytes(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.save(tmp_path / "a")
    Tokenizer.load(tmp_path / "a").save(tmp_path / "b", max_length=64)
    assert (tmp_path / "a/tokenizer.json").read_bytes() == (tmp_path / "b/tokenizer.json").read_bytes()
    assert Tokenizer.load(tmp_path / "b").sha256 == tokenizer.sha256


def test_lone_surrogates_are_read_as_the_replacement_character() -> None:
    tokenizer = tiny_tokenizer()
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"
    assert tokenizer.decode(tokenizer.encode("\ud83d\ude42")) == "\U0001f642"


def test_decoding_refuses_ids_out_of_range_and_keeps_special_tokens_on_request() -> None:
    tokenizer = tiny_tokenizer()
    ids = [*tokenizer.encode("yes"), tokenizer.end_of_turn]
    assert tokenizer.decode(ids) == "yes"
    assert tokenizer.decode(ids, keep_special=True) == "yes<|end|>"
    for wrong in (-1, tokenizer.vocab_size):
        with pytest.raises(UserError, match=f"{wrong}.*0 to {tokenizer.vocab_size - 1}"):
            tokenizer.decode([wrong])


def test_a_character_cut_between_tokens_is_joined_again() -> None:
    tokenizer = tiny_tokenizer()
    ids = tokenizer.encode("\U0001f984")
    assert len(ids) > 1
    assert tokenizer.decode(ids) == "\U0001f984"
    assert "\ufffd" in tokenizer.decode(ids[:1])


@pytest.mark.parametrize("size", [262, 263, 500, 1200])
def test_the_vocabulary_has_the_size_that_was_asked_for(size: int) -> None:
    tokenizer = train(tiny_texts(), size)
    assert tokenizer.vocab_size == size
    used = {number for text in tiny_texts() for number in tokenizer.encode(text)}
    assert max(used) < size
    assert sorted(tokenizer.special.values()) == list(range(size - len(SPECIAL_TOKENS), size))


def test_a_text_that_is_too_small_is_refused_with_the_largest_size_it_supports() -> None:
    with pytest.raises(UserError, match=r"vocab_size is 5,000; this text supports at most 264 tokens"):
        train(["ab ab ab"], 5000)
    assert train(["ab ab ab"], 264).vocab_size == 264
    with pytest.raises(UserError, match="at least 262"):
        train(["ab"], 261)
    with pytest.raises(UserError, match="at most 262"):
        train([], 300)


def test_training_gives_the_same_bytes_again_and_takes_any_text() -> None:
    texts = ["x" * 300_000, " " * 300_000, "\ud800 lone", *tiny_texts()]
    assert train(texts, 700).sha256 == train(iter(texts), 700).sha256


def change(**changes: Any) -> bytes:
    content = json.loads(tiny_tokenizer().definition)
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = content
        for part in outer:
            place = place[int(part) if part.isdigit() else part]
        place[last] = value
    return json.dumps(content).encode()


def swapped_merges() -> bytes:
    content = json.loads(tiny_tokenizer().definition)
    merges = content["model"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        (lambda: b"{", "not a byte-level BPE"),
        (lambda: b"{}", "not a byte-level BPE"),
        (lambda: change(normalizer={"type": "NFKC"}), "normalises"),
        (lambda: change(model__ignore_merges=True), "ignore_merges"),
        (lambda: change(model__type="WordPiece"), "WordPiece"),
        (lambda: change(pre_tokenizer__pretokenizers__0__pattern={"Regex": r"\p{L}+"}), "split pattern"),
        (lambda: change(pre_tokenizer=None), "split pattern"),
        (lambda: change(added_tokens=[]), "missing"),
        (swapped_merges, "merges are not in the order"),
    ],
)
def test_a_tokenizer_whose_ids_could_differ_is_refused(definition: Any, fault: str) -> None:
    with pytest.raises(CheckpointError, match=fault):
        Tokenizer(definition())


def test_a_missing_or_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"tokenizer\.json.*run the stage"):
        Tokenizer.load(tmp_path)
    tiny_tokenizer().save(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        Tokenizer.load(tmp_path)
