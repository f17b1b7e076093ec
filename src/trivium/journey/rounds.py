"""The loop of rounds: have the newest model's answers rated, learn from all ratings so far, align again, measure, repeat.

The first round is the run itself. Round N is RUN/rounds/N, a run folder like every other, with its own rate, reward and
align (and evaluate, where the recipe has it): so keys, reuse, resuming, records and lineage are those of every run. What it
reads of others it is given under these names:

    gather, tokenize, pretrain, finetune      of the run
    rate_before, reward_before, align_before  of the round before

Its rating asks about the answers of align_before, those that reward_before is least sure of, and mixes in pairs that
compare align_before with the tuned model on held-out requests: the win rate of the round before, by fresh ratings. Its reward
model and its policy start from the tuned model, with the ratings of all rounds (Bai et al. 2022, "Training a helpful and
harmless assistant", section 4.5): so the KL keeps one reference, and no model is more than one alignment away from it.
After the last round comes one more rating, in the next round's place, which only measures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from trivium.base.words import StageResult
from trivium.journey.follow import Lead
from trivium.journey.graph import STAGES, StageTable
from trivium.journey.recipe import Recipe
from trivium.journey.report import write_report
from trivium.journey.runner import Report, RoundStarted, Scope, run

STAGES_OF_A_ROUND = ("rate", "reward", "align", "evaluate")
GIVEN_ON = ("rate", "reward", "align")  # by one round to the next, as NAME_before


def run_rounds(
    recipe: Recipe,
    folder: Path,
    *,
    report: Report = lambda event: None,
    stopping: Callable[[], bool] = lambda: False,
    scope: Scope | None = None,
    stages: StageTable = STAGES,
    lead: Lead | None = None,
) -> list[StageResult]:
    """Run the recipe with all its rounds in `folder`, and return what each stage left, round after round.

    Raises what `runner.run` raises; Waiting where people are to rate first. The same call goes on, in whichever round it
    was. `scope.redo` of a round's stages is about the last round.
    """
    scope = scope or Scope()
    loops = recipe.rounds > 1 and scope.until in (None, *STAGES_OF_A_ROUND[2:])
    again = scope.redo.intersection(STAGES_OF_A_ROUND) if loops else frozenset()

    def once(part: Recipe, place: Path, how: Scope) -> list[StageResult]:
        return run(part, place, report=report, stopping=stopping, scope=how, stages=stages, lead=lead)

    results = once(recipe, folder, replace(scope, redo=scope.redo - again))
    if not loops:
        return results
    base = {result.stage: result.folder for result in results if result.stage not in STAGES_OF_A_ROUND}
    before = {result.stage: result.folder for result in results}
    for number in range(2, recipe.rounds + 1):
        report(RoundStarted(number, recipe.rounds))
        given = base | _given_on(before)
        how = replace(scope, redo=again if number == recipe.rounds else frozenset(), given=given)
        made = once(round_recipe(recipe, number), folder / "rounds" / str(number), how)
        before = {result.stage: result.folder for result in made}
        results += made
        write_report(folder)
    number = recipe.rounds + 1
    measuring = measuring_recipe(recipe, number)
    if measuring is not None:
        report(RoundStarted(number, recipe.rounds))
        place = folder / "rounds" / str(number)
        results += once(measuring, place, Scope(verify=scope.verify, given=base | _given_on(before)))
        write_report(folder)
    return results


def _given_on(before: dict[str, Path]) -> dict[str, Path]:
    return {f"{name}_before": before[name] for name in GIVEN_ON if name in before}


def round_recipe(recipe: Recipe, number: int, keep: tuple[str, ...] = STAGES_OF_A_ROUND) -> Recipe:
    """What of the recipe a later round runs."""
    others: dict[str, object] = {name: None for name in recipe.sections if name not in keep}
    return recipe.model_copy(update=others | {"name": f"{recipe.name}-round-{number}", "rounds": 1})


def measuring_recipe(recipe: Recipe, number: int) -> Recipe | None:
    """A rating that only measures the last round's model; None where the recipe measures nothing."""
    rate = recipe.sections["rate"]
    if not getattr(rate, "measure", 0):
        return None
    only = round_recipe(recipe, number, ("rate",))
    return only.model_copy(update={"rate": rate.model_copy(update={"pairs": 0})})
