"""One side of the comparison with lm-evaluation-harness: the same tasks, the same weights, by its `--model hf` or by ours.

Prints one line of JSON: seconds of the evaluation (the model is loaded before the clock starts), scored items, and scores.
`hf` and `adapter` run the harness; `own` runs Trivium's scorer with its intervals and calibration. Bootstraps of the harness are
off, so that its time is its scoring.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def harness(given: argparse.Namespace) -> dict[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    if given.side == "hf":
        from lm_eval.models.huggingface import HFLM

        model = HFLM(pretrained=str(given.model), device="cpu", dtype="float32", batch_size=given.batch)
    else:
        from trivium.evaluate.harness import harness_model
        from trivium.evaluate.readers import load_reader

        model = harness_model(load_reader(given.model, "cpu", given.threads), document_start=False)
    manager = TaskManager(include_path=str(given.tasks), include_defaults=False)
    told: dict[str, Any] = {}
    started = time.perf_counter()
    for name, shots in json.loads(given.names).items():
        found = simple_evaluate(
            model, tasks=[name], num_fewshot=shots, task_manager=manager, bootstrap_iters=0, log_samples=False
        )
        assert found is not None
        told[name] = {key: found["results"][name][f"{key},none"] for key in ("acc", "acc_norm")}
    return {"seconds": time.perf_counter() - started, "scores": told}


def own(given: argparse.Namespace) -> dict[str, Any]:
    from trivium.data.tasks import read_file
    from trivium.evaluate.in_context import ask
    from trivium.evaluate.readers import CausalReader, Question, load_reader
    from trivium.generate.generator import Generator
    from trivium.task.asking import Asking
    from trivium.task.declaration import read_task

    class Bare(CausalReader):
        """Asks as the harness does: nothing before the text."""

        def prompt(self, question: Question) -> list[int]:
            return self.generator.tokenizer.encode(question.before)

    loaded = load_reader(given.model, "cpu", given.threads)
    assert isinstance(loaded, CausalReader) and isinstance(loaded.generator, Generator)
    reader = Bare(loaded.generator)
    told: dict[str, Any] = {}
    started = time.perf_counter()
    for name, shots in json.loads(given.names).items():
        task = read_task(given.tasks / f"{name}.task.yaml")
        test, train = (read_file(task, given.tasks / f"{name}.{split}.jsonl") for split in ("test", "pool"))
        asking = Asking(shots=(shots,), seeds=1, items=len(test))
        scores = ask(task, (), reader, train[:shots], test, asking).points[0].scores
        told[name] = {"acc": scores["sum"].value, "acc_norm": scores["per_character"].value}
    return {"seconds": time.perf_counter() - started, "scores": told}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", choices=("hf", "adapter", "own"), required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--tasks", type=Path, required=True, help="folder with NAME.yaml, NAME.task.yaml and NAME.*.jsonl"
    )
    parser.add_argument("--names", required=True, help="JSON: {task: examples}")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    print(json.dumps(own(given) if given.side == "own" else harness(given)))


if __name__ == "__main__":
    main()
