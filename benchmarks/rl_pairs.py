"""Learning from pairs, beside TRL 1.16: pairs a second of DPO and of the reward model, on the CPU, in turn.

    python benchmarks/rl_pairs.py [--rounds 3] [--threads 1] [--peer DIR] [--quick]

Both sides have the same weights (a random Qwen3 of 0.4 million), the same pairs, as many in a step, AdamW, float32 and a row
of metrics a step. A pair is a plain and a vivid answer of the built-in world to an open request, so lengths are those of
sentences. In `dpo_vs_trl` and `reward_vs_trl` every request has one pair, so that its text alone is shared; in
`dpo_vs_trl_shared` it has the six pairs of four answers, as the demo's have, which TRL reads as twelve rows. DPO's reference is
part of it on both sides: TRL computes it in each step, ours once before the first. The first steps are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random

from figures import Figure, finish
from measure import ROOT, interleave, machine, tell, watch
from rl import peer

SIDES = Path(__file__).resolve().parent / "sides"
VERSION = "1.16.0"
STEPS, QUICK_STEPS = 24, 8
LEFT_OUT = 3
BARS = {"dpo": (1.6, 3.0), "reward": (1.5, 2.5)}
WIDTH, LAYERS = 96, 3
VOCABULARY = 1024


def write_pairs(path: Path, requests: int, answers: int, seed: int) -> int:
    """A preferences.jsonl of the world's answers. Returns how many pairs it holds."""
    from trivium.world.answers import write_answer
    from trivium.world.draws import Draw
    from trivium.world.families_open import FAMILIES, draw_slots

    random = Random(seed)
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for number in range(requests):
            family = FAMILIES[number % len(FAMILIES)]
            slots = draw_slots(Draw(random, "train"), family.name)
            prompt = [{"role": "user", "content": random.choice(family.train).format_map(slots)}]
            texts: list[str] = []
            while len(texts) < answers:
                text = write_answer(family.name, slots, random, len(texts) % 2 == 0)
                texts += [text] if text not in texts else []
            for chosen, rejected in combinations(texts, 2):
                row = {
                    "prompt": prompt,
                    "chosen": chosen,
                    "rejected": rejected,
                    "prompt_id": str(number),
                    "split": "train",
                }
                file.write(json.dumps(row) + "\n")
                count += 1
    return count


def write_model(folder: Path, pairs: Path, width: int, layers: int) -> None:
    """A random model, none of whose weights is zero, with a tokenizer that was trained on the answers."""
    import torch

    from trivium.model.architecture import Architecture
    from trivium.model.initialise import initialise
    from trivium.model.transformer import Transformer
    from trivium.tokenizer import train
    from trivium.train.record import save_model_folder

    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    tokenizer = train((f"{row['prompt'][0]['content']} {row['chosen']} {row['rejected']}" for row in rows), VOCABULARY)
    shape = Architecture(
        vocab_size=tokenizer.vocab_size,
        hidden_size=width,
        num_layers=layers,
        num_heads=width // 32,
        num_kv_heads=width // 32,
        head_dim=32,
        intermediate_size=width * 8 // 3,
        max_positions=512,
        tie_embeddings=True,
    )
    model = Transformer(shape)
    random = torch.Generator().manual_seed(0)
    initialise(model, random)
    with torch.no_grad():  # projections that start at zero would make all answers end alike, with no gradient of a pair
        for parameter in model.parameters():
            if not bool(parameter.any()):
                parameter.normal_(0.0, 0.02, generator=random)
    save_model_folder(model, tokenizer, folder)


@dataclass(frozen=True)
class Case:
    """Requests in a step, and answers to each: every two are a pair."""

    requests: int
    answers: int

    @property
    def pairs(self) -> int:
        return self.requests * self.answers * (self.answers - 1) // 2


CASES = {"": Case(32, 2), "_shared": Case(6, 4)}


@dataclass(frozen=True)
class Bench:
    """What both sides are given."""

    peer: Path
    work: Path
    threads: int
    quick: bool

    @property
    def steps(self) -> int:
        return QUICK_STEPS if self.quick else STEPS

    def prepare(self) -> None:
        """Write the pairs of each case, and the model."""
        for case, made in CASES.items():
            write_pairs(self.work / f"pairs{case}.jsonl", made.requests * self.steps, made.answers, 0)
        write_model(self.work / "model", self.work / "pairs.jsonl", WIDTH, LAYERS)

    def side(self, script: str, task: str, case: str) -> Callable[[int], float]:
        """Pairs a second of one side."""
        ours, made = script == "pairs_trivium", CASES[case]

        def run(seed: int) -> float:
            folder = Path(tempfile.mkdtemp(dir=self.work))
            numbers = {"rows": made.requests if ours else made.pairs, "threads": self.threads, "seed": seed}
            words = [word for key, value in numbers.items() for word in (f"--{key}", str(value))]
            words += ["--model", str(self.work / "model"), "--pairs", str(self.work / f"pairs{case}.jsonl")]
            command = [sys.executable, str(SIDES / f"{script}.py"), task, *words, "--work", str(folder / "out")]
            environment = {
                "OMP_NUM_THREADS": str(self.threads),
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
                "PYTHONPATH": str(ROOT / "src" if ours else self.peer),
            }
            output = watch(command, folder / "log", environment=environment).output
            said = json.loads([line for line in output.splitlines() if line.startswith('{"seconds"')][-1])
            tell(f"{script} {task}{case}: loss {said['first_loss']:.4f} at first, {said['last_loss']:.4f} at last")
            seconds = said["seconds"][LEFT_OUT:]
            return float(made.pairs * len(seconds) / sum(seconds))

        return run

    def compare(self, task: str, case: str, seeds: Sequence[int]) -> Figure:
        """Pairs a second of ours over the peer's, by the round."""
        sides = {"Trivium": "pairs_trivium", "TRL": "pairs_trl"}
        speeds = interleave({name: self.side(script, task, case) for name, script in sides.items()}, seeds)
        own, theirs = speeds["Trivium"], speeds["TRL"]
        bar, aim = (None, None) if case else BARS[task]
        values = [mine / other for mine, other in zip(own, theirs, strict=True)]
        made = CASES[case]
        note = f"{made.requests} requests of {made.answers} answers a step, a model of 0.4M"
        return Figure(
            f"{task}_vs_trl{case}", values, seeds, "pairs/s", bar=bar, aim=aim, ours=own, peer=theirs, note=note
        )


def measure(trl: Path, threads: int, seeds: Sequence[int], *, quick: bool) -> list[Figure]:
    """The figures of this file."""
    with tempfile.TemporaryDirectory(prefix="trivium-pairs-") as folder:
        bench = Bench(trl, Path(folder), threads, quick)
        bench.prepare()
        asked = [("dpo", ""), ("reward", ""), *([] if quick else [("dpo", "_shared")])]
        return [bench.compare(task, case, seeds) for task, case in asked]


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Learning from pairs, beside TRL.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer", type=Path, metavar="DIR", help="a folder with TRL 1.16, as pip --target makes it")
    parser.add_argument("--quick", action="store_true", help="one round of few steps, the small model alone")
    given = parser.parse_args()
    where = machine(given.threads)
    seeds = list(range(1 if given.quick else given.rounds))
    found = measure(given.peer or peer(VERSION), given.threads, seeds, quick=given.quick)
    finish("rl_pairs", found, where, quick=given.quick)


if __name__ == "__main__":
    main()
