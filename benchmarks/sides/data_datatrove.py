"""The peer's side of benchmarks/data.py, run by the interpreter of an environment that has datatrove: one task, one process.

    python data_datatrove.py TASK INPUT.jsonl OUTPUT [--tokenizer FILE] [--words ours|default]

Prints one line of JSON: the seconds of the work (start and imports left out), peak resident bytes, and the task's own result.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

OUR_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]+")  # src/trivium/data/words.py


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("tokens", "filters", "minhash"))
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tokenizer")
    parser.add_argument("--words", default="default", choices=("ours", "default"))
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    seconds, result = {"tokens": tokens, "filters": filters, "minhash": minhash}[given.task](given)
    sys.stdout.flush()
    print("\n" + json.dumps({"seconds": seconds, "peak": peak_bytes(), **result}))


def peak_bytes() -> int:
    """The largest resident size of this process; the system's own figure also counts that of whoever started it."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reader(path: Path) -> Any:
    from datatrove.pipeline.readers import JsonlReader

    return JsonlReader(str(path.parent), glob_pattern=path.name, id_key="id", doc_progress=False, file_progress=False)


def tokens(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """Its documented way from JSONL to token files, documents left in their order."""
    from datatrove.pipeline.tokens import DocumentTokenizer

    step = DocumentTokenizer(
        str(given.output), tokenizer_name_or_path=given.tokenizer, eos_token="<|endoftext|>", shuffle_documents=False
    )
    started = time.perf_counter()
    step(reader(given.input)(None, 0, 1), 0, 1)
    return time.perf_counter() - started, {}


def words_of(given: argparse.Namespace) -> Any:
    from datatrove.utils.word_tokenizers import WordTokenizer

    class OurWords(WordTokenizer):  # type: ignore[misc]
        def word_tokenize(self, text: str) -> list[str]:
            return OUR_WORD.findall(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return text.split(". ")

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [match.span() for match in OUR_WORD.finditer(text)]

    return OurWords() if given.words == "ours" else "eng"


def filters(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """Gopher's two filters and FineWeb's, each of them on every document, so that every verdict is known."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

    language = words_of(given)
    chosen = [GopherQualityFilter(language=language), GopherRepetitionFilter(language=language)]
    chosen.append(FineWebQualityFilter(language=language))
    chosen[0].filter(Document(text="A warm start of the word tokenizer, which loads something.", id="0"))
    started = time.perf_counter()
    verdicts = []
    for document in reader(given.input)(None, 0, 1):
        passes = [one.filter(document) is True for one in chosen]
        verdicts.append([passes[0] and passes[1], passes[2]])
    return time.perf_counter() - started, {"verdicts": verdicts}


def minhash(given: argparse.Namespace) -> tuple[float, dict[str, Any]]:
    """Signatures of 14 bands of 8, of runs of 5 words."""
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig

    step = MinhashDedupSignature(
        str(given.output), MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8), "eng"
    )
    step.word_tokenizer.word_tokenize("A warm start of the word tokenizer, which loads something.")
    started = time.perf_counter()
    step(reader(given.input)(None, 0, 1), 0, 1)
    return time.perf_counter() - started, {}


if __name__ == "__main__":
    main()
