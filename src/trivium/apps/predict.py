"""`trivium predict`: what a fine-tuned model says of texts from the command line, from a file, or from standard input.

A text is a line; two texts of a pair, or a question and its context, are parted by a tab. A file of rows (.jsonl, .csv, ...)
has the columns of the task. One line comes out for each item, or with --json an object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium.apps.predict_items import Given, items_given
from trivium.base.errors import UserError
from trivium.journey.experts import Experts, expert_at, experts_of
from trivium.journey.runs import find_run, is_run
from trivium.task.items import Asked, Chosen, Labelled, Tagged, Written

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
    of_model = name in (EMBED, FILL) and name not in experts.folders
    items = list(items_given(None if of_model else experts.named(name).task, name, texts, file))
    if not items:
        raise UserError("nothing to predict; give texts, a --file, or lines on standard input")
    for start in range(0, len(items), BATCH):
        part = items[start : start + BATCH]
        for item, told in zip(part, _told(experts, name, part), strict=True):
            shown = _shown(item)
            print(json.dumps({"input": shown, **told}, ensure_ascii=False) if as_json else _line(shown, told))
    model: Any = experts.named(name) if name in experts.folders else None
    if note := model.told_shortened(0, len(items)) if hasattr(model, "told_shortened") else "":
        print(note, file=sys.stderr)


def _only(experts: Experts) -> str:
    if len(experts.folders) == 1:
        return next(iter(experts.folders))
    known = ", ".join([*experts.folders, EMBED, FILL])
    raise UserError(f"say which task with --task: {known}")


def _told(experts: Experts, name: str, items: Sequence[Any]) -> list[dict[str, Any]]:
    if name not in experts.folders and name == EMBED:
        vectors = experts.encoder.embed([item.text for item in items])
        return [{"vector": [round(float(value), 6) for value in row]} for row in vectors]
    if name not in experts.folders:
        return [{"gaps": [[list(one) for one in gap] for gap in experts.encoder.fill(item.text)]} for item in items]
    model: Any = experts.named(name)
    match experts.kind(name):
        case "tag":
            return _tagged(model, items)
        case "answer":
            return [_answered(one) for one in model.answer(items)]
        case "generate":
            return [{"text": text} for text in model.texts(items)]
        case "choose":
            return [_chosen(item, scores) for item, scores in zip(items, model.weighed(items), strict=True)]
        case "regress":
            return [{"value": one.value} for one in experts.classify(items, name)]
        case _:
            return [{"labels": one.labels, "probabilities": one.probabilities} for one in experts.classify(items, name)]


def _tagged(model: Any, items: Sequence[Given]) -> list[dict[str, Any]]:
    """The spans of texts, and of sentences whose words are given."""
    texts = iter(model.tag([item for item in items if isinstance(item, str)]))
    given = iter(model.tag_given([item.words for item in items if isinstance(item, Tagged)]))
    return [{"entities": [vars(one) for one in next(texts if isinstance(item, str) else given)]} for item in items]


def _answered(one: Any) -> dict[str, Any]:
    score = {} if one.score is None else {"score": one.score}
    return {"answer": one.text, "start": one.start, "end": one.end, **score}


def _chosen(item: Chosen, scores: Sequence[float]) -> dict[str, Any]:
    by_option = dict(zip(item.options, scores, strict=True))
    return {"option": max(item.options, key=by_option.__getitem__), "scores": by_option}


def _shown(item: Given) -> Any:
    """The item as it was given: a text, or the list of its parts."""
    match item:
        case Labelled():
            return item.text if item.second is None else [item.text, item.second]
        case Asked():
            return [item.question, item.context]
        case Written():
            return item.source
        case Chosen():
            return [item.question, list(item.options)]
        case Tagged():
            return " ".join(item.words)
        case _:
            return item


def _line(item: Any, told: dict[str, Any]) -> str:
    """What was told, and after a tab what of, in one line whatever they hold."""
    parts = item if isinstance(item, list) else [item]
    text = " | ".join(", ".join(part) if isinstance(part, list) else part for part in parts)
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
    return " ".join(f"{said}\t{text}".splitlines())
