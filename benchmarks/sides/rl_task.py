"""What both sides of rl.py are given: a task with answers that end by themselves, a model tuned on it, a reward model.

    python benchmarks/sides/rl_task.py --folder DIR --width 128 --layers 2 --threads 1

Requests name a thing and one of its parts; answers praise or blame parts, one clause or a few, half of them one. The reward is
a function of the text: different words of praise, at most three, less the words of blame. In DIR stand `model` and `reward`,
Hugging Face folders, and `prompts.jsonl`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

PRAISE = ("bright", "fine", "lovely", "sturdy", "smooth", "quiet", "warm", "clever", "neat", "sweet")
BLAME = ("dull", "cheap", "noisy", "rough", "weak", "cold", "clumsy", "sour", "loose", "stale")
THINGS = ("lamp", "chair", "phone", "kettle", "radio", "clock", "drum", "kite", "boat", "bike", "piano", "oven")
PARTS = ("handle", "cover", "button", "colour", "weight", "sound", "edge", "finish", "price", "shape", "base", "light")
MORE = 0.5  # chance of one more clause
MOST_CLAUSES = 7
UNENDED = -2.0  # what an answer earns that met the limit


def requests() -> list[list[dict[str, str]]]:
    """Every request, as a conversation."""
    return [[{"role": "user", "content": f"Review the {thing} with the {part}."}] for thing in THINGS for part in PARTS]


def answer(random: Random) -> str:
    """An answer as people of this world give it."""
    clauses = [f"the {random.choice(PARTS)} is {random.choice(PRAISE + BLAME)}"]
    while random.random() < MORE and len(clauses) < MOST_CLAUSES:
        clauses.append(f"the {random.choice(PARTS)} is {random.choice(PRAISE + BLAME)}")
    return " and ".join(clauses)


def reward(text: str) -> float:
    """What an answer earns on both sides."""
    words = text.split()
    return float(min(3, len(set(words) & set(PRAISE))) - sum(word in BLAME for word in words))


def examples(count: int) -> Iterator[dict[str, object]]:
    """Requests with answers to learn from."""
    random, asked = Random(0), requests()
    for _ in range(count):
        yield {"messages": [*random.choice(asked), {"role": "assistant", "content": answer(random)}]}


def make(folder: Path, width: int, layers: int, steps: int, threads: int) -> None:
    """Tune a model on the task, and leave it and a reward model on the same trunk in `folder`."""
    import torch

    from trivium.base.device import choose_machine
    from trivium.base.files import write_jsonl
    from trivium.base.progress import Context
    from trivium.data.conversations import ConversationBatches, load_conversations
    from trivium.model.families import FAMILIES, new_shape
    from trivium.model.initialise import initialise
    from trivium.model.transformer import Transformer
    from trivium.optim.settings import OptimizerSettings, ScheduleSettings
    from trivium.tokenizer import train
    from trivium.train.fit import Job, fit
    from trivium.train.record import save_model_folder

    rows = list(examples(4000))
    write_jsonl(folder / "train.jsonl", rows)
    (folder / "prompts.jsonl").write_text(
        "".join(json.dumps({"messages": messages}) + "\n" for messages in requests()), encoding="utf-8"
    )
    texts = [turn["content"] for row in rows for turn in row["messages"]]  # type: ignore[attr-defined]
    tokenizer = train(texts, 400)
    sizes = {
        "vocab_size": tokenizer.vocab_size,
        "hidden_size": width,
        "num_layers": layers,
        "num_heads": width // 32,
        "num_kv_heads": width // 32,
        "head_dim": 32,
        "intermediate_size": width * 8 // 3,
        "max_positions": 160,
    }
    shape = new_shape("qwen3", sizes)
    model = Transformer(shape)
    initialise(model, torch.Generator().manual_seed(0))
    conversations = load_conversations(folder / "train.jsonl", tokenizer, 160)
    job = Job(
        steps=steps,
        batches=ConversationBatches(conversations, 1024, 0).batches,
        optimizer=OptimizerSettings(name="adamw", adam_learning_rate=3e-3, beta2=0.95),
        schedule=ScheduleSettings(warmup=10, decay_share=0.5),
        machine=choose_machine("cpu", threads, "float32"),
        checkpoint_seconds=1e9,
    )
    for _ in fit(model, job, Context(folder / "work", {})):
        pass
    save_model_folder(model, tokenizer, folder / "model")
    judge = Transformer(shape, FAMILIES["qwen3"].head_shape("score"))
    judge.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        judge.head_out.weight.normal_(0.0, width**-0.5, generator=torch.Generator().manual_seed(1))
    save_model_folder(judge, tokenizer, folder / "reward")


def main() -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    for name, usual in (("width", 128), ("layers", 2), ("steps", 150), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    make(given.folder, given.width, given.layers, given.steps, given.threads)


if __name__ == "__main__":
    main()
