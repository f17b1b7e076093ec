"""Data preparation beside datatrove: tokens, filters and MinHash on the same texts; pages, memory and personal data alone.

    python benchmarks/data.py [--data FILE.jsonl] [--pages DIR] [--rounds 3] [--peer PYTHON] [--quick]

Both sides do the same work on the same JSONL file in one process each, in turn; start-up, imports and the warm-up of a word
tokenizer are left out on both. Ratios are of texts a second. datatrove runs with its defaults, so its word tokenizer is spaCy's;
what it says with our words instead shows whether the verdicts are the same, and is told with its speed in the note.
The peer has an environment of its own (benchmarks/.peers/datatrove, made at the first call), or that of --peer.

`tokens`: JSONL to a token file (datatrove's DocumentTokenizer, documents in their order), with the same tokenizer; the ids must
be the same. `filters`: Gopher's two and FineWeb's, on every document. `minhash`: signatures of 14 x 8. `html_f1`: pieces of
text on the annotated pages of trafilatura's own evaluation (DIR holds evaldata.json and the pages). `worker_rss_mb`: a
worker with every step on, on texts ten times as many. `pii`: planted.py. Without --data the texts are those of the
built-in world, of this Python's documentation and of its source files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import Figure, finish
from measure import interleave, machine, peer_python, watch
from planted import planted

SIDES = Path(__file__).resolve().parent / "sides"
PEER_PACKAGES = ("datatrove==0.10.1", "xxhash<4", "orjson", "tokenizers<1", "regex", "numpy", "spacy")
MEGABYTES, QUICK_MEGABYTES = 20.0, 2.0
VOCABULARY = 8192
PLANTED, QUICK_PLANTED = 9000, 1800
GROWN = 10  # times the texts, for memory


@dataclass(frozen=True)
class Bench:
    """What both sides are given."""

    texts: Path
    work: Path
    peer: str
    tokenizer: Path

    def ours(self, task: str, *more: str, source: Path | None = None) -> dict[str, Any]:
        """Our side of a task."""
        return self._side(sys.executable, "data_trivium.py", task, source or self.texts, more)

    def theirs(self, task: str, *more: str) -> dict[str, Any]:
        """The peer's side."""
        return self._side(self.peer, "data_datatrove.py", task, self.texts, more)

    def _side(self, python: str, script: str, task: str, source: Path, more: Sequence[str]) -> dict[str, Any]:
        out = self.work / f"{Path(script).stem}-{task}"
        shutil.rmtree(out, ignore_errors=True)
        command = [python, str(SIDES / script), task, str(source), str(out), *more]
        log = self.work / f"{Path(script).stem}-{task}.log"
        log.unlink(missing_ok=True)
        environment = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        said: dict[str, Any] = json.loads(watch(command, log, environment=environment).output.splitlines()[-1])
        return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="documents as JSONL with id and text")
    parser.add_argument(
        "--pages", type=Path, help="the folder with evaldata.json and the pages of trafilatura's evaluation"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", help="an interpreter that has datatrove and spaCy")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    where = machine(1)
    rounds = range(1 if given.quick else given.rounds)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        megabytes = QUICK_MEGABYTES if given.quick else MEGABYTES
        texts = cut(given.data, work, megabytes) if given.data else write_texts(work / "texts.jsonl", megabytes)
        bench = Bench(
            texts,
            work,
            given.peer or peer_python("datatrove", PEER_PACKAGES),
            train_tokenizer(texts, work / "tokenizer"),
        )
        figures = [*tokens(bench, rounds), filters(bench, rounds), minhash(bench, rounds)]
        figures += [html(bench, given.pages, rounds)] if given.pages else []
        figures += [memory(bench), *personal(QUICK_PLANTED if given.quick else PLANTED)]
    finish("data", figures, where, quick=given.quick)


def tokens(bench: Bench, rounds: Sequence[int]) -> list[Figure]:
    """Throughput and memory of JSONL to tokens; nothing where the ids differ."""
    definition = str(bench.tokenizer / "tokenizer.json")
    sides = {
        "tokens, ours": lambda seed: bench.ours("tokens", "--tokenizer", str(bench.tokenizer)),
        "tokens, datatrove": lambda seed: bench.theirs("tokens", "--tokenizer", definition),
    }
    ours, theirs = interleave(sides, rounds).values()
    same = (bench.work / "data_trivium-tokens" / "train" / "tokens.bin").read_bytes() == b"".join(
        path.read_bytes() for path in sorted((bench.work / "data_datatrove-tokens").glob("*.ds"))
    )
    note = "ids are the same" if same else "the ids are NOT the same, so nothing was reached"
    size = bench.texts.stat().st_size / 1e6
    speeds = [[size / one["seconds"] for one in side] for side in (ours, theirs)]
    peaks = [[one["peak"] / 1e6 for one in side] for side in (ours, theirs)]
    return [
        ratio("tokens_vs_datatrove", speeds, rounds, "MB/s", bar=4, note=note, reached=same),
        ratio("tokens_memory_vs_datatrove", peaks, rounds, "MB", bar=0.25, better="lower", reached=same),
    ]


def filters(bench: Bench, rounds: Sequence[int]) -> Figure:
    """Throughput of the quality rules; nothing where a verdict differs with the same words."""
    sides = {
        "filters, ours": lambda seed: bench.ours("filters"),
        "filters, datatrove": lambda seed: bench.theirs("filters"),
        "filters, datatrove with our words": lambda seed: bench.theirs("filters", "--words", "ours"),
    }
    ours, theirs, same_words = interleave(sides, rounds).values()
    verdicts = [side[0]["verdicts"] for side in (ours, theirs, same_words)]
    equal = [sum(a == b for a, b in zip(verdicts[0], other, strict=True)) / len(verdicts[0]) for other in verdicts[1:]]
    faster = min(one["seconds"] for one in same_words) / min(one["seconds"] for one in ours)
    note = f"{equal[1]:.2%} of verdicts equal with our words ({faster:.1f}x), {equal[0]:.1%} with spaCy's"
    size = bench.texts.stat().st_size / 1e6
    speeds = [[size / one["seconds"] for one in side] for side in (ours, theirs)]
    return ratio("filters_vs_datatrove", speeds, rounds, "MB/s", bar=3, note=note, reached=equal[1] == 1)


def minhash(bench: Bench, rounds: Sequence[int]) -> Figure:
    """Throughput of signatures, and recall on planted pairs against the theory of the bands."""
    sides = {
        "minhash, ours": lambda seed: bench.ours("minhash"),
        "minhash, datatrove": lambda seed: bench.theirs("minhash"),
    }
    ours, theirs = interleave(sides, rounds).values()
    worst = worst_recall()
    size = bench.texts.stat().st_size / 1e6
    speeds = [[size / one["seconds"] for one in side] for side in (ours, theirs)]
    note = f"recall on planted pairs of similarity .7, .8, .9 is within {100 * worst:.1f} points of theory"
    return ratio("minhash_vs_datatrove", speeds, rounds, "MB/s", bar=8, note=note, reached=worst <= 0.05)


def worst_recall(pairs: int = 1000) -> float:
    """The largest distance from 1 - (1 - s^8)^14 at similarities near .7, .8 and .9, over planted pairs."""
    import random

    import numpy

    from trivium.data.minhash import bands_of, signature
    from trivium.data.words import Words

    draw = random.Random(0)
    words = [f"w{number}" for number in range(5000)]
    worst = 0.0
    for similarity in (0.7, 0.8, 0.9):
        met, expected = 0, 0.0
        for _ in range(pairs // 3 + 1):
            first = [draw.choice(words) for _ in range(204)]  # 200 runs of five
            kept = round(200 * 2 * similarity / (1 + similarity))  # of them in both
            second = [*first[: kept + 4], *(draw.choice(words) for _ in range(200 - kept))]
            numbers = bands_of(numpy.stack([signature(Words(" ".join(one)), 5, 112) for one in (first, second)]), 14)
            met += bool((numbers[:, 0] == numbers[:, 1]).any())
            expected += 1 - (1 - (kept / (400 - kept)) ** 8) ** 14
        worst = max(worst, abs(met - expected) / (pairs // 3 + 1))
    return worst


def html(bench: Bench, pages: Path, rounds: Sequence[int]) -> Figure:
    """F1 over the annotated pieces of text."""
    folder = next((path.parent for path in sorted(pages.rglob("evaldata.json"))), pages)
    counts = [bench.ours("pages", source=folder) for _ in list(rounds)[:1]]
    values = [2 * one["right"] / (2 * one["right"] + one["wrong"] + one["missed"]) for one in counts]
    return Figure("html_f1", values, [0], bar=0.92, note=f"{counts[0]['seconds']:.0f} s for all pages in {folder.name}")


def memory(bench: Bench) -> Figure:
    """Peak resident megabytes of a worker with every step on, on ten times the texts."""
    grown = bench.work / "grown" / "texts.jsonl"
    grown.parent.mkdir()
    with open(grown, "w", encoding="utf-8") as file:
        for copy in range(GROWN):
            for line in bench.texts.read_text("utf-8").splitlines():
                row = json.loads(line)
                file.write(json.dumps({"text": f"{copy} {row['text']}"}) + "\n")
    peaks = [bench.ours("units", source=source)["peak"] / 1e6 for source in (bench.texts, grown)]
    note = f"{peaks[0]:.0f} MB on a tenth of the texts"
    return Figure("worker_rss_mb", [peaks[1]], [0], "MB", "lower", bar=400, note=note)


def personal(count: int) -> list[Figure]:
    """Recall and precision of the rules on planted texts."""
    from trivium.data.private import KINDS, find

    right = wrong = asked = 0
    for one in planted(0, count):
        ends = one.start + len(one.value)
        hits = list(find(one.text, KINDS))
        met = any(hit.kind == one.kind and hit.start <= one.start and hit.end >= ends for hit in hits)
        asked += one.kind is not None
        right += met
        wrong += sum(one.kind is None or hit.end <= one.start or hit.start >= ends for hit in hits)
    note = f"{asked:,} planted, {count:,} look-alikes; rules and test are by the same hands"
    return [
        Figure("pii_recall", [right / asked], [0], bar=0.99, note=note),
        Figure("pii_precision", [right / (right + wrong)], [0], bar=0.9),
    ]


def ratio(
    key: str, sides: Sequence[Sequence[float]], rounds: Sequence[int], unit: str, *, reached: bool = True, **more: Any
) -> Figure:
    """Ours over the peer's, round by round; no value where what it stands on was not reached."""
    ours, theirs = sides
    values = [one / other for one, other in zip(ours, theirs, strict=True)] if reached else []
    return Figure(key, values, list(rounds), unit, ours=ours, peer=theirs, **more)


def write_texts(path: Path, megabytes: float) -> Path:
    """Texts that every machine has: a third each of the world's, of Python's documentation and of its source files."""
    import sysconfig

    from trivium.data.intake import Intake
    from trivium.data.sources import read
    from trivium.data.sources.python_docs import PythonDocsSource
    from trivium.data.sources.world import WorldSource

    third = megabytes / 3 * 1e6
    with open(path, "w", encoding="utf-8") as file:
        world = WorldSource(
            tokens=max(1000, round(third / 3.5)), instructions=0, prompts=0, heldout_instructions=0, heldout_prompts=0
        )
        for source in (world, PythonDocsSource()):
            left = third
            for item in read(source, source.kind, Intake(0, 0.05)):
                if item.part == "documents" and left > 0:
                    left -= len(item.row["text"])
                    file.write(
                        json.dumps({"id": item.row["id"], "text": item.row["text"], "source": item.row["source"]})
                        + "\n"
                    )
        left = third
        for code in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
            if left > 0 and "site-packages" not in code.parts:
                text = code.read_text("utf-8", "replace")
                left -= len(text)
                if text.strip():  # datatrove's reader leaves empty documents out
                    file.write(json.dumps({"id": code.name, "text": text, "source": "code"}) + "\n")
    return path


def cut(data: Path, work: Path, megabytes: float) -> Path:
    """The first so many megabytes of the user's documents, with what our side needs of a row."""
    path = work / "texts.jsonl"
    left = megabytes * 1e6
    with open(data, encoding="utf-8") as rows, open(path, "w", encoding="utf-8") as file:
        for number, line in enumerate(rows):
            if left > 0:
                row = json.loads(line)
                left -= len(row["text"])
                file.write(json.dumps({"id": str(row.get("id", number)), "text": row["text"], "source": "data"}) + "\n")
    return path


def train_tokenizer(texts: Path, folder: Path) -> Path:
    """A tokenizer of ours for both sides."""
    from trivium.tokenizer import train

    with open(texts, encoding="utf-8") as rows:
        train((json.loads(row)["text"] for row in rows), VOCABULARY).save(folder)
    return folder


if __name__ == "__main__":
    main()
