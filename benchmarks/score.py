"""One scorer for two systems: bits per character of a text under a nanoGPT checkpoint or a Hugging Face model folder.

    python benchmarks/score.py --text valid.txt --window 128 --model FOLDER
    python benchmarks/score.py --text valid.txt --window 64 --nanogpt DIR --checkpoint ckpt.pt --alphabet input.txt

A model reads windows as long as those that it was trained on, and every token of the text is predicted exactly once, so
the sum of nats pays for all that is needed to write the text; it is divided by the text's characters, whatever the tokens
are. Two readings: `consecutive` windows, whose first tokens have little before them (both systems are trained so, and
nanoGPT's own validation loss samples such windows), and `overlapping` ones, each going half a window further and counting
only what no earlier one predicted. The text's first token is predicted from what stood before it: the last character
of the training part for nanoGPT, a document's separator for a model folder.

The folder is read by transformers, so nothing of Trivium computes its own score. Prints one line of JSON.
Legend: B windows at once, T tokens in a window, N tokens of the text, V vocabulary.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

WINDOWS_AT_ONCE = 64

Logits = Callable[[Tensor, Tensor], Tensor]  # inputs and targets (B, T) -> (B, T, V)


@torch.no_grad()
def total_nats(logits_of: Logits, stream: Tensor, window: int, stride: int) -> float:
    """The sum of -log p over stream[1:], each token predicted once; `stream` is int64 (N + 1,).

    The first window ends `window` tokens in, each further one `stride` tokens after the one before it, the last one at
    the end; a window counts the targets that no window before it had. Raises ValueError where the text is shorter.
    """
    targets = len(stream) - 1
    if targets < window:
        raise ValueError(f"the text has {targets} tokens, less than one window of {window}")
    ends = [*range(window, targets, stride), targets]
    total = 0.0
    for first in range(0, len(ends), WINDOWS_AT_ONCE):
        part = ends[first : first + WINDOWS_AT_ONCE]
        rows = torch.stack([stream[end - window : end + 1] for end in part])  # (B, T + 1)
        logits = logits_of(rows[:, :-1].contiguous(), rows[:, 1:].contiguous()).double()  # (B, T, V)
        nats = torch.nn.functional.cross_entropy(logits.transpose(1, 2), rows[:, 1:], reduction="none")  # (B, T)
        before = [0 if first + row == 0 else ends[first + row - 1] for row in range(len(part))]
        for row, (end, counted) in enumerate(zip(part, before, strict=True)):
            total += float(nats[row, window - (end - counted) :].sum())
    return total


def nanogpt(folder: Path, checkpoint: Path, alphabet: str) -> tuple[Logits, dict[str, int]]:
    """The model of a checkpoint, in its own code, and its characters' ids (its rule: sorted characters of all the text)."""
    sys.path.insert(0, str(folder))
    module: Any = importlib.import_module("model")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = module.GPT(module.GPTConfig(**state["model_args"]))
    model.load_state_dict(state["model"])
    model.eval()
    return lambda tokens, targets: model(tokens, targets)[0], {c: n for n, c in enumerate(sorted(set(alphabet)))}


def model_folder(folder: Path, text: str) -> tuple[Logits, Tensor]:
    """The model of a Hugging Face folder, and the text's tokens (N + 1,) with the separator before them."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers

    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text, "the tokens do not give the text back"
    separator = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    return lambda tokens, targets: model(tokens).logits, torch.tensor([separator, *ids])


def main() -> None:
    """Score, and print the figures."""
    parser = argparse.ArgumentParser(description="Bits per character of a text.")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--window", type=int, required=True, help="tokens in a window: what the model was trained on")
    parser.add_argument("--model", type=Path, help="a Hugging Face model folder")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    parser.add_argument("--checkpoint", type=Path, help="its ckpt.pt")
    parser.add_argument("--alphabet", type=Path, help="the whole text, whose characters are its vocabulary")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    text = arguments.text.read_text(encoding="utf-8")
    if arguments.model:
        logits_of, stream = model_folder(arguments.model, text)
    else:
        whole = arguments.alphabet.read_text(encoding="utf-8")
        logits_of, ids = nanogpt(arguments.nanogpt, arguments.checkpoint, whole)
        before = whole[whole.rindex(text) - 1]
        stream = torch.tensor([ids[character] for character in before + text])
    window = arguments.window
    figures = {
        name: total_nats(logits_of, stream, window, stride) / math.log(2) / len(text)
        for name, stride in (("consecutive", window), ("overlapping", window // 2))
    }
    print(json.dumps({**figures, "characters": len(text), "tokens": len(stream) - 1, "window": window}))


if __name__ == "__main__":
    main()
