"""Our side of benchmarks/data.py: one task, one process; see data_datatrove.py for the peer's.

python data_trivium.py TASK INPUT OUTPUT [--tokenizer FOLDER]
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("tokens", "filters", "minhash", "units", "pages"))
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    given = parser.parse_args()
    tasks = {"tokens": tokens, "filters": filters, "minhash": minhash, "units": units, "pages": pages}
    seconds, result = tasks[given.task](given)
    print("\n" + json.dumps({"seconds": seconds, "peak": peak_bytes(), **result}))


def peak_bytes() -> int:
    """The largest resident size of this process; the system's own figure also counts that of whoever started it."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tokens(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """The way of the stage tokenize from JSONL to a shard."""
    from trivium.base.progress import Context
    from trivium.stages.tokenize import Encoding
    from trivium.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(given.tokenizer)
    tokenizer.encode("A warm start.")
    started = time.perf_counter()
    encoding = Encoding(tokenizer, Context(given.output, {}), given.input.stat().st_size)
    encoding.write(given.input, given.output / "train")
    return time.perf_counter() - started, {}


def filters(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """All figures of Gopher and FineWeb of every document."""
    from trivium.base.files import read_jsonl
    from trivium.data.quality import faults_of
    from trivium.data.words import Words

    started = time.perf_counter()
    verdicts = []
    for row in read_jsonl(given.input):
        faults = faults_of(Words(row["text"]), ("gopher", "fineweb"))
        verdicts.append([not faults["gopher"], not faults["fineweb"]])
    return time.perf_counter() - started, {"verdicts": verdicts}


def minhash(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """Signatures of 14 bands of 8, of runs of 5 words, written to a file."""
    from trivium.base.files import read_jsonl
    from trivium.data.minhash import signature
    from trivium.data.words import Words

    given.output.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with open(given.output / "signatures.bin", "wb") as file:
        for row in read_jsonl(given.input):
            file.write(signature(Words(row["text"]), 5, 112).tobytes())
    return time.perf_counter() - started, {}


def units(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """A worker that does every step on every unit of its input."""
    from trivium.data.prepare import StepSettings
    from trivium.data.sources.files import FilesSource
    from trivium.data.units import Work, make_plan, work, write_plan

    steps = StepSettings.model_validate(
        {
            "clean": {"mojibake": True, "unicode": "NFC", "line_ends": "unix"},
            "language": {"identify": True},
            "private": {"find": ["key", "email", "iban", "card", "national", "ip", "phone"]},
            "duplicates": {"near": True, "paragraphs": True},
        }
    )
    given.output.mkdir(parents=True, exist_ok=True)
    plan = make_plan(Work([FilesSource(path=given.input)], ["bench"], steps))
    write_plan(plan, given.output)
    started = time.perf_counter()
    work(given.output)
    if (given.output / "fault.json").exists():
        raise SystemExit((given.output / "fault.json").read_text("utf-8"))
    return time.perf_counter() - started, {"units": len(plan.units)}


def pages(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """Pieces of annotated pages found that should be (or should not be) in the extracted text."""
    from trivium.base.errors import DataError
    from trivium.data.formats.web import page_text

    annotated = json.loads((given.input / "evaldata.json").read_text("utf-8"))
    files = {path.name: path for path in given.input.rglob("*.html")}
    found = {"right": 0, "wrong": 0, "missed": 0}
    started = time.perf_counter()
    for item in annotated.values():
        try:
            text = page_text(files[item["file"]].read_bytes(), True, item["file"])
        except DataError:
            text = ""
        text = " ".join(text.split())
        right = sum(" ".join(piece.split()) in text for piece in item["with"])
        found["right"] += right
        found["missed"] += len(item["with"]) - right
        found["wrong"] += sum(" ".join(piece.split()) in text for piece in item["without"])
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()
