"""Which stages there are, what each one needs, and in which order a recipe's stages run.

A stage is a module with `NEEDS`, a settings class (what its `run` takes first) and `run(settings, context)`. It may
also have `WANTS` (stages that it reads where the recipe has them; `align-*` are all that a recipe names so), `CONTINUES`
(settings that may grow without starting over), `NOT_IN_KEY` (settings that do not change its result), `PARALLEL` (all
processes of a job run it, else the first alone), `ROWS` (of which of gather's rows it needs how many), `depends_on(settings)`
(what outside the recipe its result depends on, as JSON), `check(settings, sections)` (sentences about what is wrong;
`sections` are the recipe's by name, as far as they are right) and `outlook(settings, sections)` (what it will compute, for
`trivium plan`). Modules are imported when first asked for.
`with_named` adds the stages that a recipe names itself, such as `finetune-sentiment`, and settles on the module of each stage
that can be done in several ways, which its setting `method` tells apart.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trivium.base.config import Settings
from trivium.base.errors import RecipeError

if TYPE_CHECKING:
    from trivium.data.intake import Part

Variants = Mapping[str, Any]  # method -> dotted name of the module, or the module itself; the first is the default
StageTable = Mapping[
    str, Any
]  # section name -> dotted name of the module, the module itself, or Variants; in running order

ALGORITHMS: Variants = {
    "rloo": "trivium.stages.align_rloo",
    "grpo": "trivium.stages.align_grpo",
    "ppo": "trivium.stages.align_ppo",
    "dpo": "trivium.stages.align_dpo",
    "kto": "trivium.stages.align_kto",
    "rejection": "trivium.stages.best_of_n",
}
STAGES: StageTable = {
    "gather": "trivium.stages.gather",
    "tokenize": "trivium.stages.tokenize",
    "pretrain": "trivium.stages.pretrain",
    "finetune": "trivium.stages.finetune",
    "transfer": "trivium.stages.transfer",
    "rate": "trivium.stages.rate",
    "reward": "trivium.stages.reward",
    "align": ALGORITHMS,
    "evaluate": "trivium.stages.evaluate",
}
# A section BASE-NAME, as often as wanted, each with a folder, a key and a lineage of its own; they run after BASE's place.
NAMED: StageTable = {"finetune": "trivium.stages.finetune_task", "align": ALGORITHMS}
_NAME = re.compile(r"(?P<base>[a-z]+)-[a-z0-9]+(?:[._-][a-z0-9]+)*")


def base_of(name: str) -> str:
    """The stage that a named one belongs to: 'finetune' of 'finetune-sentiment'; any other name as it is."""
    match = _NAME.fullmatch(name)
    return match["base"] if match and match["base"] in NAMED else name


def is_named(name: str, base: str) -> bool:
    """Whether `name` is one that a recipe gave to a stage of `base`: 'finetune-sentiment' for 'finetune'."""
    return name != base == base_of(name)


def with_named(sections: Iterable[str], stages: StageTable = STAGES) -> StageTable:
    """`stages` and, behind each one that can have them, the named ones among `sections`, in their order.

    Where `sections` maps names to what a recipe says of them, each stage has the one module that its `method` asks for;
    where there is no such method, or none is told, the default's.
    """
    found: dict[str, list[str]] = {}
    for section in sections:
        if (base := base_of(section)) != section and base in stages:
            found.setdefault(base, []).append(section)
    content: Mapping[str, Any] = sections if isinstance(sections, Mapping) else {}
    table: dict[str, Any] = {}
    for name, module in stages.items():
        table[name] = _settled(module, content.get(name))
        table |= {own: _settled(NAMED[name], content.get(own)) for own in found.get(name, ())}
    return table


def _settled(entry: Any, section: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    method = _method(section)
    return entry[method] if isinstance(method, str) and method in entry else next(iter(entry.values()))


def _method(section: Any) -> Any:
    return section.get("method") if isinstance(section, Mapping) else getattr(section, "method", None)


def unknown_method(name: str, section: Any, stages: StageTable = STAGES) -> str | None:
    """What is wrong with the method that a recipe's section asks for; None where nothing is."""
    entry = stages.get(name, NAMED.get(base_of(name)) if base_of(name) in stages else None)
    method = _method(section)
    if not isinstance(entry, Mapping) or method is None or (isinstance(method, str) and method in entry):
        return None
    near = difflib.get_close_matches(str(method), entry, n=1, cutoff=0.5)
    meant = f"did you mean '{near[0]}'? " if near else ""
    return f"no such method; {meant}There are: {', '.join(entry)} (given: {method!r:.80})"


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
    """The stage of that section name, its module imported; of variants that nothing chooses between, the default."""
    entry = _settled(stages[name], None)
    module = importlib.import_module(entry) if isinstance(entry, str) else entry
    return Stage(
        name=name,
        module=module,
        settings=_settings_class(module),
        needs=tuple(module.NEEDS),
        wants=tuple(_wanted(getattr(module, "WANTS", ()), stages)),
        continues=tuple(getattr(module, "CONTINUES", ())),
        not_in_key=tuple(getattr(module, "NOT_IN_KEY", ())),
        parallel=bool(getattr(module, "PARALLEL", False)),
        rows=dict(getattr(module, "ROWS", {})),
    )


def settings_of(name: str, stages: StageTable = STAGES) -> list[type[Settings]]:
    """The settings classes that a section may be read into: one, or one for each module of its variants."""
    entry = stages[name]
    modules = list(dict.fromkeys(entry.values())) if isinstance(entry, Mapping) else [entry]
    return [load_stage(name, {name: module}).settings for module in modules]


def _wanted(names: Iterable[str], stages: StageTable) -> Iterator[str]:
    for name in names:
        yield from (own for own in stages if is_named(own, name[:-2])) if name.endswith("-*") else (name,)


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
