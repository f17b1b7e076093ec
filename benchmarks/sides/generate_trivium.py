"""One side of generate.py: Trivium's engine; prints a line of JSON."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from trivium.base.device import choose_machine
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling
from trivium.model.folder import load


def main() -> None:
    """Answer all prompts a few times, and print the seconds of each time and what was said the last time."""
    parser = argparse.ArgumentParser()
    for name in ("rows", "new", "times", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--stops", type=int, default=0, help="tokens below this number end an answer")
    given = parser.parse_args()
    machine = choose_machine("cpu", given.threads, given.precision)
    prompts = json.loads(given.prompts.read_text())[: given.rows]
    requests = [Request(tuple(prompt)) for prompt in prompts]
    engine = Engine(load(given.model).eval(), range(given.stops), given.rows, machine.dtype)
    sampling = Sampling(given.new, 1.0 if given.stops else 0.0)
    seconds, counts = [], []
    for time_number in range(given.times):
        start = time.perf_counter()
        rows = [row for (row,) in engine.run(requests, sampling, given.seed + time_number)]
        seconds.append(time.perf_counter() - start)
        counts.append(sum(len(row.tokens) for row in rows))
    precision = str(machine.dtype).removeprefix("torch.")
    print(json.dumps({"seconds": seconds, "tokens": counts, "precision": precision, "said": [r.tokens for r in rows]}))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
