"""Which files of a dataset are meant: what its card says, else what folders and names say, and what is told where none is."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from trivium.base.errors import DataError
from trivium.data.find import fits
from trivium.data.hub_layout import Layout, card_of, license_of

PLAIN = [
    "README.md",
    ".gitattributes",
    "load.py",
    "data/train-0.parquet",
    "data/train-1.parquet",
    "data/test-0.parquet",
]
FOLDERS = ["en/train/0000.parquet", "en/partial-train/0001.parquet", "en/dev/0000.parquet", "de/train/0000.parquet"]
CARD: dict[str, Any] = {
    "configs": [
        {"config_name": "small", "data_files": [{"split": "train", "path": ["s/a.jsonl", "s/b*.jsonl"]}]},
        {"config_name": "large", "data_dir": "l", "default": True},
        {"config_name": "other", "data_files": {"train": "o/*.jsonl", "dev": "o/deep/*.jsonl"}},
        {"config_name": "bare", "data_files": "**/x*.jsonl"},
    ]
}
NAMED = [
    "s/a.jsonl",
    "s/b1.jsonl",
    "s/c.jsonl",
    "l/train.jsonl",
    "l/test.jsonl",
    "o/1.jsonl",
    "o/deep/2.jsonl",
    "x.jsonl",
]


def readable(name: str) -> bool:
    return PurePosixPath(name).suffix in (".parquet", ".jsonl", ".md")


@pytest.mark.parametrize(
    ("names", "card", "subset", "split", "expected"),
    [
        (PLAIN, {}, None, "train", ["data/train-0.parquet", "data/train-1.parquet"]),
        (PLAIN, {}, None, "all", ["data/test-0.parquet", "data/train-0.parquet", "data/train-1.parquet"]),
        (["a.jsonl", "pretrain.jsonl"], {}, None, "train", ["a.jsonl", "pretrain.jsonl"]),
        (FOLDERS, {}, "en", "train", ["en/partial-train/0001.parquet", "en/train/0000.parquet"]),
        (FOLDERS, {}, "en", "validation", ["en/dev/0000.parquet"]),
        (["train/test-0.jsonl", "test/train-0.jsonl"], {}, None, "train", ["test/train-0.jsonl"]),
        (NAMED, CARD, None, "train", ["l/train.jsonl"]),
        (NAMED, CARD, "small", "train", ["s/a.jsonl", "s/b1.jsonl"]),
        (NAMED, CARD, "other", "train", ["o/1.jsonl"]),
        (NAMED, CARD, "other", "validation", ["o/deep/2.jsonl"]),
        (NAMED, CARD, "other", "all", ["o/1.jsonl", "o/deep/2.jsonl"]),
        (NAMED, CARD, "bare", "train", ["x.jsonl"]),
    ],
)
def test_the_files_of_a_subset_and_a_split(
    names: list[str], card: dict[str, Any], subset: str | None, split: str, expected: list[str]
) -> None:
    assert Layout(names, card).choose(subset, split, readable) == expected


@pytest.mark.parametrize(
    ("names", "card", "subset", "split", "fault"),
    [
        (
            ["a.bin", "load.py"],
            {},
            None,
            "train",
            "no file that can be read here; there are: a.bin, load.py; .*parquet",
        ),
        (FOLDERS, {}, "fr", "train", "no subset 'fr'; there are: de, dev, en"),
        (PLAIN, {}, None, "validation", "no split 'validation'; by the names of its files there are: test, train"),
        (["a.jsonl"], {}, None, "test", "no split 'test'; .* there are: none"),
        (NAMED, CARD, "small", "test", "no split 'test'; there are: train"),
        (NAMED[1:3], CARD, "other", "train", "the files that its card names for 'train' cannot be read"),
        (
            NAMED,
            {"configs": CARD["configs"][2:]},
            None,
            "train",
            "several subsets: other, bare; say which one with subset",
        ),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    names: list[str], card: dict[str, Any], subset: str | None, split: str, fault: str
) -> None:
    with pytest.raises(DataError, match=f"^dataset a/b: .*{fault}"):
        Layout(names, card, "dataset a/b").choose(subset, split, readable)


def test_patterns_name_files_whatever_the_card_says() -> None:
    layout = Layout(NAMED, CARD)
    assert layout.matching(["o/*.jsonl", "x.*"], readable) == ["o/1.jsonl", "x.jsonl"]
    with pytest.raises(DataError, match=r"no file fits \*\.parquet; there are: l/test\.jsonl, .* \.\.\.|x\.jsonl"):
        layout.matching(["*.parquet"], readable)


def test_a_star_stays_inside_a_name_and_two_do_not() -> None:
    assert fits("a/b.md", ["*/*.md"]) and not fits("a/b.md", ["*.md"]) and not fits("a/b/c.md", ["a/*.md"])
    assert fits("b.md", ["**/*.md"]) and fits("a/b/c.md", ["**/*.md"]) and fits("a/b/c", ["a/**"])
    assert fits("odd[1].md", ["odd[1].md"]) and fits("part-7.md", ["part-[0-9].md"]) and not fits("x", ["[z-a]"])


def test_the_head_of_a_card() -> None:
    assert license_of(card_of("---\nlicense: mit\n---\n# x")) == "mit"
    assert license_of(card_of("---\nlicense: [cc0-1.0, mit]\n---\n")) == "cc0-1.0, mit"
    assert license_of(card_of("---\nlicense: other\nlicense_name: ours\n---\n")) == "ours"
    for text in ("", "# no head", "---\nnot: [closed\n---\n", "---\n- a list\n---\n", "before\n---\na: 1\n---\n"):
        assert card_of(text) == {} and license_of({}) is None
