"""One side of mlm.py: Trivium's `fit` with a BERT-shaped masked model on a marked shard; prints a line of JSON."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import torch

from trivium.base.device import choose_machine
from trivium.base.progress import Context
from trivium.data.masked import MaskedBatches, MaskedRows
from trivium.data.masking_settings import MaskSettings
from trivium.data.shards import Shard
from trivium.model.families import family_named, new_shape
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.tokenizer import Tokenizer
from trivium.train.fit import Job, fit
from trivium.train.masked import hidden_tokens, masked_loss

NEVER = 1e9  # seconds: no side saves anything while it is timed


def main() -> None:
    """Train, and print the seconds of every step."""
    parser = argparse.ArgumentParser()
    for name in ("width", "layers", "heads", "length", "rows", "steps", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="a folder with the shard and the tokenizer")
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    machine = choose_machine("cpu", given.threads, "auto")
    tokenizer = Tokenizer.load(given.data)
    sizes = {
        "vocab_size": tokenizer.vocab_size,
        "hidden_size": given.width,
        "num_layers": given.layers,
        "num_heads": given.heads,
        "num_kv_heads": given.heads,
        "head_dim": given.width // given.heads,
        "intermediate_size": 4 * given.width,
        "max_positions": given.length,
    }
    model = Transformer(new_shape("bert", sizes), family_named("bert").head_shape("masked"))
    initialise(model, torch.Generator().manual_seed(given.seed))
    shard = Shard(given.data / "shard", tokenizer.sha256)
    rows = MaskedRows(shard, tokenizer, MaskSettings(rate=0.15), "none", given.length, given.seed)
    job = Job(
        steps=given.steps,
        batches=MaskedBatches(rows, given.rows).batches,
        optimizer=OptimizerSettings(name="adamw", adam_learning_rate=1e-3, beta2=0.999),
        schedule=ScheduleSettings(warmup=0, decay_share=0.0),
        machine=machine,
        objective=masked_loss,
        count=hidden_tokens,
        checkpoint_seconds=NEVER,
    )
    done = list(fit(model, job, Context(given.work, {})))
    result = {
        "seconds": [late.seconds - early.seconds for early, late in itertools.pairwise(done)],
        "loss": done[-1].loss,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
