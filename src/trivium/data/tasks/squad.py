"""Questions in the form of SQuAD: articles with paragraphs with questions, answers with their place in the context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.data.tasks.rows import Row
from trivium.data.tasks.tables import load_json
from trivium.task.items import Place


def read(path: Path) -> Iterator[Row]:
    """A row a question. Raises DataError, naming the place inside the file, where a part is missing."""
    content = load_json(path)
    for a, article in enumerate(_list(content, "data", str(path))):
        for p, paragraph in enumerate(_list(article, "paragraphs", f"{path}: data[{a}]")):
            where = f"{path}: data[{a}].paragraphs[{p}]"
            for q, question in enumerate(_list(paragraph, "qas", where)):
                place = Place(f"{where}.qas[{q}]")
                if not isinstance(question, Mapping):
                    raise DataError("should be an object", file=place.file)
                values: dict[str | int, Any] = {
                    "id": question.get("id", ""),
                    "title": article.get("title") or f"article {a}",
                    "answers": [] if question.get("is_impossible") else question.get("answers", []),
                }
                values |= {"context": paragraph["context"]} if "context" in paragraph else {}
                values |= {"question": question["question"]} if "question" in question else {}
                yield Row(values, place)


def _list(node: Any, name: str, where: str) -> list[Any]:
    found = node.get(name) if isinstance(node, Mapping) else None
    if not isinstance(found, list):
        raise DataError("missing, or no list; SQuAD's form is data, paragraphs, qas", file=where, field=name)
    return found
