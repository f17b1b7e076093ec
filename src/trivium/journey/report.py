"""`write_report(run_folder)`: one offline HTML file about a run, for people who want to see what each phase changed.

The parts of the page are worked out in `report_*`; the words are in `report_words`; the looks are in `report.html.j2`
and `report.css`, and `pages` fills them. The page asks nothing of the network and needs no script.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from trivium.base.errors import TriviumError
from trivium.base.files import write_atomic
from trivium.journey.pages import fill
from trivium.journey.report_curves import curves
from trivium.journey.report_data import data, tokens
from trivium.journey.report_fairness import bias_part, memory_part
from trivium.journey.report_gate import gate
from trivium.journey.report_journey import head, is_masked, journey
from trivium.journey.report_lineage import lineage
from trivium.journey.report_panel import verdicts
from trivium.journey.report_phases import decks, example, phase_rows
from trivium.journey.report_private import shareable
from trivium.journey.report_read import Run, read_run
from trivium.journey.report_rounds import rounds
from trivium.journey.report_scores import score_tables, wins
from trivium.journey.report_shots import shot_parts
from trivium.journey.report_tasks import task_parts
from trivium.journey.report_transfer import transfer_part
from trivium.journey.report_values import label
from trivium.journey.report_words import GLOSSARY, PHASES, RATER
from trivium.journey.required import Verdict
from trivium.journey.required import verdicts as judged
from trivium.stages.evaluate import Requirement

MOST_FAULTS = 40


@dataclass(frozen=True)
class Command:
    """A line to type, and what it does."""

    line: str
    does: str


def write_report(run_folder: Path, *, samples: bool = True) -> Path:
    """Write `run_folder`/report.html, whole or not at all, and return its path.

    Personal data in samples are replaced by placeholders; without `samples` there are none, and the file is called
    report-no-samples.html. Missing and damaged files are told on the page; so is how to get the drawings where
    matplotlib is missing. Raises RunError where the folder is no run or cannot be written.
    """
    path = run_folder / ("report.html" if samples else "report-no-samples.html")
    write_atomic(path, render(shareable(read_run(run_folder), samples=samples)))
    return path


def render(run: Run) -> str:
    """The page's HTML."""
    drawn, no_drawings = curves(run)
    questions, requests = decks(run)
    looped = rounds(run)
    faults = [*run.faults, *(looped.faults if looped else ())]
    return fill(
        "report.html.j2",
        run=run,
        name=label(run.name),
        rater=RATER,
        head=head(run),
        example=example(run),
        groups=journey(run),
        art_of={stage: phase.art for phase in PHASES for stage in phase.stages},
        after_of={phase.model: phase.after for phase in PHASES},
        rows=phase_rows(run),
        questions=questions,
        requests=requests,
        tables=score_tables(run),
        wins=wins(run),
        gate=gate(run),
        tasks=task_parts(run),
        transfer=transfer_part(run),
        learning=verdicts(run),
        rounds=looped,
        shots=[(part, None if part.svg is None else Markup(part.svg)) for part in shot_parts(run)],
        required=required(run),
        bias=bias_part(run),
        memory=memory_part(run),
        curves=[(curve, None if curve.svg is None else Markup(curve.svg)) for curve in drawn],
        no_drawings=no_drawings,
        data=data(run),
        tokens=tokens(run),
        lineage=lineage(run),
        commands=commands(run),
        glossary=GLOSSARY,
        faults=[label(fault, 300) for fault in faults[:MOST_FAULTS]],
        more_faults=max(0, len(faults) - MOST_FAULTS),
    )


def required(run: Run) -> tuple[Verdict, ...]:
    """What the recipe requires of the scores, and whether they are so; nothing where it cannot be told."""
    evaluate = run.recipe.get("evaluate")
    wanted = evaluate.get("require") if isinstance(evaluate, dict) else None
    if not wanted or run.stages["evaluate"].state != "finished":
        return ()
    try:
        read = [Requirement.model_validate(one) for one in wanted]
        return tuple(judged(read, [score.model_dump() for score in run.scores]))
    except (TriviumError, ValueError, TypeError):
        return ()


def commands(run: Run) -> tuple[Command, ...]:
    """What to do next with this very run."""
    folder, recipe = shlex.quote(label(run.folder, 500)), shlex.quote(label(run.folder / "recipe.yaml", 500))
    written = PHASES[1:] if is_masked(run) else PHASES  # of models that write
    models = [phase.model for phase in written if run.stages[phase.model].state == "finished"]
    steps = run.stages["pretrain"].figure("steps")
    found = []
    if any(stage.state in ("unfinished", "waiting") for stage in run.stages.values()):
        found.append(Command(f"trivium run {recipe}", "Go on where this run stopped."))
    if models:
        found.append(Command(f"trivium chat {folder}", f"Talk to the newest model, {models[-1]}."))
    if len(models) > 1:
        found.append(
            Command(f"trivium chat {folder} --stage {models[0]}", f"Talk to an earlier one ({', '.join(models[:-1])}).")
        )
        line = f'trivium compare {folder} --prompt "Tell me a story about a fox."'
        found.append(
            Command(line, "See your own prompt through every model, side by side; with --page FILE.html as a page.")
        )
    for stage in run.tasks:
        line = f'trivium predict {folder} --task {stage.partition("-")[2]} "..."'
        found.append(Command(line, "Ask it about a text of yours, a file, or what another command writes."))
    if steps is not None and steps >= 1:
        line = f"trivium run {recipe} --set pretrain.steps={2 * round(steps)}"
        found.append(Command(line, "Train longer, or change any other setting. What does not depend on it is reused."))
    return tuple(found)
