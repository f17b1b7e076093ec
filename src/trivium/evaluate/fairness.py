"""Bias and memory of every model of a run, before and after each phase, as far as a recipe asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from trivium.base.device import choose_machine
from trivium.base.errors import Interrupted
from trivium.base.progress import Context, Progress
from trivium.evaluate.bias import bias_rows
from trivium.evaluate.bias_settings import BiasSettings
from trivium.evaluate.likelihood import Judge
from trivium.evaluate.privacy import privacy_rows
from trivium.evaluate.privacy_settings import PrivacySettings
from trivium.model.transformer import Transformer
from trivium.tokenizer import Tokenizer


class Loaded(Protocol):
    """A model with its tokenizer."""

    @property
    def model(self) -> Transformer: ...

    @property
    def tokenizer(self) -> Tokenizer: ...


def fairness_scores(
    bias: BiasSettings | None, privacy: PrivacySettings | None, models: Mapping[str, Loaded], context: Context
) -> list[dict[str, Any]]:
    """Score rows of the models, by stage; none where neither is asked for. Raises Interrupted where the user stops it."""
    if bias is None and privacy is None:
        return []
    machine = choose_machine(context.device, context.threads, "float32")
    rows: list[dict[str, Any]] = []
    for number, (name, loaded) in enumerate(models.items()):
        if context.stopping():
            raise Interrupted("stopped while measuring; the same command measures again")
        judge = Judge(loaded.model, loaded.tokenizer, machine)
        if bias is not None:
            context.report(Progress("evaluate", number, len(models), unit="models", note=f"bias of {name}"))
            rows += bias_rows(bias, name, judge)
        if privacy is not None:
            context.report(Progress("evaluate", number, len(models), unit="models", note=f"what {name} remembers"))
            rows += privacy_rows(privacy, name, judge, context.inputs["gather"], context.seed)
    return rows
