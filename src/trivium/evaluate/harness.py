"""lm-evaluation-harness on Trivium's models: the one file that imports it.

`harness_model` gives it a decoder (its three methods: loglikelihood, loglikelihood_rolling, generate_until) or a masked model
(loglikelihood by pseudo-log-likelihood inside the gap, which the harness itself has not); `run_harness` runs its tasks.
A request that came before is answered from memory; the harness's own cache is not used, because it pickles.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trivium.base.errors import MissingExtra, UserError
from trivium.evaluate.readers import CausalReader, MaskedReader, Question, Reader
from trivium.generate.options import Ask, Told, log_likelihoods

LONGEST = 256  # tokens of an answer, where a task says nothing (the harness's own number)


def require() -> None:
    """Raises MissingExtra where lm-evaluation-harness is not installed."""
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        raise MissingExtra("lm-eval", "eval", "running lm-evaluation-harness") from None


def harness_model(reader: Reader, *, document_start: bool = True) -> Any:
    """An `lm_eval` model over a reader. `document_start` puts the end of a document before every text, as in training; without
    it requests are what the harness's own `--model hf` makes of them."""
    require()
    if isinstance(reader, MaskedReader):
        return _masked_model(reader)
    assert isinstance(reader, CausalReader)
    return _causal_model(reader, document_start)


def _causal_model(reader: CausalReader, document_start: bool) -> Any:
    from lm_eval.api.model import TemplateLM
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    class Model(TemplateLM):  # type: ignore[misc]
        """A Trivium decoder."""

        def __init__(self, reader: CausalReader) -> None:
            super().__init__()
            self.model, self.words = reader.generator.model, reader.generator.tokenizer
            self.reader = reader
            self.known: dict[tuple[tuple[int, ...], tuple[int, ...]], Told] = {}

        @property
        def eot_token_id(self) -> int:
            return int(self.words.end_of_text)

        @property
        def max_length(self) -> int:
            return int(self.model.shape.max_positions)

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **given: Any) -> list[int]:
            start = document_start and add_special_tokens is not False
            return [self.eot_token_id, *self.words.encode(string)] if start else self.words.encode(string)

        def _loglikelihood_tokens(
            self, requests: Sequence[tuple[Any, list[int], list[int]]], **given: Any
        ) -> list[tuple[float, bool]]:
            pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
            for _, context, option in requests:
                if len(option) > self.max_length:
                    raise UserError(
                        f"an option has {len(option)} tokens; the model reads {self.max_length}: take a model that reads more"
                    )
                pairs.append((tuple(context[-(self.max_length + 1 - len(option)) :]), tuple(option)))
            asks: dict[tuple[int, ...], dict[tuple[int, ...], None]] = {}
            for pair in pairs:
                if pair not in self.known:
                    asks.setdefault(pair[0], {})[pair[1]] = None
            told = log_likelihoods(self.model, [Ask(prompt, tuple(options)) for prompt, options in asks.items()])
            for (prompt, options), found in zip(asks.items(), told, strict=True):
                self.known.update(zip(((prompt, one) for one in options), found, strict=True))
            return [(self.known[pair].total, self.known[pair].greedy) for pair in pairs]

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
            windows: list[tuple[None, list[int], list[int]]] = []
            owners: list[int] = []
            for number, request in enumerate(requests):
                ids = self.words.encode(request.args[0])
                cut = get_rolling_token_windows(ids, self.eot_token_id, self.max_length, 1)
                windows += [(None, *make_disjoint_window(one)) for one in cut]
                owners += [number] * (len(windows) - len(owners))
            sums = [0.0] * len(requests)
            for owner, (total, _) in zip(owners, self._loglikelihood_tokens(windows), strict=True):
                sums[owner] += total
            return sums

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return _generated(self, requests)

    return Model(reader)


def _masked_model(reader: MaskedReader) -> Any:
    from lm_eval.api.model import TemplateLM

    class Masked(TemplateLM):  # type: ignore[misc]
        """A masked model: an option is read inside the gap behind its context, from left to right."""

        def __init__(self, reader: MaskedReader) -> None:
            super().__init__()
            self.reader, self.words = reader, reader.encoder.tokenizer

        @property
        def eot_token_id(self) -> int:
            return int(self.words.pad)

        @property
        def max_length(self) -> int:
            return int(self.reader.encoder.model.shape.max_positions)

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **given: Any) -> list[int]:
            return self.words.encode(string)

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            told = self.reader.judge([Question(one.args[0], (one.args[1],)) for one in requests])
            return [(one[0].total, one[0].greedy) for one in told]

        def _loglikelihood_tokens(self, requests: Any, **given: Any) -> list[tuple[float, bool]]:
            raise AssertionError("loglikelihood is our own")

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
            return self.reader.whole([one.args[0] for one in requests])

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return self.reader.write([], 0)

    return Masked(reader)


def _generated(lm: Any, requests: Sequence[Any]) -> list[str]:
    """Greedy texts, cut before the first of each request's stopping strings."""
    prompts, most, ends = [], [], []
    for request in requests:
        text, given = request.args
        known = {"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k"}
        if given.get("do_sample") or set(given) - known:
            raise UserError(f"the task asks for {dict(given)}; texts are written greedily, with until and max_gen_toks")
        until = given.get("until") or []
        most.append(min(int(given.get("max_gen_toks", LONGEST)), lm.max_length - 1))
        ends.append([until] if isinstance(until, str) else list(until))
        prompts.append(lm.tok_encode(text)[-(lm.max_length - most[-1]) :])
    found = [""] * len(requests)
    for limit in sorted(set(most)):
        same = [number for number, one in enumerate(most) if one == limit]
        answers = lm.reader.generator.complete([prompts[number] for number in same], max_new_tokens=limit)
        for number, answer in zip(same, answers, strict=True):
            found[number] = _cut(lm.words.decode(answer.ids), ends[number])
    return found


def _cut(text: str, ends: Sequence[str]) -> str:
    for end in ends:
        if end:
            text = text.split(end)[0]
    return text


def run_harness(
    reader: Reader,
    tasks: Sequence[str],
    *,
    shots: int | None = None,
    include: Path | None = None,
    items: int | None = None,
    document_start: bool = True,
    seed: int = 0,
) -> dict[str, Any]:
    """The harness's results of tasks by name (its own, or those whose YAML files lie in `include`).

    {task: {metric: value}}, with "alias", "..._stderr" and the number of items as the harness tells them. Raises UserError
    for an unknown task, and where its data cannot be had.
    """
    require()
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    path = None if include is None else str(include)
    manager = TaskManager(include_path=path, include_defaults=path is None)
    if path is not None and any(name not in manager.all_tasks for name in tasks):
        manager = TaskManager(include_path=path)  # its own thousands take a while to be listed
    unknown = [name for name in tasks if name not in manager.all_tasks]
    if unknown:
        raise UserError(
            f"lm-evaluation-harness has no task {', '.join(unknown)}; `lm-eval ls tasks` lists those it has"
        )
    try:
        found: Mapping[str, Any] | None = simple_evaluate(
            harness_model(reader, document_start=document_start),
            tasks=list(tasks),
            num_fewshot=shots,
            limit=items,
            task_manager=manager,
            bootstrap_iters=1000,
            log_samples=False,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    except (OSError, ConnectionError, RuntimeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"lm-evaluation-harness could not run {', '.join(tasks)} ({reason}); its own tasks fetch their data from the "
            "network: connect this machine, or give local tasks with --include FOLDER"
        ) from None
    assert found is not None
    counts = found.get("n-samples", {})
    return {
        name: {**_plain(scores), "items": counts.get(name, {}).get("effective")}
        for name, scores in found["results"].items()
    }


def _plain(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics by name; the harness writes 'acc,none' for a metric without a filter."""
    return {name.removesuffix(",none"): value for name, value in scores.items()}
