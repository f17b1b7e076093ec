"""Fine-tuning on tasks: speed beside Hugging Face's Trainer, scores beside classical methods, and what pre-training gives.

    python benchmarks/tasks.py --data DIR [--only world movie tags gain banking speed] [--seeds 0 1 2] [--folds 10] [--threads 2]
        [--work DIR] [--quick]

DIR holds movie_reviews/movie_reviews.zip, wnut17/ and banking77/ as their publishers give them; `world` and `speed` need only
banking77 or nothing. Every score is that of test items, measured once, at the end, by the run itself; what was tuned was
tuned on validation parts. Every model is pre-trained by the run, from text alone, and no test text is in it but for the movie
reviews, whose ten folds share one pre-training on the unlabelled text of all.

- world: recipes/bert-demo.yaml as it is, but for its learning curve.
- movie: reviews are read whole, in windows; ten folds by the publisher's numbering (cv000 to cv099 is the first); the figure is
  the mean accuracy less that of TF-IDF with logistic regression on the same folds, in points. How long to pre-train and what
  the head reads were chosen at another seed, on seven of these folds (docs/decisions.md): no reviews were left to choose by.
- tags: WNUT-17, span F1 after all of the training part.
- gain: what pre-training gives a tagger of the built-in world's entities: span F1 from pre-trained less that from random weights
  on 300 labelled sentences, `--draws` draws of them, in points, each side at the better of two learning rates; without
  letters, by which names are known with little of either.
- banking: Banking77, masked on the training questions, then fine-tuned.
- speed: items a second of one training step of classification, ours over Trainer's with BertForSequenceClassification, same
  sizes and items, in turn; Trainer pads each batch to its longest row, as its documentation does.

With `--work` the runs stay in that folder, and what is finished there is not done again: an interrupted measurement goes on, and
a seed can be added. CPU seconds are those of training, of all threads together, looks and measuring left out.
`--quick` takes one seed and few steps: it shows that everything runs, its figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from figures import Figure, finish
from measure import ROOT, cpu_seconds, machine, run_command, tell, watch, work_folder

FOLDS = 10
LABELLED = 300
PARTS = ("world", "movie", "tags", "gain", "banking", "speed")
SPEED_ROWS, SPEED_STEPS = 32, 60
SIZES = {"hidden_size": 128, "num_layers": 4, "num_heads": 4, "intermediate_size": 512}


@dataclass(frozen=True)
class Bench:
    """Where the data is, where to work, and how much of it."""

    data: Path
    work: Path
    threads: int
    draws: int
    folds: int
    quick: bool

    def run(self, name: str, content: Mapping[str, Any] | Path, seed: int, *overrides: str) -> Path:
        """Take a recipe through its stages in a process of its own. Returns the run's folder."""
        recipe = content if isinstance(content, Path) else self.work / f"{name}.yaml"
        if not isinstance(content, Path):
            recipe.write_text(json.dumps(content), encoding="utf-8")
        settings = [f"seed={seed}", f"threads={self.threads}", *overrides]
        watch(run_command(recipe, self.work, f"{name}-{seed}", settings), self.work / f"{name}-{seed}.log")
        return self.work / f"{name}-{seed}"


def scores_of(run: Path, stage: str) -> dict[str, Any]:
    """What a fine-tuning left of itself."""
    content: dict[str, Any] = json.loads((run / stage / "scores.json").read_text(encoding="utf-8"))
    return content


def main_of(content: Mapping[str, Any], model: str = "model") -> float:
    """The main score of the model, or of a baseline."""
    return float(content["scores"][model][content["main"]]["value"])


def tune(task: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A section of a recipe that fine-tunes on a task, by Muon."""
    rates = {"name": "muon", "learning_rate": 0.01, "adam_learning_rate": 0.003, "momentum": 0.9, "beta2": 0.95}
    return {"task": dict(task), "schedule": {"warmup": 40, "decay_share": 0.9}, "optimizer": rates, **more}


def encoder(steps: int, length: int, rows: int, max_positions: int, **more: int) -> dict[str, Any]:
    """The pre-training of a small encoder, of two layers and `more` sizes of its own, on masked text."""
    sizes = {**SIZES, "num_layers": 2, **more}
    sizes["num_kv_heads"] = sizes["num_heads"]
    return {
        "objective": "masked",
        "model": {**sizes, "head_dim": 32, "max_positions": max_positions},
        "optimizer": {"adam_learning_rate": 0.008, "momentum": 0.9, "beta2": 0.95},
        "steps": steps,
        "length": length,
        "batch_size": rows,
    }


def world(bench: Bench, seeds: Sequence[int]) -> list[Figure]:
    """The three tasks of the built-in world."""
    short = ("pretrain.steps=20", *(f"finetune-{name}.epochs=0.1" for name in ("sentiment", "entities", "questions")))
    changes = ("finetune-sentiment.curve=null", *(short if bench.quick else ()))
    runs = [bench.run("world", ROOT / "recipes" / "bert-demo.yaml", seed, *changes) for seed in seeds]
    bars = {"sentiment": ("world_sentiment", 0.97, 0.99), "entities": ("world_ner_f1", 0.95, 0.99)}
    bars["questions"] = ("world_qa_em", 0.90, 0.97)
    figures = []
    for task, (key, bar, aim) in bars.items():
        found = [scores_of(run, f"finetune-{task}") for run in runs]
        spent = cpu_told(runs, "pretrain", f"finetune-{task}")
        note = f"{found[0]['main']} on held-out entities; best baseline {best_baseline(found):.3f}; {spent}"
        figures.append(Figure(key, [main_of(one) for one in found], seeds, bar=bar, aim=aim, note=note))
    return figures


def cpu_told(runs: Sequence[Path], *stages: str) -> str:
    """The CPU seconds of these stages, the median over the runs, in words."""
    return f"{statistics.median(cpu_seconds(run, *stages) for run in runs):.0f} CPU seconds of training"


def best_baseline(found: Sequence[Mapping[str, Any]]) -> float:
    """The median over runs of the best baseline's main score."""
    return statistics.median(max(main_of(one, name) for name in one["scores"] if name != "model") for one in found)


def movie(bench: Bench, seeds: Sequence[int]) -> list[Figure]:
    """Sentiment of whole reviews, ten folds."""
    folder = bench.work / "movie"
    with zipfile.ZipFile(bench.data / "movie_reviews" / "movie_reviews.zip") as archive:
        archive.extractall(folder)
    reviews = [
        (path.read_text(encoding="utf-8"), path.parent.name, int(path.name[2:5]) // 100)
        for path in sorted(folder.rglob("cv*.txt"))
    ]
    folds = range(2 if bench.quick else bench.folds)
    recipe: dict[str, Any] = {
        "gather": {"sources": [{"kind": "files", "path": str(folder / "movie_reviews"), "license": "CC-BY-4.0"}]},
        "tokenize": {"vocab_size": 8192, "masked_tokens": True},
        "pretrain": encoder(
            20 if bench.quick else 4500, 256, 24, 256, hidden_size=64, num_heads=2, intermediate_size=256
        ),
    }
    for fold in folds:
        parts = {
            "train": [row for row in reviews if row[2] != fold],
            "test": [row for row in reviews if row[2] == fold],
        }
        for name, rows in parts.items():
            lines = (json.dumps({"text": text, "label": label}) for text, label, _ in rows)
            (bench.work / f"movie-{name}-{fold}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        data = {name: str(bench.work / f"movie-{name}-{fold}.jsonl") for name in parts} | {"valid_share": 0.02}
        more = {"epochs": 0.05, "least_steps": 2} if bench.quick else {"epochs": 3}
        task = {"kind": "classify", "data": data, "views": {"head": {"windows": True}}}
        recipe[f"finetune-fold{fold}"] = tune(task, **more)
    gaps, own = [], []
    runs = [bench.run("movie", recipe, seed) for seed in seeds]
    for run in runs:
        found = [scores_of(run, f"finetune-fold{fold}") for fold in folds]
        own.append(statistics.mean(main_of(one) for one in found))
        gaps.append(100 * statistics.mean(main_of(one) - main_of(one, "tfidf_logistic_regression") for one in found))
    spent = cpu_told(runs, "pretrain", *(f"finetune-fold{fold}" for fold in folds))
    note = f"mean of {len(folds)} of {FOLDS} folds; ours {statistics.median(own):.4f}; {spent}"
    return [Figure("movie_sentiment_minus_tfidf", gaps, seeds, "points", bar=-3, aim=0, note=note)]


def tags(bench: Bench, seeds: Sequence[int]) -> list[Figure]:
    """Names of WNUT-17."""
    source = bench.data / "wnut17"
    text = bench.work / "wnut-text"
    text.mkdir(exist_ok=True)
    sentences = [
        [line.split("\t")[0] for line in block.splitlines()]
        for block in (source / "wnut17train.conll").read_text(encoding="utf-8").split("\n\n")
        if block.strip()
    ]
    (text / "wnut.jsonl").write_text(
        "".join(json.dumps({"text": " ".join(words)}) + "\n" for words in sentences), encoding="utf-8"
    )
    files = {"train": "wnut17train.conll", "valid": "emerging.dev.conll", "test": "emerging.test.annotated"}
    task = {
        "kind": "tag",
        "data": {name: str(source / file) for name, file in files.items()} | {"format": "conll"},
        "views": {"head": {"spelling": True}},
    }
    more = {"epochs": 0.1, "least_steps": 2} if bench.quick else {"epochs": 6}
    recipe: dict[str, Any] = {
        "gather": {"sources": [{"kind": "files", "path": str(text), "license": "CC-BY-4.0"}]},
        "tokenize": {"vocab_size": 4096, "masked_tokens": True},
        "pretrain": encoder(20 if bench.quick else 400, 64, 64, 128),
        "finetune-wnut": tune(task, **more),
    }
    runs = [bench.run("tags", recipe, seed) for seed in seeds]
    found = [scores_of(run, "finetune-wnut") for run in runs]
    note = f"best baseline {best_baseline(found):.3f}; {cpu_told(runs, 'pretrain', 'finetune-wnut')}"
    return [Figure("wnut17_f1", [main_of(one) for one in found], seeds, bar=0.15, aim=0.25, note=note)]


def gain(bench: Bench, seeds: Sequence[int]) -> list[Figure]:
    """What pre-training gives a tagger of 300 sentences of the built-in world's news, by the `transfer` stage, over draws of
    them: one model is pre-trained, at seed 0 whatever the `seeds`."""
    demo = yaml.safe_load((ROOT / "recipes" / "bert-demo.yaml").read_text(encoding="utf-8"))
    recipe = {name: demo[name] for name in ("gather", "tokenize", "pretrain")}
    recipe["gather"]["sources"][0]["tokens"] = 600_000
    recipe["pretrain"] |= encoder(20 if bench.quick else 300, 96, 32, 128)
    draws = 2 if bench.quick else bench.draws
    recipe["transfer"] = {
        "task": {"data": {"kind": "world", "task": "entities", "train": 2000}},
        "arms": ["scratch", "full"],
        "budgets": [LABELLED],
        "whole": False,
        "seeds": draws,
        "items": 50 if bench.quick else 500,
        "rates": [] if bench.quick else [0.001, 0.003],
        **({"epochs": 0.1, "least_steps": 2} if bench.quick else {"epochs": 12}),
    }
    run = bench.run("gain", recipe, 0)
    told = json.loads((run / "transfer" / "transfer.json").read_text(encoding="utf-8"))
    points = {(row["arm"], row["seed"]): 100 * row["value"] for row in told["rows"] if row["labels"] == LABELLED}
    found = [points["full", draw] - points["scratch", draw] for draw in range(draws)]
    (interval,) = told["gains"]
    note = (
        f"the world's entities, without letters, {LABELLED} sentences; mean {100 * interval['value']:.1f}, 95% interval "
        f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"
    )
    return [Figure("tag_transfer_gain", found, range(draws), "points of F1", bar=8, aim=15, note=note)]


def banking(bench: Bench, seeds: Sequence[int]) -> list[Figure]:
    """Banking77: 77 intents of short questions."""
    source = bench.data / "banking77"
    data = {"train": str(source / "train.csv"), "test": str(source / "test.csv"), "valid_share": 0.02}
    task = {"kind": "classify", "data": data, "columns": {"label": "category"}}
    text = bench.work / "banking-text"
    text.mkdir(exist_ok=True)
    import csv

    with open(source / "train.csv", encoding="utf-8", newline="") as file:
        rows = [json.dumps({"text": row["text"]}) for row in csv.DictReader(file)]
    (text / "banking.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    more = {"epochs": 0.1, "least_steps": 2} if bench.quick else {"epochs": 6, "batch_size": 64}
    recipe: dict[str, Any] = {
        "gather": {"sources": [{"kind": "files", "path": str(text), "license": "CC-BY-4.0"}]},
        "tokenize": {"vocab_size": 2048, "masked_tokens": True},
        "pretrain": encoder(20 if bench.quick else 600, 64, 64, 128),
        "finetune-banking": tune(task, **more),
    }
    runs = [bench.run("banking", recipe, seed) for seed in seeds]
    found = [scores_of(run, "finetune-banking") for run in runs]
    note = f"best baseline {best_baseline(found):.3f}; {cpu_told(runs, 'pretrain', 'finetune-banking')}"
    return [Figure("banking77_accuracy", [main_of(one) for one in found], seeds, bar=0.86, aim=0.91, note=note)]


def speed(bench: Bench, seeds: Sequence[int]) -> list[Figure]:
    """Training steps of classification, ours and Trainer's, on the training questions of Banking77."""
    from speed_of_tasks import Peers

    peers = Peers(bench.data / "banking77" / "train.csv", bench.threads, SIZES, SPEED_ROWS)
    steps = 5 if bench.quick else SPEED_STEPS
    sides: dict[str, Callable[[int], float]] = {
        "trivium": peers.ours,
        "transformers": peers.trainer,
        "transformers, best": partial(peers.trainer, best=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for seed in seeds:
        for name, side in sides.items():
            started = time.perf_counter()
            rates[name].append(side(steps))
            tell(
                f"{name}, round {seed}: {rates[name][-1]:.0f} items/s, {time.perf_counter() - started:.0f} s with start-up"
            )
    sizes = f"batches of {SPEED_ROWS}, {SIZES['num_layers']} layers of {SIZES['hidden_size']}, ragged lengths, CPU"

    def ratio(key: str, peer: str, bar: float | None, aim: float | None, note: str) -> Figure:
        own, theirs = rates["trivium"], rates[peer]
        values = [one / two for one, two in zip(own, theirs, strict=True)]
        return Figure(
            key, values, seeds, "items/s", bar=bar, aim=aim, ours=own, peer=theirs, note=f"{sizes}; the Trainer {note}"
        )

    return [
        ratio("classify_vs_hf", "transformers", 2, 4, "as it comes: float32, padded to the longest of a batch"),
        ratio("classify_vs_hf_best", "transformers, best", None, None, "with bf16=True and rows grouped by length"),
    ]


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Fine-tuning on tasks.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--draws", type=int, default=5, help="of 300 sentences, for the gain")
    parser.add_argument(
        "--folds", type=int, default=FOLDS, choices=range(1, FOLDS + 1), help="of the movie reviews, for fewer"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the runs there, and reuse what is finished")
    parser.add_argument("--quick", action="store_true", help="one seed and few steps")
    arguments = parser.parse_args()
    needed = {
        "movie": "movie_reviews/movie_reviews.zip",
        "tags": "wnut17/wnut17train.conll",
        "banking": "banking77/train.csv",
    }
    needed["speed"] = needed["banking"]
    for part in arguments.only:
        if part in needed and not (arguments.data / needed[part]).is_file():
            sys.exit(f"{arguments.data / needed[part]}: there is no such file; give --data the folder that holds it")
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    where = machine(arguments.threads)
    parts = {"world": world, "movie": movie, "tags": tags, "gain": gain, "banking": banking, "speed": speed}
    with work_folder(arguments.work, "trivium-tasks-") as folder:
        bench = Bench(
            arguments.data.resolve(), folder, arguments.threads, arguments.draws, arguments.folds, arguments.quick
        )
        figures = [figure for name in arguments.only for figure in parts[name](bench, seeds)]
    if arguments.quick:
        figures = [replace(figure, bar=None) for figure in figures]
    finish("tasks", figures, where, quick=arguments.quick)


if __name__ == "__main__":
    main()
