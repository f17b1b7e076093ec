"""The scores of each kind of task by name, and the libraries that they need. No torch here: recipes are checked without it."""

from __future__ import annotations

from importlib.util import find_spec

from trivium.task.declaration import Kind, Task

MAIN: dict[Kind, str] = {
    "classify": "accuracy",
    "multilabel": "micro_f1",
    "regress": "pearson",
    "tag": "span_f1",
    "answer": "exact_match",
    "generate": "rougeLsum",
    "choose": "accuracy",
}
NEEDED: dict[Kind, tuple[str, ...]] = {
    "classify": ("sklearn",),
    "multilabel": ("sklearn",),
    "regress": ("sklearn",),
    "tag": ("seqeval", "sklearn_crfsuite"),
    "answer": (),
    "generate": ("sacrebleu", "rouge_score"),
    "choose": (),
}


def main_score(task: Task) -> str:
    """The name of the task's main score."""
    return "word_accuracy" if task.kind == "tag" and task.scheme == "none" else MAIN[task.kind]


def score_names(task: Task) -> tuple[str, ...]:
    """Every score that early stopping may watch."""
    names: dict[Kind, tuple[str, ...]] = {
        "classify": ("accuracy", "macro_f1", "mcc"),
        "multilabel": ("micro_f1", "exact"),
        "regress": ("pearson", "spearman", "mean_absolute_error"),
        "tag": (main_score(task),),
        "answer": ("exact_match", "word_f1"),
        "generate": ("rougeLsum", "rouge1", "rouge2", "bleu", "chrf", "exact"),
        "choose": ("accuracy",),
    }
    return names[task.kind]


def library_faults(task: Task) -> list[str]:
    """A sentence where what the scores and baselines of the task need is not installed."""
    missing = [name for name in NEEDED[task.kind] if find_spec(name) is None]
    return [f"scores and baselines need {', '.join(missing)}: pip install 'trivium-lm[eval]'"] if missing else []
