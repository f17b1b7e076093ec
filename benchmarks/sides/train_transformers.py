"""One side of train_throughput.py: the Hugging Face Trainer on the same stream; prints a line of JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy
import torch
from clock import Clock
from transformers import Qwen3Config, Qwen3ForCausalLM, Trainer, TrainingArguments


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Random windows of the stream, as the Trainer's default collator takes them."""

    def __init__(self, stream: Any, length: int, count: int, seed: int) -> None:
        self.stream, self.length = stream, length
        self.starts = numpy.random.default_rng(seed).integers(0, len(stream) - length - 1, count)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        start = self.starts[place]
        row = torch.from_numpy(self.stream[start : start + self.length].astype(numpy.int64))
        return {"input_ids": row, "labels": row}


def main() -> None:
    """Train, and print the seconds of every step."""
    parser = argparse.ArgumentParser()
    for name in ("vocab", "width", "layers", "heads", "length", "rows", "steps", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    config = Qwen3Config(
        vocab_size=given.vocab,
        hidden_size=given.width,
        num_hidden_layers=given.layers,
        num_attention_heads=given.heads,
        num_key_value_heads=given.heads,
        head_dim=given.width // given.heads,
        intermediate_size=given.width * 8 // 3,
        max_position_embeddings=given.length,
        tie_word_embeddings=True,
    )
    model = Qwen3ForCausalLM(config)
    clock = Clock()
    arguments = TrainingArguments(
        output_dir=str(given.work),
        use_cpu=True,
        bf16=given.bf16,
        per_device_train_batch_size=given.rows,
        max_steps=given.steps,
        optim="adamw_torch_fused",
        learning_rate=1e-3,
        weight_decay=0.1,
        adam_beta2=0.99,
        max_grad_norm=1.0,
        lr_scheduler_type="constant",
        report_to="none",
        save_strategy="no",
        logging_steps=20,
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    stream = numpy.memmap(given.tokens, numpy.uint16, "r")
    rows = Rows(stream, given.length, given.rows * given.steps, given.seed)
    Trainer(model, arguments, train_dataset=rows, callbacks=[clock]).train()
    seconds = [late - early for early, late in zip(clock.times, clock.times[1:], strict=False)]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


if __name__ == "__main__":
    main()
