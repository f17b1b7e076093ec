"""Which stages there are, what each one needs, and in which order a recipe's stages run.

A stage is a module with `NEEDS`, a settings class (what its `run` takes first) and `run(settings, context)`. It may
also have `WANTS` (stages that it reads where the recipe has them), `CONTINUES` (settings that may grow without starting
over), `NOT_IN_KEY` (settings that do not change its result), `PARALLEL` (all processes of a job run it, else the first
alone), `ROWS` (of which of gather's rows it needs how many), `depends_on(settings)` (what outside the recipe its result
depends on, as JSON), `check(settings, sections)` (sentences about what is wrong; `sections` are the recipe's by name,
as far as they are right) and `outlook(settings, sections)` (what it will compute, for `trivium plan`). Modules are imported
when first asked for.
`with_named` adds the stages that a recipe names itself, such as `finetune-sentiment`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trivium.base.config import Settings
from trivium.base.errors import RecipeError

if TYPE_CHECKING:
    from trivium.data.intake import Part

StageTable = Mapping[str, Any]  # section name -> dotted name of the module, or the module itself; in running order

STAGES: StageTable = {
    "gather": "trivium.stages.gather",
    "tokenize": "trivium.stages.tokenize",
    "pretrain": "trivium.stages.pretrain",
    "finetune": "trivium.stages.finetune",
    "transfer": "trivium.stages.transfer",
    "rate": "trivium.stages.rate",
    "reward": "trivium.stages.reward",
    "align": "trivium.stages.align_rloo",
    "evaluate": "trivium.stages.evaluate",
}
# A section BASE-NAME, as often as wanted, each with a folder, a key and a lineage of its own; they run after BASE's place.
NAMED: StageTable = {"finetune": "trivium.stages.finetune_task"}
_NAME = re.compile(r"(?P<base>[a-z]+)-[a-z0-9]+(?:[._-][a-z0-9]+)*")


def base_of(name: str) -> str:
    """The stage that a named one belongs to: 'finetune' of 'finetune-sentiment'; any other name as it is."""
    match = _NAME.fullmatch(name)
    return match["base"] if match and match["base"] in NAMED else name


def with_named(sections: Iterable[str], stages: StageTable = STAGES) -> StageTable:
    """`stages` and, behind each one that can have them, the named ones among `sections`, in their order."""
    found: dict[str, list[str]] = {}
    for section in sections:
        if (base := base_of(section)) != section and base in stages:
            found.setdefault(base, []).append(section)
    table: dict[str, Any] = {}
    for name, module in stages.items():
        table[name] = module
        table |= dict.fromkeys(found.get(name, ()), NAMED.get(name))
    return table


@dataclass(frozen=True)
class Stage:
    """A stage as the journey sees it."""

    name: str
    module: Any
    settings: type[Settings]
    needs: tuple[str, ...]
    wants: tuple[str, ...] = ()
    continues: tuple[str, ...] = ()
    not_in_key: tuple[str, ...] = ()
    parallel: bool = False
    rows: Mapping[Part, int] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The path of the file that holds the stage."""
        return inspect.getsourcefile(self.module.run) or ""


def load_stage(name: str, stages: StageTable = STAGES) -> Stage:
    """The stage of that section name, its module imported."""
    entry = stages[name]
    module = importlib.import_module(entry) if isinstance(entry, str) else entry
    return Stage(
        name=name,
        module=module,
        settings=_settings_class(module),
        needs=tuple(module.NEEDS),
        wants=tuple(getattr(module, "WANTS", ())),
        continues=tuple(getattr(module, "CONTINUES", ())),
        not_in_key=tuple(getattr(module, "NOT_IN_KEY", ())),
        parallel=bool(getattr(module, "PARALLEL", False)),
        rows=dict(getattr(module, "ROWS", {})),
    )


def _settings_class(module: Any) -> type[Settings]:
    """What the module's `run` takes first."""
    annotation = next(iter(inspect.signature(module.run).parameters.values())).annotation
    found: type[Settings] = getattr(module, annotation) if isinstance(annotation, str) else annotation
    assert issubclass(found, Settings), f"{module}.run must take its Settings first, it takes {found}"
    return found


def in_order(present: Collection[str], stages: StageTable = STAGES, given: Collection[str] = ()) -> list[Stage]:
    """The stages of `present`, in running order; `given` ones are finished elsewhere. Raises RecipeError naming every stage that
    is needed and missing."""
    found = [load_stage(name, stages) for name in stages if name in present]
    if not found:
        raise RecipeError(f"the recipe asks for no stage; add at least one of these sections: {', '.join(stages)}")
    faults = [
        f"'{stage.name}' needs '{need}', which the recipe does not have; add a line '{need}:' (its defaults are fine)"
        for stage in found
        for need in stage.needs
        if need not in present and need not in given
    ]
    if faults:
        raise RecipeError("\n".join(faults))
    return found


def needed_for(last: str, present: Collection[str], stages: StageTable = STAGES) -> set[str]:
    """`last` and every stage that it reads, directly or not. Raises RecipeError where the recipe does not have it."""
    if last not in present:
        raise RecipeError(
            f"the recipe has no '{last}'; it has: {', '.join(name for name in stages if name in present)}"
        )
    wanted, open_names = set(), [last]
    while open_names:
        name = open_names.pop()
        if name not in wanted and name in present:
            wanted.add(name)
            stage = load_stage(name, stages)
            open_names += [*stage.needs, *stage.wants]
    return wanted
