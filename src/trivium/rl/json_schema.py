"""JSON Schema, by the library jsonschema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trivium.base.errors import MissingExtra, RecipeError
from trivium.base.files import read_json


class SchemaCheck:
    """Whether a value is what a schema allows."""

    def __init__(self, allowed: dict[str, Any] | Path) -> None:
        """Raises RecipeError where the schema is none, MissingExtra without the library."""
        try:
            import jsonschema
        except ImportError:
            raise MissingExtra("jsonschema", "rewards", "a reward of the kind json") from None
        schema = read_json(allowed) if isinstance(allowed, Path) else allowed
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        try:
            kind.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise RecipeError(f"the reward's JSON Schema is none: {error.message}; mend it") from None
        self._validator = kind(schema)

    def __call__(self, value: Any) -> bool:
        return bool(self._validator.is_valid(value))
