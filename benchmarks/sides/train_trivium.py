"""One side of train_throughput.py: Trivium's own `fit` on a stream of token ids; prints a line of JSON."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy
import torch

from trivium.base.device import choose_machine, measure_gemm
from trivium.base.progress import Context
from trivium.base.words import Batch
from trivium.model.architecture import Architecture
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.train.fit import Job, fit

# GPT-2's parts as nanoGPT's own settings for characters have them: no biases, and GELU by the error function
NANOGPT: dict[str, Any] = {
    "positions": "learned",
    "norm": "layer",
    "norm_epsilon": 1e-5,
    "query_key_norm": False,
    "mlp": "gelu",
    "family": "gpt2",
}
NEVER = 1e9  # seconds: no side saves anything while it is timed


def main() -> None:
    """Train, and print the seconds of every step and what the machine's matrix product reaches."""
    parser = argparse.ArgumentParser()
    for name in ("vocab", "width", "layers", "heads", "length", "rows", "steps", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--form", choices=("nanogpt", "qwen3"), default="qwen3", help="what the model is made of")
    parser.add_argument("--micro-rows", type=int, default=0, help="rows of a micro-batch; 0 for all of a step")
    parser.add_argument("--tokens", type=Path, required=True, help="token ids, 16 bits each")
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    given = parser.parse_args()
    machine = choose_machine("cpu", given.threads, "auto")
    sizes = {
        "vocab_size": given.vocab,
        "hidden_size": given.width,
        "num_layers": given.layers,
        "num_heads": given.heads,
        "num_kv_heads": given.heads,
        "head_dim": given.width // given.heads,
        "max_positions": given.length,
    }
    if given.form == "nanogpt":
        shape = Architecture(**sizes, **NANOGPT, intermediate_size=4 * given.width)
    else:  # three matrices of 8/3 have the weights of two of 4
        shape = Architecture(**sizes, intermediate_size=given.width * 8 // 3)
    model = Transformer(shape)
    initialise(model, torch.Generator().manual_seed(given.seed))
    stream = numpy.memmap(given.tokens, numpy.uint16, "r")
    micro = given.micro_rows or given.rows
    weights = torch.ones(micro, given.length)

    def batches(step: int) -> list[Batch]:
        starts = numpy.random.default_rng((given.seed, step)).integers(0, len(stream) - given.length - 1, given.rows)
        rows = torch.from_numpy(stream[starts[:, None] + numpy.arange(given.length + 1)].astype(numpy.int64))
        cuts = torch.split(rows, micro)
        return [Batch(cut[:, :-1].contiguous(), cut[:, 1:].contiguous(), weights[: len(cut)]) for cut in cuts]

    job = Job(
        steps=given.steps,
        batches=batches,
        optimizer=OptimizerSettings(name="adamw", adam_learning_rate=1e-3, weight_decay=0.1, beta2=0.99),
        schedule=ScheduleSettings(warmup=0, decay_share=0.0),
        machine=machine,
        checkpoint_seconds=NEVER,
    )
    rows = list(fit(model, job, Context(given.work, {})))
    seconds = [row.seconds for row in rows]
    result = {
        "seconds": [late - early for early, late in itertools.pairwise(seconds)],
        "loss": rows[-1].loss,
        "flops_per_token": shape.flops_per_token(given.length),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "peak_gflops": measure_gemm(torch.bfloat16, size=1024, seconds=0.5),
        "precision": str(machine.dtype).removeprefix("torch."),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
