"""What a stage asks before it learns from a reward model: has it passed the gate that its own stage measured?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trivium.base.errors import TrainingError
from trivium.base.files import read_json
from trivium.base.progress import Context, Progress

FILE = "gate.json"


class GateError(TrainingError):
    """A reward model that is not to be learned from."""

    exit_code = 2


def faults_of(folder: Path) -> list[str]:
    """The sentences of the checks that the reward model in `folder` failed."""
    gate: dict[str, Any] = read_json(folder / FILE)
    return [check["told"] for check in gate["checks"] if check["passed"] is False]


def pass_gate(context: Context, accept: bool) -> None:
    """Raises GateError, with all reasons, where the reward model failed a check and that was not accepted; where it was, a
    note says so."""
    faults = faults_of(context.inputs["reward"])
    if not faults:
        return
    reasons = "".join(f"\n  - {fault}" for fault in faults)
    if not accept:
        raise GateError(
            f"the reward model did not pass its gate, so nothing is learned from it:{reasons}\n"
            f"Mend that, or go on all the same with `trivium run RECIPE --accept` ({context.folder.name}: {{accept: true}})"
        )
    note = f"the reward model did not pass its gate, which was accepted:{reasons}"
    context.report(Progress(context.folder.name, 0, 0, note=note))
