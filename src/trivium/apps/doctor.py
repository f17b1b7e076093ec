"""What this machine is and what it can do: versions, cores, memory, measured speed, disk, optional parts.

The speed of training is estimated from a measured matrix product and the share of it that training usually reaches;
it says so. Nothing is written.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trivium import __version__
from trivium.apps.figures import count, duration, size

if TYPE_CHECKING:
    import torch
    from rich.console import Console

EXTRAS = {  # extra -> (what it installs, what it is for)
    "data": ("trafilatura", "web pages, books, tables, languages and phone numbers in your files"),
    "scale": ("datatrove", "gathering with datatrove or Ray"),
    "report": ("matplotlib", "charts in the report"),
    "eval": ("seqeval", "scores of tags, texts and translations, baselines of tasks, lm-evaluation-harness"),
    "hub": ("huggingface_hub", "datasets and models by their names on the hub, saved Hugging Face datasets of tasks"),
    "rewards": ("jsonschema", "rewards that check JSON"),
    "private": ("opacus", "fine-tuning with differential privacy"),
    "web": ("fastapi", "the rating page, the chat page and the server"),
    "serve": ("llguidance", "answers of a given form"),
    "export": ("gguf", "models as GGUF or ONNX, or in fewer bits"),
    "postgres": ("psycopg", "ratings in PostgreSQL"),
}
REACHED = 0.35  # share of the measured matrix product that training reaches, as a rule
SIZES = {
    "the default model": (128, 4, 384, 4096),
    "10 million weights": (320, 6, 960, 8192),
    "GPT-2 small": (768, 12, 3072, 50257),
}
TOKENS_PER_WEIGHT = 20  # Hoffmann et al. 2022: what a model of a size is worth training on
GOOD, POOR = "[green]✓[/]", "[yellow]![/]"


def examine() -> None:
    """Print everything."""
    from rich.console import Console

    console = Console()
    try:
        "✓".encode(console.encoding)
        good = GOOD
    except UnicodeEncodeError:
        good = "+"
    for ok, name, told in findings(Path.cwd()):
        console.print(f"{good if ok else POOR} [bold]{name:<9}[/] {told}", highlight=False)
    _print_speed(console)
    _print_attention(console)


def findings(folder: Path) -> Iterator[tuple[bool, str, str]]:
    """(all is well, what, a sentence) for everything that needs no measuring."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield sys.version_info >= (3, 11), "trivium", f"{__version__}, Python {python}, {platform.platform()}"
    if importlib.util.find_spec("torch") is None:
        yield False, "torch", "not installed: pip install torch (see constraints.txt for the version)"
    else:
        import torch

        yield True, "torch", torch.__version__ + _accelerator()
    cores, memory = _cores(), memory_bytes()
    yield cores >= 2, "cores", f"{cores} usable"
    yield memory >= 4e9, "memory", f"{size(memory)} in all"
    free = shutil.disk_usage(folder).free
    yield free >= 2e9, "disk", f"{size(free)} free in {folder}"
    for extra, (module, purpose) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        told = f"{module} is installed ({purpose})" if there else f"for {purpose}: pip install 'trivium-lm[{extra}]'"
        yield there, extra, told


def _accelerator() -> str:
    import torch

    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        return f", {facts.name} with {size(facts.total_memory)}"
    return ", Apple GPU" if torch.backends.mps.is_available() else ", no GPU (none is needed)"


def _cores() -> int:
    try:
        from trivium.base.device import usable_cores
    except ImportError:  # no torch
        return os.cpu_count() or 1
    return usable_cores()


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _print_speed(console: Console) -> None:
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    from trivium.base.device import measure_gemm
    from trivium.base.native import compiler

    torch.set_num_threads(_cores())
    full, half = (measure_gemm(kind, size=768, seconds=0.4) for kind in (torch.float32, torch.bfloat16))
    better = "bfloat16 is faster here and will be used" if half > full else "float32 is faster here and will be used"
    console.print(
        f"\nmatrix products on the CPU: float32 {full:.0f}, bfloat16 {half:.0f} GFLOP/s; {better}", highlight=False
    )
    if compiler() is None:
        console.print("no C compiler (cc, gcc): a training step takes a quarter to two thirds longer", highlight=False)
    console.print(f"training, estimated at {REACHED:.0%} of that:", highlight=False)
    for name, told in estimates(max(full, half) * 1e9 * REACHED):
        console.print(f"  {name:<20} {told}", highlight=False)


def _print_attention(console: Console) -> None:
    """On a GPU: what training would compute attention by."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    if torch.cuda.is_available():
        console.print(f"\n{attention_told(torch.device('cuda', torch.cuda.current_device()))}", highlight=False)


def attention_told(device: torch.device) -> str:
    """Which kernel is the quickest on a GPU for GPT-2 small's rows, measured, and how documents are kept apart."""
    import torch

    from trivium.model.kernels import fastest, measured, varlen_kernel

    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    times = measured((8, 1024, 12, 12, 64), device, dtype)
    listed = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in times.items())
    windowed = varlen_kernel(windows=True) is not None and dtype == torch.bfloat16
    apart = "FlashAttention over documents (torch.nn.attention.varlen)" if windowed else "masks"
    return (
        f"attention on the GPU by {fastest(times, fixed=True) or 'none of the known kernels'}; measured, in ms forwards and "
        f"backwards for 8 rows of 1,024 tokens: {listed}; documents in a row are kept apart by {apart}"
    )


def estimates(flops: float) -> Iterator[tuple[str, str]]:
    """For some sizes of model: tokens a second at `flops` operations a second, and how long its share of text takes."""
    from trivium.model.architecture import Architecture

    for name, (width, layers, inner, vocabulary) in SIZES.items():
        shape = Architecture(
            vocab_size=vocabulary,
            hidden_size=width,
            num_layers=layers,
            intermediate_size=inner,
            num_heads=width // 32,
            num_kv_heads=width // 32,
        )
        speed = flops / shape.flops_per_token(256)
        tokens = TOKENS_PER_WEIGHT * shape.matmul_parameters
        yield name, f"about {count(speed)} tokens/s; {count(tokens)} tokens take {duration(tokens / speed)}"
