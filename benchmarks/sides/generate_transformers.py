"""One side of generate.py: `generate` of transformers on the same folder and prompts; prints a line of JSON."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM


def main() -> None:
    """Answer all prompts a few times, and print the seconds of each time and what was said the last time."""
    parser = argparse.ArgumentParser()
    for name in ("rows", "new", "times", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--cache", default="", help="a cache_implementation")
    parser.add_argument("--stops", type=int, default=0, help="tokens below this number end an answer")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    model: Any = AutoModelForCausalLM.from_pretrained(given.model, dtype=getattr(torch, given.dtype))
    model.eval()
    prompts = torch.tensor(json.loads(given.prompts.read_text())[: given.rows])
    settings = {"cache_implementation": given.cache} if given.cache else {}
    if given.stops:
        settings |= {"do_sample": True, "top_k": 0, "eos_token_id": list(range(given.stops))}
    else:
        settings |= {"do_sample": False, "min_new_tokens": given.new}
    seconds, counts = [], []
    for _ in range(given.times):
        start = time.perf_counter()
        found = model.generate(
            prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=given.new, pad_token_id=0, **settings
        )
        seconds.append(time.perf_counter() - start)
        said = [answer[: ended(answer, given.stops)] for answer in found[:, prompts.shape[1] :].tolist()]
        counts.append(sum(map(len, said)))
    print(json.dumps({"seconds": seconds, "tokens": counts, "precision": given.dtype, "said": said}))


def ended(answer: list[int], stops: int) -> int:
    """How long an answer is, the token that stopped it included."""
    return next((place + 1 for place, token in enumerate(answer) if token < stops), len(answer))


if __name__ == "__main__":
    main()
