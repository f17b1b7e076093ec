"""The two sides of `classify_vs_hf`: items a second of training a classifier, by our loop and by Hugging Face's Trainer.

Both train a BERT of the same sizes on the same questions: the same tokens, batches of as many rows, AdamW (fused), dropout
0.1, random weights and as many threads. Start-up and the first steps are not in the time. The Trainer's `default` is float32 and
rows as they come, padded to the longest of the batch; its `best` is bfloat16 autocast and rows grouped by length. Ours is what a
recipe gets that says nothing of precision: the faster one on this machine.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

WARM = 3  # steps before the clock starts
VOCABULARY = 2048


class Peers:
    """The items, encoded once for both sides."""

    def __init__(self, path: Path, threads: int, sizes: Mapping[str, int], rows: int) -> None:
        from trivium.tokenizer import train

        torch.set_num_threads(threads)
        with open(path, encoding="utf-8", newline="") as file:
            self.items = [(row["text"], row["category"]) for row in csv.DictReader(file)]
        self.names = tuple(sorted({label for _, label in self.items}))
        self.sizes, self.rows, self.threads = dict(sizes), rows, threads
        self.tokenizer = train((text for text, _ in self.items), VOCABULARY, masked=True)

    def ours(self, steps: int) -> float:
        """Items a second of `steps` steps by `fit`."""
        from trivium.base.device import choose_machine
        from trivium.base.progress import Context
        from trivium.data.tasks.batches import TaskBatches, prepare
        from trivium.model.families import family_named, new_shape
        from trivium.model.initialise import initialise, initialise_head
        from trivium.model.transformer import Transformer
        from trivium.optim.settings import OptimizerSettings, ScheduleSettings
        from trivium.task.declaration import Task
        from trivium.task.items import Labelled
        from trivium.train.fit import Job, fit
        from trivium.train.task_step import objective_of, supervised_weight

        task = Task.model_validate({"kind": "classify", "data": {"train": "unused"}})
        head = family_named("bert").head_shape("sequence", self.names)
        sizes = {**self.sizes, "vocab_size": self.tokenizer.vocab_size, "num_kv_heads": self.sizes["num_heads"]}
        sizes |= {"head_dim": self.sizes["hidden_size"] // self.sizes["num_heads"], "max_positions": 128}
        model = Transformer(new_shape("bert", sizes), head)
        initialise(model, torch.Generator().manual_seed(0))
        initialise_head(model)
        lesson = prepare(
            task, self.names, [Labelled(text, labels=(label,)) for text, label in self.items], self.tokenizer, 128
        )
        job = Job(
            steps=WARM + steps,
            batches=TaskBatches(task, lesson, self.tokenizer, self.rows, 0).batches,
            optimizer=OptimizerSettings(name="adamw", adam_learning_rate=1e-3),
            schedule=ScheduleSettings(),
            machine=choose_machine("cpu", self.threads, "auto"),
            objective=objective_of("classify", dropout=0.1),
            count=supervised_weight,
            checkpoint_seconds=1e9,
            ahead=True,
        )
        started = 0.0
        with tempfile.TemporaryDirectory() as folder:
            for row in fit(model, job, Context(folder=Path(folder), inputs={})):
                if row.step == WARM:
                    started = row.seconds
        return steps * self.rows / (row.seconds - started)

    def trainer(self, steps: int, *, best: bool = False) -> float:
        """Items a second of `steps` steps by transformers.Trainer, as it comes or with what makes it fast."""
        import transformers

        ids = [self.tokenizer.frame(self.tokenizer.encode(text)[:120]).ids for text, _ in self.items]
        numbers = {name: number for number, name in enumerate(self.names)}
        rows = [{"input_ids": one, "labels": numbers[label]} for one, (_, label) in zip(ids, self.items, strict=True)]
        sizes: dict[str, Any] = {
            "vocab_size": self.tokenizer.vocab_size,
            "hidden_size": self.sizes["hidden_size"],
            "num_hidden_layers": self.sizes["num_layers"],
            "num_attention_heads": self.sizes["num_heads"],
            "intermediate_size": self.sizes["intermediate_size"],
            "max_position_embeddings": 128,
            "num_labels": len(self.names),
            "pad_token_id": self.tokenizer.pad,
        }
        config = transformers.BertConfig(**sizes)
        clock = _Clock()
        fast: dict[str, Any] = {"bf16": True, "train_sampling_strategy": "group_by_length"} if best else {}
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(
                output_dir=folder, per_device_train_batch_size=self.rows, max_steps=WARM + steps, learning_rate=1e-3,
                report_to=[], save_strategy="no", logging_strategy="no", use_cpu=True, disable_tqdm=True, seed=0,
                optim="adamw_torch_fused", **fast,
            )  # fmt: skip
            trainer = transformers.Trainer(
                model=transformers.BertForSequenceClassification(config), args=arguments, train_dataset=rows,
                data_collator=self._padded, callbacks=[clock.callback()],
            )  # fmt: skip
            trainer.train()
        return steps * self.rows / (clock.times[-1] - clock.times[WARM - 1])

    def _padded(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(len(row["input_ids"]) for row in rows)
        tokens = torch.full((len(rows), width), self.tokenizer.pad)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            mask[place, : len(row["input_ids"])] = 1
        labels = torch.tensor([row["labels"] for row in rows])
        return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


class _Clock:
    """The time at the end of every step of a Trainer."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def callback(self) -> Any:
        import transformers

        times = self.times

        class Watch(transformers.TrainerCallback):
            def on_step_end(self, *given: Any, **more: Any) -> None:
                times.append(time.perf_counter())

        return Watch()
