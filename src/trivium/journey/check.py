"""What is wrong with a recipe and its data, all of it, before anything is spent.

Sections that are right are looked into even where others are not. Of every file that gather would read the beginning is
read, by the same code: enough to find a wrong encoding, a broken row or a missing field, not a proof that the rest is
right. `stage_faults` is what can be known without reading data; `run` asks for it too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from trivium.base.errors import RecipeError, UserError
from trivium.data.find import files_at, suffix_of
from trivium.data.sources import lack_of
from trivium.journey.graph import STAGES, StageTable, in_order, load_stage, with_named
from trivium.journey.recipe import Recipe, missing_paths, read_recipe, valid_sections

ITEMS = 100  # of each file that are read
FILES = 500  # of each source


def check(path: Path, overrides: Sequence[str] = (), stages: StageTable = STAGES) -> list[str]:
    """A sentence for everything that is wrong; none where nothing was found."""
    faults: list[str] = []
    try:
        recipe = read_recipe(path, overrides, stages)
        present = list(recipe.sections)
    except RecipeError as error:
        faults += str(error).splitlines()
        try:
            recipe, present = valid_sections(path, overrides, stages)
        except RecipeError:
            return faults  # not even YAML
    stages = with_named({**dict.fromkeys(present), **recipe.sections}, stages)
    try:
        in_order(present, stages)
    except RecipeError as error:
        faults += [f"{path}: {line}" for line in str(error).splitlines()]
    nowhere = missing_paths(recipe)
    faults += [f"{path}: {fault}" for fault in nowhere]
    for name, settings in recipe.sections.items():
        for number, source in enumerate(getattr(settings, "sources", ())):
            at = f"{name}.sources[{number}]"
            if not any(f"'{at}." in fault for fault in nowhere):
                faults += [f"{path}: '{at}': {fault}" for fault in look_at(source)]
    return faults + [f"{path}: {fault}" for fault in stage_faults(recipe, present, stages)]


def stage_faults(recipe: Recipe, names: Collection[str], stages: StageTable = STAGES) -> list[str]:
    """What the stages `names` can be seen to fail at: a device that is not there, too few rows, sizes that do not fit."""
    sections = recipe.sections
    stages = with_named(sections, stages)
    gather: Any = sections.get("gather")
    faults = _device_faults(recipe)
    lacking = [name for name in ("rate", "align") if name not in sections and recipe.rounds > 1]
    faults += [
        f"'rounds' is {recipe.rounds}, and a round needs '{name}'; add it, or set rounds to 1" for name in lacking
    ]
    for name in sections:
        if name not in names:
            continue
        stage = load_stage(name, stages)
        if gather is not None:
            lacks = [lack_of(part, least, gather.sources) for part, least in stage.rows.items()]
            faults += [f"'{name}': {lack}" for lack in lacks if lack]
        own = getattr(stage.module, "check", None)
        faults += [f"'{name}': {fault}" for fault in own(sections[name], sections)] if own else []
    return faults


def require_sound(recipe: Recipe, names: Collection[str], stages: StageTable = STAGES) -> None:
    """Raises RecipeError with all that `stage_faults` finds."""
    faults = stage_faults(recipe, names, stages)
    if faults:
        raise RecipeError("\n".join(faults))


def _device_faults(recipe: Recipe) -> list[str]:
    if recipe.device in ("auto", "cpu"):
        return []  # always there; torch need not be imported to know that
    from trivium.base.device import choose_machine

    try:
        choose_machine(recipe.device, recipe.threads, "float32")
    except UserError as error:
        return [str(error)]
    return []


def look_at(source: Any) -> list[str]:
    """What is wrong with the beginning of a source's data: of the source as a whole, or else of each of its files."""
    from trivium.data.sources import at_hand

    try:
        source = at_hand(source)
    except UserError as error:
        return [str(error)]
    if source is None:
        return []  # a dataset of the hub is fetched when gather runs, and by nothing before
    whole = _fault_of(source)
    told = [fault for file in islice(_files_of(source), FILES) if (fault := _fault_of_file(source, file))]
    return told or ([whole] if whole else [])


def _files_of(source: Any) -> Iterable[Path]:
    """The files of a source of texts or of instructions, to be looked at one by one; none of another source."""
    from trivium.data.ledger import Ledger
    from trivium.data.sources import files, instructions

    if source.kind == "instructions":
        return (file for file in files_at(source.path) if suffix_of(file) in instructions.SUFFIXES)
    try:
        return files.files_of(source, Ledger()) if source.kind == "files" else ()
    except UserError:
        return ()  # told by the whole source


def _fault_of_file(source: Any, file: Path) -> str | None:
    from trivium.data.ledger import Ledger
    from trivium.data.sources import files

    if source.kind != "files":
        return _fault_of(source.model_copy(update={"path": file})) if file.stat().st_size else None
    try:  # without what is empty or blank: gather counts that, and the whole source tells where there is nothing else
        for _ in islice(files.documents_of(source, "check", file, Ledger()), ITEMS):
            pass
    except UserError as error:
        return str(error)
    return None


def _fault_of(source: Any) -> str | None:
    from trivium.data.intake import Intake
    from trivium.data.sources import read

    try:
        items = ITEMS if hasattr(source, "path") else 1  # what is built in is right or not there at all
        for _ in islice(read(source, "check", Intake(seed=0, valid_share=0.1)), items):
            pass
    except UserError as error:
        return str(error)
    return None
