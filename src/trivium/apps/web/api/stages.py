"""The models that a server offers: the stages of a run, or one model folder; each is loaded when it is first asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.apps.web.api.faults import ApiError, shown
from trivium.base.errors import RunError, UserError
from trivium.base.files import read_json
from trivium.journey.assistant import taught_single, writes
from trivium.journey.experts import TASK_FILE, Experts, expert_at, experts_of
from trivium.journey.runs import finished_models, is_run

if TYPE_CHECKING:
    from trivium.generate.generator import Generator
    from trivium.predict.encoder import Encoder

PRECISIONS = ("auto", "float32", "bfloat16")
VERBS = {"classify": "classify", "multilabel": "classify", "regress": "classify", "tag": "tag", "answer": "answer"}


@dataclass(frozen=True)
class Offer:
    """A model under the name that callers give. `can` holds chat, completions, embeddings, classify, tag, answer;
    `answers` tells whether it was taught to answer or only continues text, `single` whether it was taught single requests alone;
    `created` is in seconds since 1970."""

    name: str
    folder: Path
    can: tuple[str, ...]
    answers: bool
    created: int
    single: bool = False


class Stages:
    """What there is, and what of it is loaded. Loading may take place in any thread, one at a time."""

    def __init__(self, folder: Path, device: str = "auto", threads: int = 0, precision: str = "float32") -> None:
        """Text is written in `precision`, the same for all models. Raises RunError where the folder holds no model that can
        be served, UserError for a precision that is none."""
        if precision not in PRECISIONS:
            raise UserError(f"precision is '{precision}'; supported: {', '.join(PRECISIONS)}")
        self.folder, self.device, self.threads, self._precision = folder, device, threads, precision
        self.run = folder if is_run(folder) else None
        self.experts: Experts = experts_of(folder, device) if self.run else expert_at(folder, device)
        self.offers = {offer.name: offer for offer in (_of_run(folder, self.experts) if self.run else [_alone(folder)])}
        if not self.offers:
            raise RunError(f"{folder}: no stage has ended in a model that can be served yet; run its recipe first")
        self._writers: dict[str, Generator] = {}
        self._encoders: dict[str, Encoder] = {}
        self._loading = threading.RLock()

    @property
    def newest(self) -> Offer:
        """The newest model that writes, or the newest of all where none does."""
        writing = [offer for offer in self.offers.values() if "chat" in offer.can and "-" not in offer.name]
        return (writing or list(self.offers.values()))[-1]

    def find(self, name: str, verb: str) -> Offer:
        """The offer of that name. Raises ApiError where there is none, or where it cannot do what is asked."""
        there = [offer.name for offer in self.offers.values() if verb in offer.can]
        known = f"these can do that: {', '.join(there)}" if there else "no model of this server can do that"
        if name not in self.offers:
            sentence = f"there is no model {shown(name)}; {known}"
            raise ApiError(404, sentence, param="model", code="model_not_found")
        if name not in there:
            raise ApiError(400, f"the model '{name}' does no {verb}; {known}", param="model", code="model_cannot")
        return self.offers[name]

    def loaded(self, name: str) -> Generator | None:
        """The generator of that name where it is there already."""
        return self._writers.get(name)

    def writer(self, name: str) -> Generator:
        """The generator of that name."""
        with self._loading:
            if name not in self._writers:
                from trivium.generate.generator import load_generator

                folder = self.offers[name].folder
                writer = self._writers[name] = load_generator(folder, self.device, self.threads, self._precision)
                self._precision = str(writer.engine.dtype).removeprefix("torch.")  # measured once
            return self._writers[name]

    def encoder(self, name: str) -> Encoder:
        """What makes vectors with the model of that name; it shares the weights of its generator."""
        with self._loading:
            if name not in self._encoders:
                from trivium.base.device import choose_machine
                from trivium.predict.encoder import Encoder, load_encoder

                if writes(self.offers[name].folder):
                    machine = choose_machine(self.device, self.threads, "float32")
                    writer = self.writer(name)
                    self._encoders[name] = Encoder(writer.model, writer.tokenizer, machine)
                else:
                    self._encoders[name] = load_encoder(self.offers[name].folder, self.device, self.threads)
            return self._encoders[name]


def _of_run(run: Path, experts: Experts) -> list[Offer]:
    single = taught_single(run)
    found = [
        replace(_offer(name, folder, answers=name != "pretrain"), single=single and name != "pretrain")
        for name, folder in finished_models(run).items()
    ]
    return found + [_task(f"finetune-{name}", folder) for name, folder in experts.folders.items()]


def _alone(folder: Path) -> Offer:
    name = folder.resolve().name
    return _task(name, folder) if (folder / TASK_FILE).is_file() else _offer(name, folder, answers=name != "pretrain")


def _offer(name: str, folder: Path, *, answers: bool) -> Offer:
    can = ("chat", "completions", "embeddings") if writes(folder) else ("embeddings",)
    return Offer(name, folder, can, answers, int((folder / "config.json").stat().st_mtime))


def _task(name: str, folder: Path) -> Offer:
    content = read_json(folder / TASK_FILE)
    if content["view"] != "head":
        own = [VERBS[content["task"]["kind"]]] if VERBS.get(content["task"]["kind"]) == "classify" else []
        return Offer(name, folder, (*own, "chat", "completions"), True, int((folder / TASK_FILE).stat().st_mtime))
    return Offer(name, folder, (VERBS[content["task"]["kind"]],), False, int((folder / TASK_FILE).stat().st_mtime))
