"""`trivium predict`: what a fine-tuned model says of texts from the command line, from a file, or from standard input.

A text is a line; two texts of a pair, or a question and its context, are parted by a tab. A .jsonl file has the columns of
the task. One line comes out for each item, or with --json an object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError, UserError
from trivium.journey.experts import Experts, expert_at, experts_of
from trivium.journey.runs import find_run, is_run

EMBED, FILL = "embed", "fill"
BATCH = 256  # items that are read before the first ones are told


def predict(
    run: Path, task: str | None, texts: Sequence[str], file: Path | None, options: tuple[Path, str, bool]
) -> None:
    """Tell of every item; `options` are the folder of runs, the device, and whether to print JSON."""
    runs, device, as_json = options
    alone = (run / "config.json").is_file() and not is_run(run)
    experts = expert_at(run, device) if alone else experts_of(find_run(run, runs), device)
    name = task or _only(experts)
    items = list(_items(experts, name, texts, file))
    if not items:
        raise UserError("nothing to predict; give texts, a --file, or lines on standard input")
    for start in range(0, len(items), BATCH):
        part = items[start : start + BATCH]
        for item, told in zip(part, _told(experts, name, part), strict=True):
            print(json.dumps({"input": item, **told}, ensure_ascii=False) if as_json else _line(item, told))
    model: Any = experts.named(name) if name in experts.folders else None
    if note := model.told_shortened(0, len(items)) if hasattr(model, "told_shortened") else "":
        print(note, file=sys.stderr)


def _only(experts: Experts) -> str:
    if len(experts.folders) == 1:
        return next(iter(experts.folders))
    known = ", ".join([*experts.folders, EMBED, FILL])
    raise UserError(f"say which task with --task: {known}")


def _items(experts: Experts, name: str, texts: Sequence[str], file: Path | None) -> Iterator[Any]:
    """A text, or a pair of them, an item."""
    lines: Iterator[tuple[str, int | None, str]]
    if file is not None and file.suffix.lower() == ".jsonl":
        yield from _rows(experts, name, file)
        return
    if file is not None:
        try:
            content = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot be read as UTF-8 text ({error})", file=file) from None
        lines = ((str(file), number, line) for number, line in enumerate(content, 1))
    elif texts:
        lines = (("the text", None, text) for text in texts)
    else:
        lines = (("standard input", number, line.rstrip("\n")) for number, line in enumerate(sys.stdin, 1))
    pair = _is_pair(experts, name)
    for place, number, line in lines:
        if not line.strip():
            continue
        parts = tuple(line.split("\t", 1))
        if pair and len(parts) != 2:
            what = (
                "a question, a tab, and its context"
                if experts.kind(name) == "answer"
                else "two texts with a tab between"
            )
            raise DataError(f"the task '{name}' reads {what}", file=place, line=number)
        yield parts if pair else line


def _rows(experts: Experts, name: str, file: Path) -> Iterator[Any]:
    from trivium.data.ledger import Ledger
    from trivium.data.rows import read_rows, text_of

    columns = ["text"]
    if name in experts.folders:
        task: Any = experts.named(name).task
        parts = {"answer": ("question", "context"), "generate": ("source",), "tag": ("words",)}.get(task.kind)
        columns = [str(task.column(part)) for part in parts or (("text", "second") if task.is_pair else ("text",))]
    for line, row in read_rows(file, "refuse", Ledger()):
        values = tuple(text_of(row, column, file, line) for column in columns)
        yield values if len(values) > 1 else values[0]


def _is_pair(experts: Experts, name: str) -> bool:
    if name in (EMBED, FILL) and name not in experts.folders:
        return False
    task: Any = experts.named(name).task
    return bool(task.kind == "answer" or task.is_pair)


def _told(experts: Experts, name: str, items: Sequence[Any]) -> list[dict[str, Any]]:
    if name == EMBED and name not in experts.folders:
        return [{"vector": [round(float(value), 6) for value in row]} for row in experts.encoder.embed(items)]
    if name == FILL and name not in experts.folders:
        return [{"gaps": [[list(one) for one in gap] for gap in experts.encoder.fill(item)]} for item in items]
    model: Any = experts.named(name)
    match experts.kind(name):
        case "tag":
            return [{"entities": [vars(one) for one in found]} for found in model.tag(items)]
        case "answer":
            return [
                {"answer": one.text, "start": one.start, "end": one.end, "score": one.score}
                for one in model.answer(items)
            ]
        case "generate":
            from trivium.task.items import Written

            return [{"text": text} for text in model.texts([Written(item) for item in items])]
        case "regress":
            return [{"value": one.value} for one in experts.classify(items, name)]
        case _:
            return [{"labels": one.labels, "probabilities": one.probabilities} for one in experts.classify(items, name)]


def _line(item: Any, told: dict[str, Any]) -> str:
    """What was told, and after a tab what of."""
    text = " | ".join(item) if isinstance(item, tuple) else item
    match told:
        case {"labels": labels, "probabilities": shares}:
            said = (
                ", ".join(f"{label} {shares[label]:.2f}" if label in shares else label for label in labels) or "(none)"
            )
        case {"entities": found}:
            said = "; ".join(f"{one['text']} {one['kind']}" for one in found) or "(none)"
        case {"answer": answer}:
            said = answer or "(not in the text)"
        case {"gaps": gaps}:
            said = "; ".join(", ".join(f"{token} {share:.2f}" for token, share in gap) for gap in gaps)
        case {"value": value}:
            said = f"{value:.4g}"
        case {"vector": vector}:
            said = " ".join(f"{value:.4f}" for value in vector)
        case _:
            said = str(next(iter(told.values())))
    return f"{said}\t{text}"
