"""Decoding: new tokens a second beside `generate` of transformers, with the same weights, prompts and lengths, on the CPU.

    python benchmarks/generate.py [--rounds 3] [--threads 2] [--quick]

A model of 12M weights, Qwen3's shape, random; prompts of 32 tokens, 128 new ones, greedy; batches of 1, 16 and 64. The time
is that of the whole call, prompts included. Each side is a process of its own, reads the same folder, and answers a few
times; the first answer, which warms up, is left out, and the median counts. Rounds alternate the sides.

Ours decodes in the precision that `auto` chooses on this machine. The peer's `default` is what `from_pretrained` and `generate`
do with such a folder: float32, a cache that grows. Its `best`, of `..._vs_hf_best`, is the fastest of bfloat16 with that cache
and with a static one. `generate_ragged_vs_hf` samples 64 rows with a 64th of the tokens as stops, so answers have about 64
tokens, at most 128; tokens up to the stop count, and the peer goes on to the longest. In float32 both sides must say the same:
`generate_same_answers` is the share of greedy answers that are equal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from figures import Figure, finish
from measure import interleave, machine, tell, watch

SIDES = Path(__file__).resolve().parent / "sides"
PROMPT, NEW, VOCABULARY = 32, 128, 4096
BATCHES = {1: (2.0, 5.0), 16: (2.0, 6.0), 64: (3.0, 10.0)}  # rows: bar, aim
WIDEST = max(BATCHES)
BEST = {"bfloat16": ("--dtype", "bfloat16"), "bfloat16, static cache": ("--dtype", "bfloat16", "--cache", "static")}


@dataclass(frozen=True)
class Bench:
    """What all sides are given."""

    work: Path
    threads: int
    times: int

    def prepare(self) -> None:
        """Write the model's folder and the prompts."""
        from trivium.model.architecture import Architecture
        from trivium.model.folder import save
        from trivium.model.initialise import initialise
        from trivium.model.transformer import Transformer

        sizes = {"hidden_size": 384, "num_layers": 6, "num_heads": 6, "num_kv_heads": 6, "head_dim": 64}
        model = Transformer(
            Architecture(vocab_size=VOCABULARY, intermediate_size=1024, max_positions=512, **sizes)  # type: ignore[arg-type]
        )
        generator = torch.Generator().manual_seed(0)
        initialise(model, generator)
        for parameter in model.parameters():  # new models begin with outputs of zero, whose answers are all alike
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.03, generator=generator)
        save(model, self.work / "model", {"eos_token_id": 0, "pad_token_id": 0})
        prompts = torch.randint(0, VOCABULARY, (WIDEST, PROMPT), generator=generator).tolist()
        (self.work / "prompts.json").write_text(json.dumps(prompts))

    def side(self, script: str, rows: int, *more: str) -> Callable[[int], dict[str, Any]]:
        """Answering by one of the scripts: tokens a second, and what it said."""

        def run(seed: int) -> dict[str, Any]:
            numbers = {"rows": rows, "new": NEW, "times": self.times, "threads": self.threads, "seed": seed}
            words = [word for key, value in numbers.items() for word in (f"--{key}", str(value))]
            paths = ["--model", str(self.work / "model"), "--prompts", str(self.work / "prompts.json")]
            command = [sys.executable, str(SIDES / f"{script}.py"), *words, *paths, *more]
            environment = {"OMP_NUM_THREADS": str(self.threads), "HF_HUB_OFFLINE": "1"}
            log = Path(tempfile.mkdtemp(dir=self.work)) / "log"
            output = watch(command, log, environment=environment).output
            said: dict[str, Any] = json.loads([line for line in output.splitlines() if line.startswith("{")][-1])
            rates = [count / seconds for count, seconds in zip(said["tokens"], said["seconds"], strict=True)]
            return {**said, "speed": statistics.median(rates[1:] or rates)}

        return run


def speeds(results: Sequence[dict[str, Any]]) -> list[float]:
    """Tokens a second, round by round."""
    return [result["speed"] for result in results]


def compared(
    key: str, ours: list[float], peer: list[float], seeds: list[int], goal: tuple[float, float], note: str
) -> Figure:
    """The ratio of two sides, round by round; `goal` is bar and aim."""
    values = [mine / other for mine, other in zip(ours, peer, strict=True)]
    return Figure(key, values, seeds, "tokens/s", bar=goal[0], aim=goal[1], ours=ours, peer=peer, note=note)


def measured(bench: Bench, rows: int, seeds: list[int]) -> list[Figure]:
    """The figures of one batch size."""
    sides = {
        "Trivium": bench.side("generate_trivium", rows),
        "transformers": bench.side("generate_transformers", rows),
        **{f"transformers, {name}": bench.side("generate_transformers", rows, *more) for name, more in BEST.items()},
    }
    found = interleave(sides, seeds)
    for name, results in found.items():
        tell(f"{rows} rows, {name}: {statistics.median(speeds(results)):,.0f} tokens/s")
    ours, key = speeds(found["Trivium"]), f"generate_b{rows}_vs_hf"
    best = max(BEST, key=lambda name: statistics.median(speeds(found[f"transformers, {name}"])))
    precision = found["Trivium"][0]["precision"]
    return [
        compared(key, ours, speeds(found["transformers"]), seeds, BATCHES[rows], f"ours in {precision}, float32 there"),
        compared(f"{key}_best", ours, speeds(found[f"transformers, {best}"]), seeds, BATCHES[rows], f"{best} there"),
    ]


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Decoding speed beside generate of transformers.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round, each side answers twice")
    given = parser.parse_args()
    seeds = list(range(1 if given.quick else given.rounds))
    where = machine(given.threads)
    with tempfile.TemporaryDirectory(prefix="trivium-generate-") as folder:
        bench = Bench(Path(folder), given.threads, 2 if given.quick else 4)
        bench.prepare()
        figures = [figure for rows in BATCHES for figure in measured(bench, rows, seeds)]
        stops = ("--stops", str(VOCABULARY // 64))
        ragged = interleave(
            {
                "Trivium": bench.side("generate_trivium", WIDEST, *stops),
                "transformers": bench.side("generate_transformers", WIDEST, *stops),
            },
            seeds,
        )
        note = "64 rows that stop at about 64 tokens, sampled"
        pair = speeds(ragged["Trivium"]), speeds(ragged["transformers"])
        figures.append(compared("generate_ragged_vs_hf", *pair, seeds, (3.0, 10.0), note))
        mine = bench.side("generate_trivium", 16, "--precision", "float32")(0)["said"]
        theirs = bench.side("generate_transformers", 16)(0)["said"]
        equal = sum(one == other for one, other in zip(mine, theirs, strict=True)) / len(mine)
        figures.append(Figure("generate_same_answers", [equal], [0], bar=1.0, note="float32, greedy, 16 of 128 tokens"))
    finish("generate", figures, where, quick=given.quick)


if __name__ == "__main__":
    main()
