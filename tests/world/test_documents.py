"""The corpus as a whole: the same everywhere, varied, of bounded vocabulary, and well written."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter

from trivium.base.words import Document
from trivium.world import lexicon
from trivium.world.documents import MIX, document, documents
from trivium.world.grammar import article
from trivium.world.state import world

WORD = re.compile(r"[a-z][a-z'-]*[a-z]|[a-z]")


def words(text: str) -> list[str]:
    return [word.removesuffix("'s") for word in WORD.findall(text.lower())]


def test_a_document_does_not_depend_on_what_was_written_before() -> None:
    forwards = [document(3, "train", number).text for number in range(120)]
    world.cache_clear()
    backwards = [document(3, "train", number).text for number in reversed(range(120))]
    assert forwards == backwards[::-1]
    assert forwards[50:60] == [one.text for one in itertools.islice(documents(3, "train", 50), 10)]


def test_another_process_with_another_hash_seed_writes_the_same() -> None:
    code = (
        "import hashlib; from trivium.world.documents import document;"
        "print(hashlib.sha256(repr([document(1, 'valid', n) for n in range(400)]).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": "src"}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    here = hashlib.sha256(repr([document(1, "valid", number) for number in range(400)]).encode()).hexdigest()
    assert there.stdout.strip() == here


def test_seeds_splits_and_worlds_differ(corpus: list[Document]) -> None:
    train = {one.text for one in corpus}
    for other in (document(0, "valid", number) for number in range(1000)):
        assert other.text not in train
    assert not any(document(1, "train", number).text in train for number in range(300))
    assert world(0, "train", 0) != world(0, "valid", 0)
    assert world(0, "train", 0) != world(0, "train", 1)


def test_documents_are_named_and_licensed(corpus: list[Document]) -> None:
    assert corpus[123].id == "world-train-000123"
    assert len({one.id for one in corpus}) == len(corpus)
    assert {(one.source, one.license) for one in corpus} == {("world", "CC0-1.0")}


def test_the_mix_is_what_the_table_says(corpus: list[Document]) -> None:
    counted = Counter(one.meta["kind"] for one in corpus)
    assert abs(sum(share for _, share, _ in MIX) - 1) < 1e-9
    for kind, share, _ in MIX:
        assert abs(counted[kind] / len(corpus) - share) < 0.015, kind
    assert counted["echo"] / len(corpus) > 0.15
    echoed = sum(len(one.text) for one in corpus if one.meta["kind"] == "echo")
    assert echoed / sum(len(one.text) for one in corpus) > 0.15


def test_the_vocabulary_is_closed_and_of_one_to_two_thousand_words(corpus: list[Document]) -> None:
    counted = Counter(word for one in corpus for word in words(one.text))
    assert 1000 <= len(counted) <= 2000
    fresh = {word for number in range(500) for word in words(document(9, "valid", number).text)}
    assert len(fresh - counted.keys()) <= 5


def test_texts_are_distinct_and_their_phrases_varied(corpus: list[Document]) -> None:
    assert len({one.text for one in corpus}) >= 0.999 * len(corpus)
    runs = [run for one in corpus for run in zip(*(one.text.split()[start:] for start in range(8)), strict=False)]
    assert len(set(runs)) > 0.75 * len(runs)
    sentences = [sentence for one in corpus for sentence in re.split(r"(?<=[.?!])\s+", one.text)]
    assert Counter(sentences).most_common(1)[0][1] < 0.01 * len(sentences)


def test_every_word_of_every_pool_is_used_held_out_or_not(corpus: list[Document]) -> None:
    seen = Counter(token for one in corpus for token in re.findall(r"[A-Za-z][\w-]*", one.text))
    pools = [value for value in vars(lexicon).values() if isinstance(value, lexicon.Pool)]
    assert len(pools) > 25
    for pool in pools:
        if pool.name.startswith("deeds"):
            continue
        for word in pool:
            assert seen[word] + seen[word.capitalize()] >= 5, f"{word} of {pool.name}"


def test_articles_agree_with_the_sound_that_follows(corpus: list[Document]) -> None:
    found = 0
    for one in corpus:
        for match in re.finditer(r"\b([Aa]n?) ([a-z]+)", one.text):
            if one.meta["kind"] == "bilingual" or (one.meta.get("form") == "code" and match[1] == "A"):
                continue
            found += 1
            assert match[1].lower() == article(match[2]), f"{match[0]!r} in {one.id}"
    assert found > 5000


def test_no_seam_of_a_template_shows(corpus: list[Document]) -> None:
    seam = re.compile(
        r"[{}\[\]]|  | [.,?!:]|\.\.|,,|,\.|\.,|\?\.|!\.| $|^ |\b(?:he|she|his|her|him) 's|\bNone\b|\bthe the\b|\ba a\b"
    )
    for one in corpus:
        shown = seam.search(one.text)
        assert shown is None, f"{shown!r} in {one.id}: {one.text}"
        assert one.text.count('"') % 2 == 0, one.text


def test_sentences_begin_with_a_capital_letter_and_end(by_kind: dict[str, list[Document]]) -> None:
    prose = [one for kind in ("story", "page", "review", "note", "dialogue", "news") for one in by_kind[kind]]
    for one in prose:
        assert not re.search(r"(?:^|[.?!] |\n)[a-z]", one.text), one.text
        assert one.text.endswith((".", "!", "?", '"')), one.text
    assert len(prose) > 5000


def test_past_forms_are_right_in_stories(by_kind: dict[str, list[Document]]) -> None:
    wrong = {
        "goed",
        "finded",
        "runned",
        "gived",
        "taked",
        "telled",
        "droped",
        "cryed",
        "stoped",
        "childs",
        "mouses",
        "sheeps",
    }
    for one in by_kind["story"] + by_kind["echo"] + by_kind["note"]:
        assert not wrong & set(words(one.text)), one.text
