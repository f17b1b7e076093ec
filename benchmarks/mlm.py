"""Masked models: speed against the Hugging Face Trainer, and what is learned of film reviews and of the little world.

    python benchmarks/mlm.py --reviews movie_reviews.zip [--only speed reviews world] [--seeds 0 1 2] [--threads 2]
        [--work DIR] [--quick]

`mlm_vs_hf` is samples a second against the Trainer with `BertForMaskedLM`, on the CPU, in turn. Both sides train a BERT of the
same sizes on the same rows: the reviews' sentences (one a line), at their own lengths, framed by the same tokenizer, 15% of
the tokens hidden, AdamW, no dropout, evaluation or checkpoints. The first steps are left out; then samples over seconds. The
Trainer's `default` is float32 and rows as they come; its `best`, of `mlm_vs_hf_best`, is bfloat16 autocast and rows grouped by
length.

`movie_masked_accuracy` is the share of hidden tokens that are found in reviews held out (a tenth of the documents, 15% of
their tokens hidden), after `MINUTES` CPU minutes of training (processor seconds of all threads, evaluation left out), vocabulary
4,096.
`nsp_accuracy` is that of telling the next text from another in held-out pairs of the built-in world, by a BERT-shaped model
(it is told which of the two texts a token is of), beside the share of the commoner answer.

With `--work` the runs stay in DIR, and what is finished there is not done again: an interrupted measurement goes on, and a seed
can be added.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from figures import Figure, finish
from measure import TRIVIUM, figures_of_stage, interleave, machine, offline, tell, watch, work_folder

SIDES = Path(__file__).resolve().parent / "sides"
SIZES = {"width": 256, "layers": 4, "heads": 8, "length": 128, "rows": 32}
LEFT_OUT = 5
STEPS, QUICK_STEPS = 65, 15
MINUTES, QUICK_MINUTES = 10.0, 0.4
TRIAL_STEPS = 40
PARTS = ("speed", "reviews", "world")
REVIEWS: dict[str, dict[str, Any]] = {
    "tokenize": {"vocab_size": 4096, "masked_tokens": True},
    "pretrain": {
        "objective": "masked",
        "masking": {"rate": 0.3},
        "batch_size": 32,
        "length": 128,
        "model": {"hidden_size": 160, "num_layers": 3, "num_heads": 5, "num_kv_heads": 5, "intermediate_size": 448},
        "optimizer": {"adam_learning_rate": 0.006, "momentum": 0.95, "beta2": 0.95},
        "evaluate_every": 1_000_000,
    },
}
WORLD: dict[str, dict[str, Any]] = {
    "gather": {"sources": [{"kind": "world", "tokens": 2_000_000}], "valid_share": 0.03},
    "tokenize": {"masked_tokens": True},
    "pretrain": {
        "objective": "masked",
        "pairs": "nsp",
        "masking": {"rate": 0.2},
        "steps": 4000,
        "batch_size": 64,
        "length": 64,
        "model": {"family": "bert"},
        "optimizer": {"adam_learning_rate": 0.008, "momentum": 0.9, "beta2": 0.95},
        "evaluate_every": 400,
        "evaluate_rows": 512,
    },
}


@dataclass(frozen=True)
class Bench:
    """What all sides are given."""

    reviews: Path
    work: Path
    threads: int
    quick: bool

    @property
    def environment(self) -> dict[str, str]:
        return offline(self.threads)

    @property
    def documents(self) -> Path:
        """The reviews, one JSON object a line."""
        return self.work / "reviews.jsonl"

    def texts(self) -> list[str]:
        """The reviews, which are also left in `documents`."""
        with zipfile.ZipFile(self.reviews) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".txt"))
            texts = [archive.read(name).decode("utf-8", errors="replace") for name in names]
        with open(self.documents, "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        return texts

    def prepare(self, texts: Sequence[str]) -> None:
        """Write the reviews' sentences as a marked shard and as framed rows, with one tokenizer: the sides' data."""
        import numpy

        from trivium.data.sentences import marks_of
        from trivium.data.shards import write_shard
        from trivium.tokenizer import train

        data = self.work / "data"
        tokenizer = train(texts, 8192, masked=True)
        tokenizer.save(data, SIZES["length"], types=True)
        sentences = [line.strip() for text in texts[: 200 if self.quick else None] for line in text.splitlines()]
        room = SIZES["length"] - tokenizer.added(pair=False)
        rows = []
        facts = (tokenizer.sha256, tokenizer.vocab_size, tokenizer.end_of_text, True)
        with write_shard(data / "shard", *facts) as writer:
            for sentence in sentences:
                spans = tokenizer.encode_spans(sentence)
                if spans.ids:
                    ids = numpy.array(spans.ids[:room], numpy.uint32)
                    writer.add(ids, len(sentence.encode()), marks_of(sentence, spans)[:room])
                    rows.append(numpy.array(tokenizer.frame(ids.tolist()).ids, numpy.uint16))
        ends = numpy.cumsum([len(row) for row in rows])
        numpy.savez(data / "rows.npz", tokens=numpy.concatenate(rows), ends=ends)

    def speed(self, script: str, *more: str) -> Callable[[int], float]:
        """Samples a second of one side."""

        def run(seed: int) -> float:
            folder = Path(tempfile.mkdtemp(dir=self.work))
            numbers = SIZES | {"steps": QUICK_STEPS if self.quick else STEPS, "threads": self.threads, "seed": seed}
            words = [word for key, value in numbers.items() for word in (f"--{key}", str(value))]
            paths = ["--data", str(self.work / "data"), "--work", str(folder / "out")]
            command = [sys.executable, str(SIDES / f"{script}.py"), *words, *paths, *more]
            output = watch(command, folder / "log", environment=self.environment).output
            said = json.loads([line for line in output.splitlines() if line.startswith("{")][-1])
            seconds = said["seconds"][LEFT_OUT - 1 :]
            return float(SIZES["rows"] * len(seconds) / sum(seconds))

        return run

    def recipe(self, name: str, recipe: dict[str, Any]) -> dict[str, Any]:
        """Run a recipe up to its pre-training and give the figures of that."""
        path = self.work / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"name": name, "threads": self.threads, **recipe}), encoding="utf-8")
        command = [*TRIVIUM, "run", str(path), "--until", "pretrain", "--runs", str(self.work / "runs")]
        watch(command, self.work / f"{name}.log", environment=self.environment)
        return figures_of_stage(self.work / "runs" / name, "pretrain")

    def found(self, seed: int) -> dict[str, float]:
        """Figures of the reviews' model after its minutes: as many steps as a short trial says that they hold."""
        gather = {"sources": [{"kind": "files", "path": str(self.documents), "split": "documents"}], "valid_share": 0.1}
        trial = {**REVIEWS["pretrain"], "steps": TRIAL_STEPS, "evaluate_rows": 8}
        plain = {"seed": seed, "gather": gather, "tokenize": REVIEWS["tokenize"]}
        took = self.recipe(f"trial-{seed}", {**plain, "pretrain": trial})["cpu_seconds"]
        budget = 60 * (QUICK_MINUTES if self.quick else MINUTES)
        steps = max(1, int(budget / (took / TRIAL_STEPS)))
        tell(f"reviews, seed {seed}: {steps:,} steps in {budget / 60:g} CPU minutes")
        return self.recipe(f"reviews-{seed}", {**plain, "pretrain": {**REVIEWS["pretrain"], "steps": steps}})

    def told(self, seed: int) -> dict[str, float]:
        """Figures of the world's model."""
        steps = 40 if self.quick else WORLD["pretrain"]["steps"]
        return self.recipe(f"world-{seed}", {"seed": seed, **WORLD, "pretrain": {**WORLD["pretrain"], "steps": steps}})


def speed_figures(speeds: dict[str, list[float]], seeds: Sequence[int]) -> list[Figure]:
    """The speed against both of the peer's settings."""
    for name, rates in speeds.items():
        tell(f"{name}: {statistics.median(rates):.1f} samples/s")

    def ratio(key: str, peer: str, bar: float | None, aim: float | None, note: str) -> Figure:
        values = [mine / other for mine, other in zip(speeds["Trivium"], speeds[peer], strict=True)]
        own, theirs = speeds["Trivium"], speeds[peer]
        return Figure(key, values, seeds, "samples/s", bar=bar, aim=aim, ours=own, peer=theirs, note=note)

    return [
        ratio("mlm_vs_hf", "Trainer default", 2.5, 7, "the Trainer as it comes: float32, rows as they come"),
        ratio("mlm_vs_hf_best", "Trainer best", None, None, "the Trainer with bf16=True and rows grouped by length"),
    ]


def review_figure(reviews: Sequence[dict[str, float]], seeds: Sequence[int]) -> Figure:
    """What was learned of the reviews."""
    unigram = statistics.median(row["unigram_loss"] for row in reviews)
    loss = statistics.median(row["valid_loss"] for row in reviews)
    cpu = statistics.median(row["cpu_seconds"] for row in reviews)
    note = f"{cpu:.0f} CPU seconds of training; loss {loss:.2f} nats, of frequencies alone {unigram:.2f}"
    found = [row["masked_accuracy"] for row in reviews]
    return Figure("movie_masked_accuracy", found, seeds, bar=0.36, aim=0.40, note=note)


def world_figure(world: Sequence[dict[str, float]], seeds: Sequence[int]) -> Figure:
    """What was learned of the world's pairs."""
    majority = statistics.median(row["pair_majority"] for row in world)
    cpu = statistics.median(row["cpu_seconds"] for row in world)
    note = f"the commoner answer is {majority:.1%} of the held-out pairs; {cpu:.0f} CPU seconds of training"
    return Figure("nsp_accuracy", [row["pair_accuracy"] for row in world], seeds, bar=0.90, aim=0.97, note=note)


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Masked models: speed and what they learn.")
    parser.add_argument("--reviews", type=Path, required=True, metavar="FILE", help="movie_reviews.zip of nltk_data")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the runs there, and reuse what is finished")
    parser.add_argument("--quick", action="store_true", help="one seed, few steps")
    given = parser.parse_args()
    if not given.reviews.is_file():
        sys.exit(f"{given.reviews}: there is no such file; give --reviews the movie_reviews.zip of nltk_data")
    seeds = given.seeds[:1] if given.quick else given.seeds
    where = machine(given.threads)
    with work_folder(given.work, "trivium-mlm-") as folder:
        bench = Bench(given.reviews.resolve(), folder, given.threads, given.quick)
        texts = bench.texts()
        figures: list[Figure] = []
        if "speed" in given.only:
            bench.prepare(texts)
            sides = {
                "Trivium": bench.speed("mlm_trivium"),
                "Trainer default": bench.speed("mlm_transformers"),
                "Trainer best": bench.speed("mlm_transformers", "--best"),
            }
            figures += speed_figures(interleave(sides, seeds), seeds)
        if "reviews" in given.only:
            figures.append(review_figure(interleave({"reviews": bench.found}, seeds)["reviews"], seeds))
        if "world" in given.only:
            figures.append(world_figure(interleave({"world": bench.told}, seeds)["world"], seeds))
    finish("mlm", figures, where, quick=given.quick)


if __name__ == "__main__":
    main()
