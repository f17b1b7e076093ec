"""Serving: sixteen streams at once against one after another, gaps between tokens, memory, hostile requests, a cold start.

    python benchmarks/serve.py [--rounds 3] [--threads N] [--requests 2000] [--quick]

The server (`trivium serve`) is a process of its own; the callers are one process with a connection for each stream, which
notes when each server-sent event came. The models are Qwen3-shaped, their weights drawn at random (12M, and 10M for the
cold start); prompts differ, about 32 tokens each, and answers are drawn at temperature 1.

`serve_16_vs_1` is generated tokens a second of sixteen streams that run together over that of the same sixteen one after
another, in turn. `serve_gap` is the 99th percentile over the median of the gaps between the pieces of a stream, sixteen
running. `serve_memory_mb` is what the server's resident memory grew by from the first fifth of the requests to the last, of
mixed kinds: streams after prompts of 1 to 200 words, several answers, vectors, refusals, callers who go. `serve_hostile`
counts, of requests that schemathesis makes of the server's own description and of a list of bodies made by hand, those that
were answered with a status of 500, not answered, or told a path of the machine. `serve_first_token_s` is from the start of
the process to the first token that a caller has.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import itertools
import json
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import Figure, finish
from measure import TRIVIUM, end, machine, peer_python, start, tell, tree_memory
from trivium.apps.cli_serve import threads_here

SIDES = Path(__file__).resolve().parent / "sides"
PEER_PACKAGES = ("schemathesis==4.32.5",)
STREAMS, TOKENS = 16, 128
VOCABULARY = 4000
SIZES = {"hidden_size": 320, "num_layers": 9, "num_heads": 5, "num_kv_heads": 5, "intermediate_size": 864}
SMALL = SIZES | {"num_layers": 7}
WORDS = (
    "the",
    "a",
    "fox",
    "cat",
    "sea",
    "red",
    "old",
    "walks",
    "sings",
    "under",
    "tree",
    "house",
    "wind",
    "and",
    "then",
)
TOKENS_TOLD = re.compile(rb'"completion_tokens":(\d+)')
BAR_MB = 16.0
HOSTILE: tuple[bytes, ...] = (
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": 1}', b"[" * 50_000, b'{"a":' * 20_000, b"x" * 1_100_000,
    b'{"model":"M","messages":[]}', b'{"model":"M","messages":[{"role":"user"}]}', b'{"model":"M","prompt":[[]]}',
    b'{"model":"M","prompt":"x","temperature":NaN}', b'{"model":"M","prompt":"x","temperature":-Infinity}',
    b'{"model":"M","prompt":"x","n":1' + b"0" * 5000 + b"}", b'{"model":"M","prompt":"x","max_tokens":-1}',
    b'{"model":"../../etc/passwd","prompt":"x"}', b'{"model":"M\\u0000","prompt":"x"}', b'{"model":"M","prompt":[99999999]}',
    b'{"model":"M","prompt":"\\ud800","max_tokens":1}', b'{"model":"M","prompt":"' + b"w " * 200_000 + b'"}',
    b'{"model":"M","prompt":"x","stop":["","",""]}', b'{"model":"M","prompt":"x","seed":1e400}', b'{"model":"M","input":[]}',
    b'{"model":"M","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema"}}',
    b'{"model":"M","messages":[{"role":"user","content":"x"}],"max_tokens":9,"response_format":{"type":"json_schema",'
    b'"json_schema":{"name":"x","schema":{"type":"nothing"}}}}',
)  # fmt: skip
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/classify", "/tag", "/answer", "/feedback")
LEAK = re.compile(rb"/(?:home|root|tmp|usr|work|var|etc|opt)/|Traceback|\.py\b|site-packages")


def make_model(folder: Path, sizes: dict[str, Any]) -> int:
    """A model folder with weights drawn at random; how many it has."""
    import torch

    from trivium.base.seeds import torch_random
    from trivium.model.architecture import Architecture
    from trivium.model.transformer import Transformer
    from trivium.tokenizer import train
    from trivium.train.record import save_model_folder
    from trivium.world.documents import documents

    stream = documents(0, "train")
    tokenizer = train((next(stream).text for _ in range(2000)), VOCABULARY)
    shape = Architecture(vocab_size=tokenizer.vocab_size, max_positions=512, head_dim=64, **sizes)
    model, generator = Transformer(shape), torch_random(0, "serve")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.05, generator=generator)
    save_model_folder(model, tokenizer, folder)
    return sum(parameter.numel() for parameter in model.parameters())


@dataclass
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    began: float

    def ask(self, method: str, path: str, body: bytes | None = None, seconds: float = 60.0) -> tuple[int, bytes]:
        """Status and body of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()


@contextlib.contextmanager
def serving(model: Path, threads: int, *more: str) -> Iterator[Server]:
    """The server of a model folder, listening, ended politely afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = model.parent / f"serve-{port}.log"
    words = ["serve", str(model), "--port", str(port), "--threads", str(threads), "--device", "cpu", *more]
    began = time.perf_counter()
    process = start([*TRIVIUM, *words], log)
    try:
        while time.perf_counter() < began + 60:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if process.poll() is not None:
                sys.exit(f"the server ended:\n{log.read_text('utf-8')[-2000:]}")
            time.sleep(0.01)
        yield Server(process, port, log, began)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        end(process)


def prompt(number: int, words: int = 30) -> str:
    """Words that no other prompt has in that order, about as many tokens and two more."""
    return " ".join(random.Random(number).choices(WORDS, k=words))


async def stream(port: int, model: str, number: int, tokens: int, words: int = 30) -> tuple[int, list[float]]:
    """Tokens of one streamed answer, and when each piece of it came."""
    body = {"model": model, "prompt": prompt(number, words), "max_tokens": tokens, "seed": number, "stream": True}
    content = json.dumps({**body, "stream_options": {"include_usage": True}}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(content)}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\nConnection: close\r\n\r\n" + content)
    times: list[float] = []
    count = 0
    status = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in status.split(b"\r\n")[0]:
        sys.exit(f"the server refused: {status.decode()}{(await reader.read()).decode()}")
    while True:
        try:
            event = await reader.readuntil(b"\n\n")
        except asyncio.IncompleteReadError:
            break
        if told := TOKENS_TOLD.search(event):
            count = int(told[1])
        elif b"[DONE]" not in event:
            times.append(time.perf_counter())
    writer.close()
    return count, times


def together(server: Server, model: str, first: int, tokens: int) -> tuple[float, list[float]]:
    """Tokens a second of sixteen streams at once, and the gaps between the pieces of each."""

    async def all_of_them() -> list[tuple[int, list[float]]]:
        return await asyncio.gather(*(stream(server.port, model, first + one, tokens) for one in range(STREAMS)))

    began = time.perf_counter()
    found = asyncio.run(all_of_them())
    seconds = time.perf_counter() - began
    gaps = [later - earlier for _, times in found for earlier, later in itertools.pairwise(times)]
    return sum(count for count, _ in found) / seconds, gaps


def one_by_one(server: Server, model: str, first: int, tokens: int) -> float:
    """Tokens a second of sixteen streams, each after the one before."""
    began = time.perf_counter()
    count = sum(asyncio.run(stream(server.port, model, first + one, tokens))[0] for one in range(STREAMS))
    return count / (time.perf_counter() - began)


def grown(server: Server, model: str, requests: int) -> float:
    """Megabytes by which the server's memory grew from the first fifth of so many requests to the last."""
    drawn = random.Random(0)
    held: list[int] = []

    async def batch(first: int) -> None:
        sizes = [(drawn.randint(1, 60), drawn.randint(1, 200)) for _ in range(STREAMS - 4)]
        await asyncio.gather(*(stream(server.port, model, first + at, *size) for at, size in enumerate(sizes)))

    for first in range(0, requests, STREAMS):
        asyncio.run(batch(first))
        several = {"model": model, "prompt": prompt(first), "n": 3, "max_tokens": drawn.randint(1, 40)}
        server.ask("POST", "/v1/completions", json.dumps(several).encode())
        server.ask("POST", "/v1/embeddings", json.dumps({"model": model, "input": prompt(first)}).encode())
        server.ask("POST", "/v1/completions", drawn.choice(HOSTILE[:5]))
        gone = json.dumps({"model": model, "prompt": "x", "stream": True}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            caller.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(gone))
            caller.sendall(b"Content-Type: application/json\r\n\r\n" + gone)
        held.append(tree_memory(server.process.pid) or 0)
    fifth = max(1, len(held) // 5)
    tell(f"memory: {held[0] / 2**20:.0f} MB at first, {held[-1] / 2**20:.0f} MB after {requests} requests")
    return (statistics.median(held[-fifth:]) - statistics.median(held[:fifth])) / 2**20


def faults(server: Server, model: str, peer: str, examples: int) -> tuple[int, int]:
    """(requests that were answered as none may be, requests made)."""
    wrong = made = 0
    for path in PATHS:
        for body in HOSTILE:
            made += 1
            try:
                status, content = server.ask("POST", path, body.replace(b'"M"', json.dumps(model).encode()), 30)
            except (OSError, http.client.HTTPException) as error:
                tell(f"{path} {body[:60]!r}: {error}")
                wrong += 1
                continue
            told = any(found not in body for found in LEAK.findall(content))  # what we sent may be said again
            bad = status >= 500 or told or (status >= 400 and b'"error"' not in content)
            if bad:
                tell(f"{path} {body[:60]!r}: {status} {content[:300]!r}")
            wrong += bad
    command = [peer, str(SIDES / "serve_schemathesis.py"), f"http://127.0.0.1:{server.port}", model, str(examples)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        sys.exit(f"schemathesis failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    for line in said["wrong"]:
        tell(f"schemathesis: {line}")
    return wrong + len(said["wrong"]), made + said["made"]


def first_token(model: Path, threads: int) -> float:
    """Seconds from the start of the process to the first token that a caller has."""
    with serving(model, threads) as server:
        _, times = asyncio.run(stream(server.port, model.name, 0, 4))
        return times[0] - server.began


def measured(options: argparse.Namespace, folder: Path) -> Sequence[Figure]:
    """All figures."""
    weights, small = make_model(folder / "model", SIZES), make_model(folder / "small", SMALL)
    rounds = list(range(options.rounds))
    ones: list[float] = []
    sixteens: list[float] = []
    spread: list[float] = []
    with serving(folder / "model", options.threads) as server:
        together(server, "model", 10_000, 8)  # warm
        for number in rounds:
            ones.append(one_by_one(server, "model", number * STREAMS, options.tokens))
            speed, gaps = together(server, "model", number * STREAMS, options.tokens)
            sixteens.append(speed)
            spread.append(sorted(gaps)[int(0.99 * len(gaps))] / statistics.median(gaps))
            tell(f"one by one {ones[-1]:.0f} tokens/s, sixteen {speed:.0f}, gaps {spread[-1]:.1f} times the median")
        memory = grown(server, "model", options.requests)
        wrong, made = faults(server, "model", peer_python("schemathesis", PEER_PACKAGES), options.examples)
    cold = [first_token(folder / "small", options.threads) for _ in rounds]
    ratio = [many / one for many, one in zip(sixteens, ones, strict=True)]
    what: dict[str, Any] = {
        "note": f"{weights / 1e6:.1f}M weights, {options.tokens} tokens each; peer: ours, one by one"
    }
    return [
        Figure("serve_16_vs_1", ratio, rounds, "tokens/s", bar=5, aim=8, ours=sixteens, peer=ones, **what),
        Figure("serve_gap", spread, rounds, better="lower", bar=10, note="99th percentile over the median"),
        Figure("serve_memory_mb", [memory], [0], "MB", "lower", BAR_MB, note=f"{options.requests} requests"),
        Figure("serve_hostile", [wrong], [0], better="lower", bar=0, note=f"of {made} requests"),
        Figure("serve_first_token_s", cold, rounds, "s", "lower", 3.0, note=f"{small / 1e6:.1f}M weights"),
    ]


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="The server under many callers, hostile ones too.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of the server; 0 as it chooses itself")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--examples", type=int, default=12, help="of schemathesis, for each address and way")
    parser.add_argument("--quick", action="store_true", help="one round, 96 requests, few examples")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.requests, options.tokens, options.examples = 1, 96, 48, 2
    where = machine(options.threads or threads_here())
    with tempfile.TemporaryDirectory(prefix="trivium-serve-") as folder:
        finish("serve", measured(options, Path(folder)), where, quick=options.quick)


if __name__ == "__main__":
    main()
