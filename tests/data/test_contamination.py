"""Contamination: every planted item is found, unplanted ones are not, and what is found is left out and marked."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from trivium.base.config import validate
from trivium.base.progress import Context
from trivium.data.contamination import ContaminationSettings, EvaluationItem, Index
from trivium.data.words import Words
from trivium.stages.gather import GatherSettings, run

WORDS = [f"w{number}" for number in range(500)]


def test_planted_items_are_found_whatever_their_case_and_punctuation() -> None:
    draw = random.Random(0)
    items = [" ".join(draw.choice(WORDS) for _ in range(draw.choice((6, 9, 20)))) for _ in range(60)]
    index = Index([EvaluationItem(f"e:{n}", text) for n, text in enumerate(items)], ContaminationSettings())
    for number, item in enumerate(items):
        around = [" ".join(draw.choice(WORDS) for _ in range(30)) for _ in range(2)]
        assert index.find(Words(f"{around[0]} {item.upper().replace(' ', ',  ', 2)}! {around[1]}")) == [f"e:{number}"]
        assert index.find(Words(" ".join(around))) == []
        cut = " ".join(item.split()[:5])
        assert index.find(Words(f"{around[0]} {cut}")) == []


def test_thirteen_words_of_a_long_item_are_enough_and_short_ones_are_counted() -> None:
    long = " ".join(WORDS[:40])
    index = Index([EvaluationItem("long", long), EvaluationItem("short", "yes it is")], ContaminationSettings())
    assert index.find(Words(" ".join(WORDS[7:20]))) == ["long"]
    assert index.find(Words(" ".join(WORDS[7:19]))) == []
    assert index.too_short == 1 and index.find(Words("yes it is")) == []


def test_gather_leaves_them_out_and_marks_what_is_measured(tmp_path: Path) -> None:
    draw = random.Random(1)
    rows = [
        {"instruction": f"Tell me about {n} " + " ".join(draw.sample(WORDS, 9)), "output": "word " * 3}
        for n in range(40)
    ]
    (tmp_path / "i.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "e.txt").write_text("the capital of the land of fog is the town of mist\n")
    texts = [" ".join(draw.choice(WORDS) for _ in range(40)) for _ in range(60)]
    texts += [f"{texts[0]} {row['instruction']} {row['output']}" for row in rows]
    texts.append("Note: the capital of the land of Fog is the town of Mist.")
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    content: dict[str, Any] = {
        "sources": [
            {"kind": "instructions", "path": str(tmp_path / "i.jsonl"), "heldout_share": 0.2},
            {"kind": "files", "path": str(tmp_path / "t.jsonl"), "split": "documents"},
        ],
        "contamination": {"against": [str(tmp_path / "e.txt")], "own_heldout": True},
        "valid_share": 0.2,
    }
    run(validate(GatherSettings, content, "recipe"), Context(tmp_path / "out", {}))
    facts = json.loads((tmp_path / "out/gather.json").read_text())
    heldout = [json.loads(line) for line in (tmp_path / "out/instructions/heldout.jsonl").read_text().splitlines()]
    assert heldout and all(row["contaminated"] for row in heldout)
    assert facts["dropped"]["contaminated: holds an evaluation item"] == len(heldout) + 1
    assert facts["contaminated"]["e.txt:1"] == 1 and len(facts["contaminated"]) == len(heldout) + 1
    kept = (tmp_path / "out/documents/train.jsonl").read_text() + (tmp_path / "out/documents/valid.jsonl").read_text()
    assert "town of Mist" not in kept and len(kept.splitlines()) == 100 - len(heldout)
