"""The account of what became of every document of the user's files, written beside the documents as they are read back.

steps/documents.jsonl has a line for each document, kept or dropped; steps/dropped.jsonl the beginning of each dropped text;
steps/private.jsonl where personal data stood (never what they were). The figures of it all are for the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.base.words import Document
from trivium.data.ledger import Ledger
from trivium.data.outbox import Outbox
from trivium.data.prepared import EXACT_REASON, NEAR_REASON, PARAGRAPH_REASON, Corpus, Row
from trivium.data.sources.files import FilesSource

DROPPED_CHARACTERS = 2000  # of a dropped document's text that are kept to look at
SAMPLES, MOST_REASONS, SAMPLE_CHARACTERS = 3, 40, 400  # of dropped documents, for the report
UNSURE = "unsure"  # of a document's language
FILES = ("steps/documents", "steps/dropped", "steps/private")


class Account:
    """Gives the prepared documents of a file, and writes down what became of each of them, once."""

    def __init__(self, corpus: Corpus, outbox: Outbox, ledger: Ledger) -> None:
        self._corpus, self._outbox, self._ledger = corpus, outbox, ledger
        self._names: dict[int, str] = {}  # of documents that later ones nearly are
        self.samples: dict[str, list[dict[str, str]]] = {}
        self.by_step: dict[str, dict[str, dict[str, int]]] = {}
        self.languages: dict[str, int] = {}
        self.verdicts: dict[str, dict[str, int]] = {}
        self.private: dict[str, int] = {}
        self.lengths: dict[str, int] = {}
        for figures in corpus.ledgers:
            ledger.add(figures)

    def __call__(self, source: FilesSource, name: str, file: Path, ledger: Ledger) -> Iterator[Document]:
        final = ledger is self._ledger  # the others only look
        for row in self._corpus.rows(name, file):
            if final:
                self._write(row, name)
            if row.dropped is None:
                yield row.document

    def _write(self, row: Row, name: str) -> None:
        document, about = row.document, row.about
        account = {"id": document.id, "source": name, "dropped": row.dropped, **about}
        if row.number in self._corpus.originals:
            self._names[row.number] = document.id
        if row.twin is not None:
            account["nearly"] = self._names.get(row.twin, "a document of an earlier corpus")
        if row.dropped is None:
            account["characters_kept"] = len(document.text)
        elif row.dropped in (EXACT_REASON, NEAR_REASON, PARAGRAPH_REASON):
            self._ledger.drop(row.dropped, document.id)
        if row.dropped is not None:
            text = document.text[:DROPPED_CHARACTERS]
            samples = self.samples.setdefault(row.dropped, [])
            if len(samples) < SAMPLES and len(self.samples) <= MOST_REASONS:
                samples.append({"id": document.id, "text": text[:SAMPLE_CHARACTERS]})
            self._outbox.write(
                "steps/dropped", {"id": document.id, "source": name, "reason": row.dropped, "text": text}
            )
        self._outbox.write("steps/documents", account)
        self._count(row, name)

    def _count(self, row: Row, name: str) -> None:
        about = row.about
        fate = "kept" if row.dropped is None else row.dropped
        _add(self.by_step.setdefault(name, {}).setdefault(fate, {}), "documents", 1)
        _add(self.by_step[name][fate], "characters", about["characters"])
        _add(self.lengths, str(1 << max(len(row.document.text) - 1, 0).bit_length()), 1)
        if "language" in about:
            sure = about["language_score"] >= self._corpus.steps.language.least_score
            _add(self.languages, about["language"] if sure else UNSURE, 1)
        for preset, faults in about.get("quality", {}).items():
            for fault in faults:
                _add(self.verdicts.setdefault(preset, {}), fault, 1)
        for kind, count in about.get("private", {}).items():
            _add(self.private, kind, count)

    def finish(self, names: Mapping[str, int]) -> None:
        """Write where personal data stood; `names` are those that a model found, by kind, and has written itself."""
        for kind, count in names.items():
            _add(self.private, kind, count)
        for found in self._corpus.findings():
            self._outbox.write("steps/private", found)

    def figures(self) -> dict[str, Any]:
        """Fates by source, languages, lengths (by powers of two), verdicts, personal data, contamination, duplicates."""
        private = self._corpus.steps.private
        return {
            "fates": self.by_step,
            "languages": self.languages,
            "lengths": self.lengths,
            "quality": self.verdicts,
            "private": self.private,
            "looked_for": [*private.find, *(["names"] if private.names_model else [])],
            "contaminated": self._corpus.contaminated,
            "duplicates": self._corpus.figures(),
            "dropped_samples": self.samples,
        }


def _add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count
