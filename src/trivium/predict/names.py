"""Names in texts, found by a model that was taught to tag them: what data preparation is given to find names of people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from trivium.base.errors import UserError
from trivium.predict.predictor import load_predictor

Span = tuple[int, int, str]  # characters from and to, and the kind


def load_finder(
    folder: Path, kinds: Sequence[str] = (), device: str = "auto", threads: int = 0
) -> Callable[[Sequence[str]], list[list[Span]]]:
    """A function from texts to the names in each, of those `kinds` (all if none is named), in the order of the text.

    Raises RunError where the folder's model was taught no task, UserError where it does not tag names or has not the kinds.
    """
    predictor = load_predictor(folder, device, threads)
    tags = predictor.names if predictor.task.kind == "tag" and predictor.task.scheme != "none" else ()
    there = sorted({tag.partition("-")[2] for tag in tags if "-" in tag})
    if not there:
        raise UserError(f"{folder}: this model does not tag names; give a finetune-NAME stage that was taught to")
    wanted = {kind.casefold() for kind in kinds or there}
    if unknown := wanted - {kind.casefold() for kind in there}:
        raise UserError(f"{folder}: has no kind {', '.join(sorted(unknown))}; it tags {', '.join(there)}")

    def find(texts: Sequence[str]) -> list[list[Span]]:
        return [
            [(one.start, one.end, one.kind) for one in found if one.kind.casefold() in wanted]
            for found in predictor.tag(texts)
        ]

    return find
