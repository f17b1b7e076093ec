"""Early stopping: watch a score, keep the weights of the best look, stop after a while without a better one, restore.

What was seen is in files beside the checkpoints, so that a resumed run decides as if it had never stopped: looks at steps
that are trained again are seen again. A score that is not a number is never the best.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from trivium.base.errors import TrainingError
from trivium.base.files import read_json, write_atomic, write_json
from trivium.model.transformer import Transformer


class Best:
    """The best look so far; `patience` looks without a better one are enough."""

    def __init__(self, folder: Path, mode: Literal["max", "min"], patience: int) -> None:
        self.mode, self.patience = mode, patience
        self._weights, self._looks = folder / "best.safetensors", folder / "best.json"

    def looks(self) -> list[tuple[int, float | None]]:
        """(step, score) of every look, in order; None for a score that is not a number."""
        return [(step, value) for step, value in read_json(self._looks)] if self._looks.exists() else []

    def look(self, step: int, value: float, model: Transformer) -> bool:
        """Note the score after a step, keep the weights if it is the best one. Returns whether to stop."""
        seen = [*(look for look in self.looks() if look[0] < step), (step, value if math.isfinite(value) else None)]
        if self._best(seen) == step:
            weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
            write_atomic(self._weights, to_bytes(weights, metadata={"step": str(step)}))
        write_json(self._looks, seen)
        best = self._best(seen)
        return sum(at > (best or 0) for at, _ in seen) >= self.patience

    def restore(self, model: Transformer) -> int:
        """Load the weights of the best look. Returns its step. Raises TrainingError where no score was a number."""
        best = self._best(self.looks())
        if best is None:
            raise TrainingError(
                "no look gave a score that is a number, so there is no best one; lower the learning rate"
            )
        model.load_state_dict(load_file(self._weights))
        return best

    def _best(self, looks: list[tuple[int, float | None]]) -> int | None:
        """The step of the first look with the best score."""
        known = [(value if self.mode == "max" else -value, -step) for step, value in looks if value is not None]
        return -max(known)[1] if known else None
