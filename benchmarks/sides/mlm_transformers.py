"""One side of mlm.py: the Hugging Face Trainer with BertForMaskedLM on the same rows; prints a line of JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy
import torch
from clock import Clock
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Framed rows of their own lengths; with their lengths told, so that the Trainer can group them."""

    def __init__(self, path: Path) -> None:
        held = numpy.load(path)
        self.tokens, self.ends = held["tokens"], held["ends"]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> dict[str, Any]:
        start = self.ends[place - 1] if place else 0
        row = self.tokens[start : self.ends[place]].astype(numpy.int64).tolist()
        return {"input_ids": row, "length": len(row)}


def main() -> None:
    """Train, and print the seconds of every step."""
    parser = argparse.ArgumentParser()
    for name in ("width", "layers", "heads", "length", "rows", "steps", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="a folder with rows.npz and the tokenizer")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--best", action="store_true", help="bfloat16 autocast, rows grouped by length")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    tokenizer = AutoTokenizer.from_pretrained(given.data)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=given.width,
        num_hidden_layers=given.layers,
        num_attention_heads=given.heads,
        intermediate_size=4 * given.width,
        max_position_embeddings=given.length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertForMaskedLM(config)
    clock = Clock()
    grouped: dict[str, Any] = {"train_sampling_strategy": "group_by_length"} if given.best else {}
    arguments = TrainingArguments(
        output_dir=str(given.work),
        use_cpu=True,
        bf16=given.best,
        per_device_train_batch_size=given.rows,
        max_steps=given.steps,
        optim="adamw_torch_fused",
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        report_to="none",
        save_strategy="no",
        logging_steps=20,
        disable_tqdm=True,
        dataloader_num_workers=0,
        seed=given.seed,
        remove_unused_columns=True,
        **grouped,
    )
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    Trainer(
        model, arguments, data_collator=collator, train_dataset=Rows(given.data / "rows.npz"), callbacks=[clock]
    ).train()
    seconds = [late - early for early, late in zip(clock.times, clock.times[1:], strict=False)]
    print(json.dumps({"seconds": seconds, "parameters": sum(parameter.numel() for parameter in model.parameters())}))


if __name__ == "__main__":
    main()
