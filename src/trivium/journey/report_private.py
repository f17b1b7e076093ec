"""What of a run's texts may stand on a page that others see: personal data always replaced, texts left out where asked.

Addresses, numbers and keys are found by the rules of `data.private`; names are not found by rules, so a page that must hold none
is written without samples.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from trivium.data.private import KINDS, PrivateSettings, redact
from trivium.journey.report_read import Run, Sample

TEXTS = {"gather": ("samples", "names"), "tokenize": ("sample", "longest_tokens", "frequent_tokens")}


def shareable(run: Run, *, samples: bool = True) -> Run:
    """The run with personal data in its samples replaced by placeholders; without `samples` it holds no text of the data, of
    prompts or of answers."""
    if not samples:
        gather, tokenize = (
            {key: value for key, value in content.items() if key not in TEXTS[name]}
            for name, content in (("gather", run.gather), ("tokenize", run.tokenize))
        )
        return replace(run, samples=(), gather=gather, tokenize=tokenize)
    gather = {key: redacted(value) if key in TEXTS["gather"] else value for key, value in run.gather.items()}
    return replace(run, samples=tuple(_redacted(one) for one in run.samples), gather=gather)


def _redacted(sample: Sample) -> Sample:
    changed = {name: redacted(getattr(sample, name)) for name in ("prompt", "answers", "reference")}
    return sample.model_copy(update=changed)


def redacted(value: Any) -> Any:
    """`value` with the personal data in every text inside it replaced by placeholders, as far as rules find them."""
    known = [kind for kind in KINDS if kind != "phone" or find_spec("phonenumbers") is not None]
    return _clean(value, PrivateSettings(find=tuple(known)))


def _clean(value: Any, settings: PrivateSettings) -> Any:
    if isinstance(value, str):
        return redact(value, settings).text
    if isinstance(value, dict):
        return {key: _clean(one, settings) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one, settings) for one in value]
    return value
