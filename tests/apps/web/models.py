"""A run with models for tests, as small as can be, and its server: real, on a free port of loopback, stopped at the end."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from tests.journey.fake_run import finish
from tests.model.shapes import random_model
from trivium.apps.web.api.application import build
from trivium.apps.web.api.site import Bounds, Site
from trivium.apps.web.api.stages import Stages
from trivium.apps.web.serve import listen
from trivium.base.device import choose_machine
from trivium.feedback.database import Database
from trivium.journey.record import read_record, write_record
from trivium.model.architecture import Architecture
from trivium.stages.finetune_task import FinetuneTaskSettings, save
from trivium.task.declaration import Task
from trivium.tokenizer import Tokenizer
from trivium.tokenizer import train as train_tokenizer
from trivium.train.record import save_model_folder
from trivium.tune.setup import Setup, make_model
from trivium.world.documents import documents

LIMIT = 160  # tokens that the models read
SIZES = {"num_layers": 1, "num_heads": 2, "num_kv_heads": 2, "head_dim": 16, "intermediate_size": 48}
TASKS = {
    "mood": ({"kind": "classify", "data": {"train": "x"}}, ("bad", "good")),
    "names": ({"kind": "tag", "data": {"train": "x"}}, ("O", "B-PER", "I-PER", "E-PER", "S-PER")),
    "facts": ({"kind": "answer", "data": {"train": "x"}}, ()),
}


def make_run(folder: Path) -> Path:
    """A run whose stages pretrain and align hold models drawn at random, and a task of each kind with a head."""
    stream = documents(0, "train")
    tokenizer = train_tokenizer((next(stream).text for _ in range(100)), 400)
    for number, name in enumerate(("pretrain", "align")):
        model = random_model(Architecture(vocab_size=400, hidden_size=32, max_positions=LIMIT, **SIZES), seed=number)
        save_model_folder(model, tokenizer, folder / name)
        finish(folder, name)
    for name, (given, labels) in TASKS.items():
        task = Task.model_validate(given)
        machine = choose_machine("cpu", 1, "float32")
        base = Tokenizer.load(folder / "pretrain")
        setup = Setup(FinetuneTaskSettings(task=task), task, labels, folder / "pretrain", base, machine, 0)
        save(setup, make_model(setup), folder / f"finetune-{name}")
        record = read_record(folder / "align")
        assert record is not None
        write_record(folder / f"finetune-{name}", record)
    (folder / "recipe.yaml").write_text(json.dumps({"name": folder.name, "pretrain": {}, "align": {}}))
    return folder


@dataclass
class Served:
    """A server that is running."""

    site: Site
    port: int
    server: uvicorn.Server

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, token: str = "none") -> Any:
        """The official client, which tries nothing twice."""
        import openai

        return openai.OpenAI(base_url=f"{self.address}/v1", api_key=token, max_retries=0, timeout=30)


@contextlib.contextmanager
def serving(folder: Path, ratings: Path | None = None, **more: Any) -> Iterator[Served]:
    """The server of a run for the length of the block; `more` are bounds, the precision, or fields of the site."""
    precision = more.pop("precision", "float32")
    bounds = {name: more.pop(name) for name in list(more) if name in Bounds.__dataclass_fields__}
    database = Database(ratings) if ratings else None
    site = Site(Stages(folder, "cpu", 1, precision), Bounds(**{"slots": 8, **bounds}), database=database, **more)
    bound = listen("127.0.0.1", 0)
    bound.listen(64)
    config = uvicorn.Config(build(site), log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    site.scheduler.start()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield Served(site, bound.getsockname()[1], server)
    finally:
        server.should_exit = True
        thread.join(20)
        site.close(5)
        bound.close()
    assert not thread.is_alive(), "the server did not stop"


class Slow:
    """A session that takes its time, so that something can happen meanwhile."""

    def __init__(self, session: Any, seconds: float) -> None:
        self._session, self._seconds = session, seconds
        self.add, self.cancel = session.add, session.cancel

    @property
    def busy(self) -> bool:
        return bool(self._session.busy)

    def step(self) -> Any:
        time.sleep(self._seconds)
        return self._session.step()


def slowed(server: Served, seconds: float = 0.02) -> None:
    before = server.site._open
    server.site.scheduler._open_session = lambda name: Slow(before(name), seconds)
