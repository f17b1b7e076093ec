"""`python -m tests.failing_rank STATE ARGUMENTS`: the command line, in which the last rank fails in the tenth step of
pretrain, once the files of the checkpoint after the sixth are in the folder STATE."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trivium.stages.pretrain as pretrain
from trivium.apps.cli import main

LAST = int(os.environ["WORLD_SIZE"]) - 1
sound = pretrain.batches_of


def failing(*given: Any) -> Callable[[int], Any]:
    batches = sound(*given)

    def batches_until(step: int) -> Any:
        while step == 8 and len(list(Path(sys.argv[1]).glob("step-00000006*.safetensors"))) <= LAST:
            time.sleep(0.1)  # the ninth step makes the checkpoint count
        if step == 9 and os.environ["RANK"] == str(LAST):
            raise ZeroDivisionError("a fault of this rank alone")
        return batches(step)

    return batches_until


if __name__ == "__main__":
    pretrain.batches_of = failing
    main(sys.argv[2:])
