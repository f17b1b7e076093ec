"""What a run learned besides talking: the models of its `finetune-NAME` stages, found by what they are asked for.

A run may hold several; each is loaded when first asked. `trivium.load(run).classify(...)` and `trivium predict` come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.errors import RunError, UserError
from trivium.base.files import read_json
from trivium.journey.graph import is_named
from trivium.journey.record import read_record
from trivium.journey.runs import stages_of

if TYPE_CHECKING:
    from trivium.evaluate.prompted import Prompted
    from trivium.predict.encoder import Encoder
    from trivium.predict.predictor import Judged, Predictor
    from trivium.task.items import Labelled

TASK_FILE = "trivium/task.json"


class Experts:
    """The tasks of a run by name (that of the stage without its base), and its pre-trained model."""

    def __init__(self, folders: dict[str, Path], pretrained: Path | None, device: str) -> None:
        self.folders, self.pretrained, self.device = folders, pretrained, device
        self._loaded: dict[str, Predictor | Prompted] = {}
        self._encoder: Encoder | None = None

    def kind(self, name: str) -> str:
        """What kind of task it is. Raises RunError naming those that there are."""
        return str(self._content(name)["task"]["kind"])

    def named(self, name: str) -> Predictor | Prompted:
        """The model of a task. Raises RunError naming those that there are."""
        if name not in self._loaded:
            content = self._content(name)
            if content["view"] == "head":
                from trivium.predict.predictor import load_predictor

                self._loaded[name] = load_predictor(self.folders[name], self.device)
            else:
                from trivium.evaluate.prompted import load_prompted

                self._loaded[name] = load_prompted(self.folders[name], self.device)
        return self._loaded[name]

    def only(self, kinds: Sequence[str], name: str | None = None) -> Any:
        """The model of `name`, or of the one task of these kinds. Raises UserError where there is none, or several."""
        fitting = [one for one in self.folders if self.kind(one) in kinds]
        if name is None and len(fitting) != 1:
            there = f"there are {', '.join(fitting)}: name one with task=" if fitting else "it has none"
            raise UserError(f"this needs one task of kind {' or '.join(kinds)}; {there}")
        chosen = name or fitting[0]
        if self.kind(chosen) not in kinds:
            raise UserError(f"'{chosen}' is a task of kind {self.kind(chosen)}, not {' or '.join(kinds)}")
        return self.named(chosen)

    def classify(self, texts: Sequence[str | tuple[str, str] | Labelled], name: str | None = None) -> list[Judged]:
        """What each text is, by a head or by a prompt."""
        found: list[Judged] = self.only(("classify", "multilabel", "regress"), name).classify(texts)
        return found

    @property
    def encoder(self) -> Encoder:
        """The pre-trained model, for vectors and gaps. Raises RunError where there is none."""
        if self._encoder is None:
            if self.pretrained is None:
                raise RunError("there is no pre-trained model in this run yet")
            from trivium.predict.encoder import load_encoder

            self._encoder = load_encoder(self.pretrained, self.device)
        return self._encoder

    def _content(self, name: str) -> Any:
        if name not in self.folders:
            known = f"there are {', '.join(self.folders)}" if self.folders else "it was fine-tuned on none"
            raise RunError(f"there is no task '{name}'; {known}")
        return read_json(self.folders[name] / TASK_FILE)


def experts_of(run: Path, device: str = "auto") -> Experts:
    """The finished tasks of a run folder."""
    folders = {
        name.partition("-")[2]: run / name
        for name in stages_of(run)
        if is_named(name, "finetune") and (run / name / TASK_FILE).is_file() and read_record(run / name)
    }
    pretrained = run / "pretrain"
    return Experts(folders, pretrained if (pretrained / "config.json").is_file() else None, device)


def expert_at(folder: Path, device: str = "auto") -> Experts:
    """A model folder alone: its task, if it has one, and the model itself."""
    name = folder.resolve().name
    return Experts({name: folder} if (folder / TASK_FILE).is_file() else {}, folder, device)
