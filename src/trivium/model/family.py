"""A family of published models: how a row of the table turns our architecture and weights into theirs, and back.

A row (`decoder_rows`, `encoder_rows`) says how the configuration is spelt, which class goes with which head, and where each
of our tensors lives in the other's state dictionary. Fused matrices (query+key+value, gate+up) are cut and joined here, so
the trunk never knows whose weights it carries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from trivium.base.errors import CheckpointError, UserError
from trivium.model.architecture import Architecture, HeadShape, row_counts

# Ours -> theirs, with {i} for the layer; a tuple means that ours is the rows of theirs one after the other.
WeightMap = Mapping[str, str | tuple[str, ...]]
REWARD = ("reward",)
MOST_LISTED = 12


@dataclass(frozen=True)
class Head:
    """A head of a family: its class, its form, and where its weights live.

    `base` stands in this class's names for the family's own base, where it is another one.
    """

    cls: str
    shape: HeadShape
    weights: WeightMap = field(default_factory=dict)
    base: str = ""


@dataclass(frozen=True)
class Family:
    """One row.

    `form`: the fields of Architecture that make a model one of this family; `fields`: those that config.json only spells
    differently; `expected`: keys of config.json with the only value that is supported; `defaults`: what keys mean that are
    not there; `read` and `write`: everything that is not a matter of names. `base` begins the trunk's names, `turned` are
    matrices that are stored transposed, `twins` names of theirs that hold one tensor under two names, `ignored` matches
    names that are no weights of the model.
    """

    model_type: str
    base: str
    form: Mapping[str, Any]
    fields: Mapping[str, str]
    read: Callable[[Mapping[str, Any]], dict[str, Any]]
    write: Callable[[Architecture], dict[str, Any]]
    weights: WeightMap
    heads: Mapping[str, Head]
    expected: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=dict)
    turned: frozenset[str] = frozenset()
    ignored: str = r"$^"
    pool_key: str = ""
    window: int = 0  # of local layers in a new model

    def architecture(self, config: Mapping[str, Any]) -> Architecture:
        """The shape that a config.json describes. Raises CheckpointError for what the trunk does not compute."""
        given = {**self.defaults, **{key: value for key, value in config.items() if value is not None}}
        for key, expected in self.expected.items():
            if given.get(key, expected) != expected:
                raise CheckpointError(f"config.json: {key} is {given[key]!r}; only {expected!r} is supported")
        try:
            values = {ours: given[theirs] for ours, theirs in self.fields.items()} | self.read(given)
        except KeyError as error:
            raise CheckpointError(f"config.json: {error} is missing") from None
        try:
            return Architecture(**{**self.form, **values, "family": self.model_type})
        except (UserError, TypeError) as error:
            raise CheckpointError(f"config.json: {error}") from None

    def config(self, shape: Architecture) -> dict[str, Any]:
        """config.json of a shape. Raises CheckpointError where it would be read back as another one."""
        result = {theirs: getattr(shape, ours) for ours, theirs in self.fields.items()}
        result |= {**self.expected, **self.write(shape)}
        again = self.architecture(result).as_dict()
        lost = [f"{name} {value!r}" for name, value in shape.as_dict().items() if again[name] != value]
        if lost:
            raise CheckpointError(f"a model of the family {self.model_type} cannot have {', '.join(lost)}")
        return result

    def head(self, kind: str) -> Head:
        """The head of a kind: a next-sentence head stands on any masked one. Raises CheckpointError that names the kinds."""
        known = {**self.heads}
        if "masked" in known:
            known.setdefault("pretraining", known["masked"])
        if "sequence" in known:
            known["score"] = known["sequence"]
        if kind not in known:
            raise CheckpointError(
                f"a model of the family {self.model_type} has no head '{kind}'; it has: {_list(known)}"
            )
        return known[kind]

    def head_shape(self, kind: str, labels: tuple[str, ...] = (), pool: str = "", problem: str = "") -> HeadShape:
        """The form of a head of this family. Raises CheckpointError where labels are missing or there twice."""
        form = self.head(kind).shape
        if kind == "span":
            labels = ("start", "end")
        elif kind == "score":
            labels = REWARD
        elif kind in ("sequence", "tokens") and (not labels or len(set(labels)) < len(labels)):
            raise CheckpointError(f"a head '{kind}' needs label names, each once; given: {_list(labels) or 'none'}")
        changed: Any = {"kind": kind, "labels": labels, "problem": problem, "pool": pool or form.pool}
        return replace(form, **changed)


def _pattern(name: str) -> tuple[str, str]:
    """A name of ours with {i} in place of the layer, and the layer."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return name, ""
    return ".".join(["blocks", "{i}", *parts[2:]]), parts[1]


def _theirs(name: str, family: Family, kind: str) -> tuple[str, ...]:
    """Where a tensor of ours lives beside a head of that kind; nothing where no published class has it."""
    pattern, layer = _pattern(name)
    other = family.head(kind).weights.get(pattern, family.weights.get(pattern, ()))
    return tuple(text.replace("{i}", layer) for text in ((other,) if isinstance(other, str) else other))


def export_weights(
    weights: Mapping[str, Tensor], shape: Architecture, family: Family, kind: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Our state dictionary in the names of the family's class for that head, each tensor contiguous and its own; and what
    no published class has, in our names."""
    base = family.head(kind).base or family.base
    result: dict[str, Tensor] = {}
    own: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        names = _theirs(name, family, kind)
        if not names:
            own[name] = _copy(tensor)
            continue
        parts = torch.split(tensor, list(row_counts(name, shape))) if len(names) > 1 else (tensor,)
        for other, part in zip(names, parts, strict=True):
            result[other] = _copy(part.t() if _pattern(name)[0] in family.turned else part)
    result |= {twin: _copy(result[name]) for name, twin in family.twins.items() if name in result}
    return {re.sub(f"^{re.escape(family.base)}", base, other): tensor for other, tensor in result.items()}, own


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def import_weights(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], family: Family, kind: str, layers: int
) -> tuple[dict[str, Tensor], list[str]]:
    """The family's state dictionary in our names, for a model of `layers` layers with a head of that kind, and which of the
    `wanted` tensors are not in it.

    Raises CheckpointError, listing every tensor of the trunk that is missing, every one that no class of the family has, and
    every one of another shape.
    """
    there = _canonical(weights, family)
    result: dict[str, Tensor] = {}
    absent: list[str] = []
    faults: list[str] = []
    for name, like in wanted.items():
        names = _theirs(name, family, kind)
        missing = [other for other in names if other not in there]
        if missing or not names:
            absent.append(name)
            if _pattern(name)[0] in family.weights:
                faults += [f"missing {other}" for other in missing]
            continue
        tensor = torch.cat([there[other] for other in names]) if len(names) > 1 else there[names[0]]
        tensor = tensor.t() if _pattern(name)[0] in family.turned else tensor
        if tensor.shape != like.shape:
            faults.append(f"{' + '.join(names)} has shape {tuple(tensor.shape)}, expected {tuple(like.shape)}")
            continue
        result[name] = tensor.to(like.dtype)
    known = _known_names(family, layers)
    faults += [f"unexpected {other}" for other in sorted(set(there) - known)]
    if faults:
        more = f"; and {len(faults) - MOST_LISTED} more" if len(faults) > MOST_LISTED else ""
        raise CheckpointError(f"the weights do not fit the configuration: {'; '.join(faults[:MOST_LISTED])}{more}")
    return result, absent


def _canonical(weights: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """`weights` under the names of the family's table: of the class, of a class with another base, or of the bare trunk."""
    bases = sorted({head.base for head in family.heads.values() if head.base})
    result: dict[str, Tensor] = {}
    bare = not any(name.startswith((family.base, *bases)) for name in weights)
    for name, tensor in weights.items():
        if re.search(family.ignored, name):
            continue
        other = next((family.base + name.removeprefix(base) for base in bases if name.startswith(base)), name)
        result[family.base + other if bare else other] = tensor
    for name, twin in family.twins.items():
        spare = result.pop(twin, None)
        if spare is not None:
            result.setdefault(name, spare)
    return result


def _known_names(family: Family, layers: int) -> set[str]:
    """Every name that a class of the family has."""
    maps = [family.weights, *(head.weights for head in family.heads.values())]
    names = [
        name for table in maps for other in table.values() for name in ((other,) if isinstance(other, str) else other)
    ]
    return {name.replace("{i}", str(layer)) for name in names for layer in range(layers)}


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
