"""YAML as people write recipes: numbers are numbers, and a key that is given twice is an error.

PyYAML reads YAML 1.1, where `2e-3` is text, `no` is false, `1:30` is ninety and a second `steps:` silently wins.
`parse` reads the rules of YAML 1.2's core schema (and `5_000_000`), safely: no tag builds an object. It also tells
the line of every key, so that a fault can name it. It knows nothing of settings.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import yaml

Location: TypeAlias = tuple[str | int, ...]

_RULES = {
    "null": (r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    "int": (r"^[-+]?[0-9][0-9_]*$", "-+0123456789"),
    "float": (
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        "-+.0123456789",
    ),
}


class _Loader(yaml.SafeLoader):
    """SafeLoader with the rules above."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML looks it up so

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"'{key.value}' is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        return int(str(node.value).replace("_", ""))


for _name, (_pattern, _first) in _RULES.items():
    for _character in _first:
        _rule = (f"tag:yaml.org,2002:{_name}", re.compile(_pattern))
        _Loader.yaml_implicit_resolvers.setdefault(_character.replace("\0", ""), []).append(_rule)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole_number)


def parse(text: str) -> tuple[Any, dict[Location, int]]:
    """The content of `text`, and the line (from 1) of every key and list item. Raises yaml.YAMLError."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Location, int] = {}
        if node is None:
            return None, lines
        content = loader.construct_document(node)
        _note_lines(node, (), lines)
        return content, lines
    finally:
        loader.dispose()


def _note_lines(node: yaml.Node, location: Location, lines: dict[Location, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[(*location, key.value)] = key.start_mark.line + 1
            _note_lines(value, (*location, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*location, number)] = value.start_mark.line + 1
            _note_lines(value, (*location, number), lines)
