"""Asking in words: few-shot and zero-shot on the built-in world, and our scorer beside lm-evaluation-harness.

`few_shot_gain`         codes (two kinds of words, each with a sign drawn at random): mean accuracy with 8 examples minus without,
                        calibrated, over many rules, by the models that recipes/few-shot.yaml pre-trains; the words that are
                        asked are no examples, and no document that was read has a rule about the two kinds
`few_shot_gain_low`     the lower end of its 95% interval over all rules: above 0 says that the gain is no chance
`few_shot_gain_demo`    the same of the demo's pre-trained model, whose text shows few rules
`zero_shot_over_chance` unseen tasks inside trained families, four ways, newest model: accuracy minus chance
`harness_agreement`     largest difference of any score between ours, the harness on our adapter, and its `--model hf`
`score_items_vs_harness` items a second of our scorer over those of `--model hf` with its best batch size, same weights,
                        tasks with and without examples

The peer is the lm-eval of our extra [eval]; both sides are processes of their own, taken in turn, with as many threads. The
few-shot examples are the same on both sides, in the same order. A run of recipes/demo.yaml must be there (`make demo`); the
models of recipes/few-shot.yaml are trained by the benchmark, a seed each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from figures import Figure, finish
from measure import ROOT, interleave, machine, run_command, tell, watch, work_folder

SIDE = Path(__file__).resolve().parent / "sides" / "harness_side.py"
BATCHES = (1, 8, 32, 128)
SHOTS = {"unseen_zero": 0, "unseen_five": 5}
PARTS = ("few", "zero", "scorer")
EXAMPLES = (0, 1, 2, 4, 8)
HARNESS = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{train: {folder}/{name}.train.jsonl, test: {folder}/{name}.test.jsonl}}}}
output_type: multiple_choice
test_split: test
fewshot_split: train
fewshot_config: {{sampler: first_n}}
doc_to_text: "Request: {{{{question}}}}\\nAnswer:"
doc_to_choice: "{{{{options}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""
OWN = """
kind: choose
data: {{train: {name}.pool.jsonl, test: {name}.test.jsonl}}
views: {{prompt: {{template: "Request: {{question}}\\nAnswer:"}}}}
"""


def write_tasks(folder: Path, items: int) -> None:
    """The same local tasks in the harness's form and in ours; the examples stand in the order in which both show them."""
    from itertools import islice

    from trivium.evaluate.shots import Form, draws
    from trivium.task.declaration import read_task
    from trivium.task.items import Chosen
    from trivium.world.asked import unseen

    for name, shots in SHOTS.items():
        (folder / f"{name}.yaml").write_text(HARNESS.format(name=name, folder=folder), encoding="utf-8")
        (folder / f"{name}.task.yaml").write_text(OWN.format(name=name), encoding="utf-8")
        test, pool = (
            [Chosen(*row) for row in islice(unseen(0, split), size)] for split, size in (("test", items), ("train", 8))
        )
        form = Form(read_task(folder / f"{name}.task.yaml"), (), "prompt")
        (draw,) = draws(form, pool[:shots], shots, 1)
        shown = [one for one in draw.shots if isinstance(one, Chosen)]
        for split, rows in (("test", test), ("pool", pool), ("train", shown or pool)):
            write_rows(folder / f"{name}.{split}.jsonl", rows)


def write_rows(path: Path, items: Sequence[Any]) -> None:
    rows = [{"question": one.question, "options": list(one.options), "answer": one.right} for one in items]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def side(name: str, model: Path, tasks: Path, threads: int, batch: int = 1) -> dict[str, Any]:
    """What one process tells."""
    command = [
        sys.executable, str(SIDE), "--side", name, "--model", str(model), "--tasks", str(tasks), "--names",
        json.dumps(SHOTS), "--batch", str(batch), "--threads", str(threads),
    ]  # fmt: skip
    own = {"PYTHONPATH": str(ROOT / "src"), "HF_DATASETS_CACHE": str(tasks / "cache" / name)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **own})
    if done.returncode != 0:
        sys.exit(f"{name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def reader_of(model: Path, threads: int, *, chat: bool = False) -> Any:
    from trivium.evaluate.readers import load_reader

    return load_reader(model, "auto", threads, chat=chat)


def few_shot_model(work: Path, seed: int, threads: int, *, quick: bool) -> Path:
    """The model that recipes/few-shot.yaml pre-trains."""
    settings = [f"seed={seed}", f"threads={threads}", *(["pretrain.steps=20"] if quick else [])]
    recipe, name = ROOT / "recipes" / "few-shot.yaml", f"few-shot-{seed}"
    watch(run_command(recipe, work, name, settings, "--until", "pretrain"), work / f"{name}.log")
    return work / name / "pretrain"


def accuracies(model: Path, seed: int, rules: int, threads: int) -> list[list[float]]:
    """For each of `rules` rules the calibrated accuracy with each number of `EXAMPLES`, over three draws of them."""
    from trivium.data.tasks import read
    from trivium.evaluate.in_context import ask
    from trivium.task.asking import Asking
    from trivium.task.declaration import Task

    view = {"template": "{text}", "target": " {label}.", "separator": " "}
    data = {"kind": "world", "task": "codes"}
    task = Task.model_validate({"kind": "classify", "data": data, "views": {"prompt": view}})
    reader, asking = reader_of(model, threads), Asking(shots=EXAMPLES, seeds=3, scoring="calibrated")
    found = []
    for rule in range(rules):
        splits = read(task, 1000 * seed + rule)
        points = ask(task, splits.names, reader, splits.train, splits.test, asking).points
        found.append([point.scores["calibrated"].value for point in points])
    return found


def few_shot_figures(
    models: Sequence[Path], demo: Path, seeds: Sequence[int], rules: int, threads: int
) -> list[Figure]:
    """What examples give, to the models of the recipe and, for comparison, to the demo's."""
    from trivium.evaluate.intervals import mean

    found = [accuracies(model, seed, rules, threads) for model, seed in zip(models, seeds, strict=True)]
    rows = [row for one in found for row in one]
    every = mean([row[-1] - row[0] for row in rows])
    curve = ", ".join(f"{fmean(row[place] for row in rows):.3f} with {count}" for place, count in enumerate(EXAMPLES))
    plain = [row[-1] - row[0] for seed in seeds for row in accuracies(demo, seed, rules, threads)]
    demos = mean(plain)
    return [
        Figure(
            "few_shot_gain", [fmean(row[-1] - row[0] for row in one) for one in found], seeds, bar=0.0, aim=0.05,
            note=f"two-way, {EXAMPLES[-1]} examples against none, {rules} rules a seed, recipes/few-shot.yaml; accuracy over "
            f"all {every.items} rules: {curve} examples",
        ),
        Figure(
            "few_shot_gain_low", [every.low], seeds[:1], bar=0.0,
            note=f"of {every.value:.3f} ({every.low:.3f} to {every.high:.3f}) over all {every.items} rules of all seeds",
        ),
        Figure(
            "few_shot_gain_demo", [demos.value], seeds[:1],
            note=f"the demo's pre-trained model, whose text has few rules; 95% interval {demos.low:.3f} to {demos.high:.3f}",
        ),
    ]  # fmt: skip


def over_chance(model: Path, seed: int, items: int, threads: int) -> tuple[float, float, float]:
    """Accuracy on unseen tasks minus chance, and its 95% interval."""
    from trivium.data.tasks import read
    from trivium.evaluate.in_context import ask
    from trivium.task.asking import Asking
    from trivium.task.declaration import Task

    data = {"kind": "world", "task": "unseen", "train": 8, "valid": 8, "test": items}
    views = {"prompt": {"template": "{question}"}}
    task = Task.model_validate({"kind": "choose", "data": data, "views": views})
    splits = read(task, 500 + seed)
    curve = ask(
        task, splits.names, reader_of(model, threads, chat=True), splits.train, splits.test, Asking(items=items)
    )
    score, chance = curve.points[0].scores["sum"], curve.chance or 0.0
    return score.value - chance, score.low - chance, score.high - chance


def scorer_figures(model: Path, seeds: Sequence[int], items: int, threads: int, *, quick: bool) -> list[Figure]:
    """Our scorer beside the harness: how far apart the scores are, and items a second."""
    with tempfile.TemporaryDirectory(prefix="trivium-evaluate-") as place:
        tasks = Path(place)
        write_tasks(tasks, items)
        sizes = (32,) if quick else BATCHES
        best = min(sizes, key=lambda size: side("hf", model, tasks, threads, size)["seconds"])
        tell(f"the harness is fastest with batches of {best}")
        sides = {
            "Trivium": lambda seed: side("own", model, tasks, threads),
            "lm-eval hf": lambda seed: side("hf", model, tasks, threads, best),
        }
        found = interleave(sides, seeds)
        adapter = side("adapter", model, tasks, threads)
    scores = [found["Trivium"][0]["scores"], found["lm-eval hf"][0]["scores"], adapter["scores"]]
    gaps = [
        abs(one[task][name] - other[task][name])
        for one in scores
        for other in scores
        for task in SHOTS
        for name in ("acc", "acc_norm")
    ]
    rates = {name: [items * len(SHOTS) / one["seconds"] for one in rows] for name, rows in found.items()}
    ratios = [ours / peer for ours, peer in zip(rates["Trivium"], rates["lm-eval hf"], strict=True)]
    return [
        Figure(
            "harness_agreement", [max(gaps)], seeds[:1], better="lower", bar=0.0,
            note=f"ours, adapter and --model hf, {items * len(SHOTS)} items",
        ),
        Figure(
            "score_items_vs_harness", ratios, seeds, "items/s", bar=3.0, ours=rates["Trivium"], peer=rates["lm-eval hf"],
            note=f"--model hf, batches of {best}, {items} items without and {items} with 5 examples",
        ),
    ]  # fmt: skip


def zero_shot_figure(model: Path, seeds: Sequence[int], items: int, threads: int) -> Figure:
    """How far above chance the newest model is on tasks that were never trained."""
    over = [over_chance(model, seed, items, threads) for seed in seeds]
    value, low, high = over[0]
    note = f"four-way, {items} items a seed; seed {seeds[0]}: {value:.3f} ({low:.3f} to {high:.3f}) above chance"
    return Figure("zero_shot_over_chance", [one[0] for one in over], seeds, bar=0.0, note=note)


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Asking in words, beside lm-evaluation-harness.")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "demo", help="a run of recipes/demo.yaml")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keep the models of few-shot.yaml there, and reuse them"
    )
    parser.add_argument("--quick", action="store_true", help="one seed, few items")
    given = parser.parse_args()
    if not (given.run / "align" / "config.json").is_file():
        sys.exit(f"{given.run}: there is no finished demo; `make demo` makes it, or give --run")
    seeds = given.seeds[:1] if given.quick else given.seeds
    items, rules, told = (60, 4, 80) if given.quick else (400, 20, 600)
    where = machine(given.threads)
    import torch

    torch.set_num_threads(given.threads)
    pretrained, newest = (given.run / name for name in ("pretrain", "align"))
    figures = []
    if "few" in given.only:
        with work_folder(given.work, "trivium-few-shot-") as work:
            models = [few_shot_model(work, seed, given.threads, quick=given.quick) for seed in seeds]
            figures += few_shot_figures(models, pretrained, seeds, rules, given.threads)
    if "zero" in given.only:
        figures.append(zero_shot_figure(newest, seeds, told, given.threads))
    if "scorer" in given.only:
        figures += scorer_figures(pretrained, seeds, items, given.threads, quick=given.quick)
    finish("evaluate", figures, where, quick=given.quick)


if __name__ == "__main__":
    main()
