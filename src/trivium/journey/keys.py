"""A stage's key: the hash of the settings that change its result, its inputs, its files, its seed and its code.

Device, threads and the folders that paths lead through are not in it; the files at a path are, by name and content.
What else outside the recipe a result depends on its stage tells by `depends_on(settings)`. `grown_from` says whether a result can
be continued, `differences` why one cannot be reused, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.base.config import Settings
from trivium.base.files import hash_json
from trivium.journey.code import code_hash
from trivium.journey.graph import Stage
from trivium.journey.hashes import FileHashes, hash_sources
from trivium.journey.recipe import map_values, paths_in
from trivium.journey.record import FORMAT, Parts


def parts_of(stage: Stage, settings: Settings, inputs: Mapping[str, str], seed: int, hashes: FileHashes) -> Parts:
    """All that the stage's key depends on; `inputs` are the output hashes of the stages that it reads."""
    placeless = map_values(settings, Path, lambda path: Path(path.name))  # a source's documents are named after it
    kept = {name: value for name, value in placeless.model_dump(mode="json").items() if name not in stage.not_in_key}
    return Parts(
        format=FORMAT,
        stage=stage.name,
        settings=kept,
        inputs=dict(inputs),
        files=hash_sources((path for _, path in paths_in(settings)), hashes),
        outside=stage.module.depends_on(settings) if hasattr(stage.module, "depends_on") else None,
        seed=seed,
        code=code_hash(stage.source),
    )


def key_of(parts: Parts) -> str:
    """The stage's key: 64 hexadecimal digits."""
    return hash_json(parts.model_dump(mode="json"))


def grown_from(old: Parts, new: Parts, continues: tuple[str, ...]) -> bool:
    """Whether `new` is `old` but for settings in `continues`, none of which is smaller and one of which is larger."""
    before, after = dict(old.settings), dict(new.settings)
    pairs = [(before.pop(name, None), after.pop(name, None)) for name in continues]
    if not all(isinstance(one, int | float) and isinstance(two, int | float) and one <= two for one, two in pairs):
        return False
    grown = any(one < two for one, two in pairs)
    return grown and old.model_copy(update={"settings": before}) == new.model_copy(update={"settings": after})


def differences(old: Parts, new: Parts) -> str:
    """What has changed from `old` to `new`, in words: 'learning_rate 0.002 -> 0.003, its input gather'."""
    told = _setting_differences(old.settings, new.settings)
    told += [f"its input {name}" for name in new.inputs if old.inputs.get(name) != new.inputs[name]]
    told += [f"no input {name} any more" for name in old.inputs if name not in new.inputs]
    if old.files != new.files:
        told.append("the content of its files")
    if old.outside != new.outside:
        told += _setting_differences({"outside": old.outside}, {"outside": new.outside})
    if old.seed != new.seed:
        told.append(f"seed {old.seed} -> {new.seed}")
    if old.code != new.code:
        told.append("the code that it runs")
    if old.format != new.format:
        told.append(f"format {old.format} -> {new.format}")
    return ", ".join(told) or "nothing"


def _setting_differences(old: Any, new: Any, at: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = [*new, *(name for name in old if name not in new)]
        return [
            line
            for name in names
            for line in _setting_differences(old.get(name), new.get(name), f"{at}.{name}".removeprefix("."))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for number, (one, two) in pairs for line in _setting_differences(one, two, f"{at}[{number}]")]
    if old == new:
        return []
    return [f"{at} {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
