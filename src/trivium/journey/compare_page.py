"""`write_comparison`: what `compare` found, as one offline HTML file in the looks of the report.

Each prompt is a card with a line of answers for every run, the stages under each other; before them stand the means over the
prompts. Personal data are replaced as in the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trivium.base.errors import UserError
from trivium.base.files import write_atomic
from trivium.evaluate.intervals import mean
from trivium.journey.compare import Row
from trivium.journey.graph import base_of
from trivium.journey.pages import fill
from trivium.journey.report_phases import Answer, changed_words, figures_in_words
from trivium.journey.report_private import redacted
from trivium.journey.report_transfer import PlainTable
from trivium.journey.report_values import Shown, count, label, many, plain, show
from trivium.journey.report_words import GLOSSARY, PHASES, Phase

WORDS = ("Token", "Log-likelihood", "Reward", "KL", "95% interval")
_MEANS = {
    "words": "Words",
    "log_likelihood": "Log-likelihood of its own answer, nats",
    "log_likelihood_of_newest": "Log-likelihood of the newest model's answer, nats",
    "reward": "Reward",
    "kl": "KL from the fine-tuned model, nats",
}
_SHARES = {"ended": "Ended by itself", "same": "Same words as in the first run"}


@dataclass(frozen=True)
class Line:
    """One run's answers to a prompt, by stage, None where it has no such model; `run` is '' where there is one run."""

    run: str
    answers: tuple[Answer | None, ...]


@dataclass(frozen=True)
class Card:
    """One prompt with a line of answers for every run."""

    prompt: Shown
    lines: tuple[Line, ...]


def require_page(path: Path) -> None:
    """Raises UserError where a page could not be written to `path`."""
    if path.suffix not in (".html", ".htm") or path.is_dir():
        raise UserError(f"{path}: a page is an HTML file; give a name that ends in .html")


def write_comparison(rows: Sequence[Row], path: Path) -> Path:
    """Write the rows of `compare` or `compare_runs` as a page to `path`, whole or not at all, and return it.

    Raises UserError where the path is no .html file, RunError where it cannot be written.
    """
    require_page(path)
    write_atomic(path, render(rows))
    return path


def render(rows: Sequence[Row]) -> str:
    """The page's HTML."""
    models = [_split(model) for model in rows[0].answers]
    runs = list(dict.fromkeys(run for run, _ in models))
    stages = _in_order({stage for _, stage in models})
    phases = [phase for phase in PHASES if any(base_of(stage) == phase.model for stage in stages)]
    return fill(
        "compare.html.j2",
        title=_title(len(rows), len(stages), [label(run) for run in runs if run]),
        phases=phases,
        means=_means(rows),
        cards=tuple(_card(row, runs, stages) for row in rows),
        glossary={word: GLOSSARY[word] for word in WORDS},
    )


def _title(prompts: int, models: int, runs: Sequence[str]) -> str:
    asked = "One prompt" if prompts == 1 else f"{count(prompts)} prompts"
    return f"{asked} through " + (
        f"the models of {', '.join(runs[:-1])} and {runs[-1]}" if runs else many(models, "model")
    )


def _split(model: str) -> tuple[str, str]:
    """(run, stage) of a model's name in a row; the run is '' where there is one."""
    run, _, stage = model.rpartition("/")
    return run, stage


def _in_order(stages: set[str]) -> list[str]:
    order = [phase.model for phase in PHASES]
    return sorted(stages, key=lambda stage: (order.index(base_of(stage)), stage))


def _phase(stage: str) -> Phase:
    """The phase that a stage's model comes out of; a named one tells its name."""
    phase = next(phase for phase in PHASES if phase.model == base_of(stage))
    return phase if phase.model == stage else replace(phase, after=f"{phase.after} by {stage}")


def _card(row: Row, runs: Sequence[str], stages: Sequence[str]) -> Card:
    lines = []
    for run in runs:
        own = {stage: f"{run}/{stage}" if run else stage for stage in stages}
        tuned = row.answers.get(own.get("finetune", ""))
        lines.append(Line(label(run), tuple(_answer(row, stage, name, tuned) for stage, name in own.items())))
    return Card(show(redacted(row.prompt)), tuple(lines))


def _answer(row: Row, stage: str, name: str, tuned: str | None) -> Answer | None:
    """What one model said; words that the fine-tuned one of its run did not say are marked in an aligned one's answer."""
    if name not in row.answers:
        return None
    text, changes = redacted(row.answers[name].strip()), row.changes.get(name, {})
    shown = show(text)
    before = None if base_of(stage) != "align" or tuned is None or tuned.strip() == row.answers[name].strip() else tuned
    pieces = changed_words(None if before is None else redacted(before.strip()), shown.head)
    figures = figures_in_words(text, changes)
    if changes.get("same"):
        figures += "; the same words as in the first run"
    return Answer(_phase(stage), shown, pieces, None, "", row.explanations.get(name, ""), figures)


def _means(rows: Sequence[Row]) -> PlainTable:
    """A row for every figure, a column for every model: means over the prompts, with intervals where there are several."""
    models = list(rows[0].answers)
    body = []
    for key, name in (_MEANS | _SHARES).items():
        values = [[row.changes[model][key] for row in rows if key in row.changes.get(model, {})] for model in models]
        if any(values):
            write = _share if key in _SHARES else _with_interval
            body.append((name, *(write(own) if own else "" for own in values)))
    note = f"means over {count(len(rows))} prompts, with 95% intervals" if len(rows) > 1 else ""
    return PlainTable("What changed", note, ("", *map(label, models)), tuple(body))


def _share(values: Sequence[float]) -> str:
    held = sum(value > 0 for value in values)
    return f"{held} of {len(values)}" if len(values) > 1 else "yes" if held else "no"


def _with_interval(values: Sequence[float]) -> str:
    found = mean(values)
    return plain(found.value) + (f" ({plain(found.low)} to {plain(found.high)})" if len(values) > 1 else "")
