"""A family of published models: how a row of the table turns our architecture and weights into theirs, and back.

A row (`decoder_rows`, `encoder_rows`) says how the configuration is spelt, which class goes with which head, and where each
of our tensors lives in the other's state dictionary. Fused matrices (query+key+value, gate+up) are cut and joined here, so
the trunk never knows whose weights it carries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from trivium.base.errors import CheckpointError, UserError
from trivium.model.architecture import Architecture, HeadShape, row_counts
from trivium.model.config_values import check_values

# Ours -> theirs, with {i} for the layer; a tuple means that ours is the rows of theirs one after the other.
WeightMap = Mapping[str, str | tuple[str, ...]]
REWARD = ("reward",)
_OLD_NORM = re.compile(r"(?<=LayerNorm\.)(gamma|beta)$")  # as the first published files call them
_OLD_NORMS = {"gamma": "weight", "beta": "bias"}
OVER_VOCABULARY = ("language", "masked", "pretraining")  # what was pre-trained; published folders often keep it


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
        check_values(given)
        for key, expected in self.expected.items():
            if given.get(key, expected) != expected:
                raise CheckpointError(f"config.json: {key} is {given[key]!r}; only {expected!r} is supported")
        try:
            values = {ours: given[theirs] for ours, theirs in self.fields.items()} | self.read(given)
        except KeyError as error:
            raise CheckpointError(
                f"config.json: {error} is missing; give the config.json that came with the weights"
            ) from None
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            raise CheckpointError(f"config.json: its values do not fit together ({error})") from None
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

    @property
    def trunk(self) -> str:
        """The class without a head."""
        return self.heads["tokens"].cls.removesuffix("ForTokenClassification") + "Model"

    def head(self, kind: str) -> Head:
        """The head of a kind: a next-sentence head stands on any masked one, and none is of the bare trunk's class. Raises
        CheckpointError that names the kinds."""
        if kind == "none":
            return Head(self.trunk, HeadShape(kind="none"))
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
    return tuple(text.replace("{i}", layer) for text in _each(other))


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
    weights: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    family: Family,
    kind: str,
    known: Set[str],
    optional: Set[str] = frozenset(),
) -> tuple[dict[str, Tensor], list[str]]:
    """The family's state dictionary in our names, for a model with a head of that kind, and which of the `wanted` tensors are
    not in it.

    Raises CheckpointError, listing in the names of the files every tensor that is missing and not `optional` (names of ours),
    every one that is not `known`, and every one of another shape.
    """
    there = canonical(weights, family)
    result: dict[str, Tensor] = {}
    absent: list[str] = []
    faults: list[str] = []
    for name, like in wanted.items():
        names = _theirs(name, family, kind)
        missing = [other for other in names if other not in there]
        if missing or not names:
            absent.append(name)
            if name not in optional:
                faults += [f"missing {written(other, weights, family, kind)}" for other in missing or [name]]
            continue
        tensor = torch.cat([there[other] for other in names]) if len(names) > 1 else there[names[0]]
        tensor = tensor.t() if _pattern(name)[0] in family.turned else tensor
        if tensor.shape != like.shape:
            told = " + ".join(written(other, weights, family, kind, twin=False) for other in names)
            faults.append(f"{told} has shape {tuple(tensor.shape)}, expected {tuple(like.shape)}")
            continue
        result[name] = tensor.to(like.dtype)
    unexpected = sorted(set(there) - known)
    faults += [f"unexpected {written(other, weights, family, kind, twin=False)}" for other in unexpected]
    if faults:
        raise CheckpointError(f"the weights do not fit the configuration: {'; '.join(faults)}")
    return result, absent


def _is_bare(names: Iterable[str], family: Family) -> bool:
    """Whether the trunk's names have no base before them, as the class without a head writes them."""
    bases = tuple(head.base for head in family.heads.values() if head.base)
    return not any(name.startswith((family.base, *bases)) for name in names)


def canonical(weights: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """`weights` under the names of the family's table: of the class, of a class with another base, or of the bare trunk."""
    bases = sorted({head.base for head in family.heads.values() if head.base})
    heads = {name for head in family.heads.values() for other in head.weights.values() for name in _each(other)}
    result: dict[str, Tensor] = {}
    bare = _is_bare(weights, family)
    for name, tensor in weights.items():
        name = _OLD_NORM.sub(lambda found: _OLD_NORMS[found[0]], name)
        if re.search(family.ignored, name):
            continue
        other = next((family.base + name.removeprefix(base) for base in bases if name.startswith(base)), name)
        of_head = name in heads or name in family.twins.values()
        other = family.base + other if bare and not of_head else other
        if not re.search(family.ignored, other):
            result[other] = tensor
    for name, twin in family.twins.items():
        spare = result.pop(twin, None)
        if spare is not None:
            result.setdefault(name, spare)
    return result


def written(name: str, names: Iterable[str], family: Family, kind: str, *, twin: bool = True) -> str:
    """How a file that holds `names` would call a tensor of the family's table, a missing one (`twin`) by its second name."""
    name = family.twins.get(name, name) if twin else name
    base = family.head(kind).base
    if base and any(other.startswith(base) for other in names):
        return re.sub(f"^{re.escape(family.base)}", base, name)
    return name.removeprefix(family.base) if _is_bare(names, family) else name


def file_names(ours: str, names: Iterable[str], family: Family, kind: str) -> list[str]:
    """How a file that holds `names` would call a tensor of ours; by its own name where no published class has it."""
    return [written(other, names, family, kind) for other in _theirs(ours, family, kind)] or [ours]


def known_names(family: Family, kinds: Iterable[str], layers: int) -> set[str]:
    """Every name that the trunk of so many layers and the heads of those kinds have."""
    maps = [family.weights, *(family.head(kind).weights for kind in kinds)]
    names = [name for table in maps for other in table.values() for name in _each(other)]
    return {name.replace("{i}", str(layer)) for name in names for layer in range(layers)}


def head_names(family: Family, kind: str, *, tied: bool) -> set[str]:
    """The names of a head's own tensors; of a matrix that is tied to the embedding there is none."""
    table = family.head(kind).weights
    return {
        name for ours, other in table.items() for name in _each(other) if not (tied and ours == "unembedding.weight")
    }


def _each(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
