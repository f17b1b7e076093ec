"""What processes of the distributed tests do; run as `python -m tests.train.work WHAT FOLDER`, once a process."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import save_file

from tests.model.shapes import SHAPE, random_model
from trivium.base.device import Machine
from trivium.base.progress import Context
from trivium.base.ranks import ALONE, Parallel, Ranks
from trivium.base.words import Batch
from trivium.generate.engine import Engine
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.rl.answers import answer_figures, collect, describe, refer, reward, sampler_error, sequence_kl
from trivium.rl.guards import Guards
from trivium.rl.pairs import Judged, pair_batches
from trivium.rl.players import Players
from trivium.rl.prompts import Prompt
from trivium.rl.reference import Reference
from trivium.rl.rewards import LearnedReward, Normaliser, Rewards
from trivium.rl.tuning import Tuning
from trivium.stages import align_dpo, align_kto
from trivium.stages.align_rloo import AlignSettings, add_gradients, advantage
from trivium.stages.reward import RewardSettings, loss_of
from trivium.train.distributed import Team, join
from trivium.train.fit import Job, fit, make_optimizer
from trivium.train.layout import Layout, place
from trivium.train.pieces import pieces_to_bytes
from trivium.train.step import accumulate, next_token_loss, supervised_tokens

CPU = Machine(torch.device("cpu"), torch.float32, 1)
ROWS = 7  # of a step: 2 and 4 processes have shares of different sizes
STEPS = 8
KINDS: tuple[Parallel, ...] = ("replicate", "shard")


def packed_batch(seed: int, rows: range = range(ROWS), length: int = 11) -> Batch:
    """Rows of two documents each, of different lengths, some targets without weight: always the same `ROWS` for a seed."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, SHAPE.vocab_size, (ROWS, length + 1), generator=generator)
    weights = (torch.rand(ROWS, length, generator=generator) < torch.rand(ROWS, 1, generator=generator)).float()
    weights[0, 0] = 1.0
    cuts = torch.randint(1, length, (ROWS, 1), generator=generator)
    places = torch.arange(length).expand(ROWS, -1)
    segments = (places >= cuts).long()
    positions = places - cuts * segments
    every = Batch(tokens[:, :-1], tokens[:, 1:], weights, segments, positions)
    part = slice(rows.start, rows.stop)
    return Batch(*(getattr(every, name)[part] for name in ("tokens", "targets", "weights", "segments", "positions")))


def batches_for(ranks: Ranks, most: int) -> Callable[[int], list[Batch]]:
    """A step's micro-batches of `most` rows for a process."""
    return lambda step: [packed_batch(step, part) for part in ranks.parts(ROWS, most)]


def gradients(layout: Layout, most: int) -> dict[str, torch.Tensor]:
    """The gradient of step 0, as this process holds it, and the sum of the losses."""
    ranks, team = layout.team.ranks, layout.team
    batches = batches_for(ranks, most)(0)
    (count,) = team.sum(supervised_tokens(batches))
    loss = accumulate(layout.model, batches, next_token_loss, count, CPU, layout.before_last)
    layout.reduce()
    found = {name: p.grad.clone() for name, p in layout.parameters() if p.grad is not None}
    for _, parameter in layout.parameters():
        parameter.grad = None
    return {f"g.{name}": gradient for name, gradient in found.items()} | {
        "loss": torch.tensor(team.sum(float(loss.sum())))
    }


def job(layout: Layout, optimizer: str, seconds: float = 1e9, most: int = 2) -> Job:
    return Job(
        steps=STEPS,
        batches=batches_for(layout.team.ranks, most),
        optimizer=OptimizerSettings(name=optimizer, weight_decay=0.1),  # type: ignore[arg-type]
        schedule=ScheduleSettings(warmup=2, decay_share=0.5),
        machine=CPU,
        checkpoint_seconds=seconds,
        layout=layout,
    )


def losses_of(layout: Layout, work: Job, context: Context) -> list[float]:
    return [row.loss for row in fit(layout.model, work, context)]


def aligned(layout: Layout) -> dict[str, torch.Tensor]:
    """The weights after a step of alignment with five prompts, and what the log says of it."""
    settings = AlignSettings(prompts_per_step=5, answers_per_prompt=4, max_new_tokens=6, micro_batches=2)
    team, policy = layout.team, layout.model
    nothing: Any = SimpleNamespace(pad=0)
    players = Players(
        policy=policy,
        reference=random_model(seed=1).eval(),
        reward=Rewards(
            {"learned": LearnedReward(random_model(head="score"), Normaliser(0.1, 2.0))}, {}, {"learned": 1.0}, nothing
        ),
        engine=Engine(policy, (1, 2, 3), slots=4),
        prompts=[Prompt(ids, ()) for ids in ((10,), (11, 12, 13), (14, 15), (16,))],
        looks=[],
        instructions=nothing,
        tokenizer=nothing,
        layout=layout,
    )
    group = collect(players, settings, 7, 1)
    rewards, kl = reward(players, group, settings), sequence_kl(group, refer(players, group, settings))
    returns = rewards - settings.kl_weight * kl
    told = describe(team.rows(answer_figures(group, rewards, kl, returns)), settings.answers_per_prompt)
    optimizer = make_optimizer(policy, settings.optimizer, layout)
    assert sampler_error(players, group, settings).largest < 1e-4
    lessons = batches_for(team.ranks, 2)(0)
    add_gradients(players, group, advantage(returns, settings.answers_per_prompt), settings, lessons)
    norm = Guards(0.0).step(1, optimizer, 1.0)
    figure = {f"told.{name}": torch.tensor(value) for name, value in {**told, "norm": norm}.items()}
    return {**{name: p.detach().clone() for name, p in policy.named_parameters()}, **figure}


JUDGED = [
    Judged(
        tuple((number + 5, number + 6, *range(20, 20 + number + more)) for more in (1, 4, 2)),
        ((0, 1), (2, 0)),
        (2, 2, 2),
        verdicts=((0, True), (1, False), (2, True)),
    )
    for number in range(6)
]


def gradients_of(layout: Layout, batches: list[Any], objective: Any, count: float) -> dict[str, torch.Tensor]:
    """The gradient of the objective's sum over all processes' batches and their `count`s."""
    (total,) = layout.team.sum(count)
    accumulate(layout.model, batches, objective, total, CPU, layout.before_last)
    layout.reduce()
    return {name: p.grad.clone() for name, p in layout.parameters() if p.grad is not None}


def scored(layout: Layout) -> dict[str, torch.Tensor]:
    """The gradient of a step of the reward model on five of six requests."""
    batch = pair_batches(JUDGED, 5, 3, 0, 0, layout.team.ranks.share(5))
    return gradients_of(layout, [batch], lambda model, one: loss_of(model, one, RewardSettings()), batch.said)


def preferred(layout: Layout, method: str) -> dict[str, torch.Tensor]:
    """The gradient of a step of DPO or KTO on five of six requests, in as many micro-batches as there are processes or so."""
    frozen, tokenizer = random_model(seed=1).eval(), SimpleNamespace(pad=0)
    settings: Any = {
        "dpo": align_dpo.DpoSettings(batch_size=5, micro_batches=2),
        "kto": align_kto.KtoSettings(batch_size=5),
    }[method]
    tuning = Tuning(settings, Reference(layout.model, frozen), layout, tokenizer, None, 3)  # type: ignore[arg-type]
    if method == "dpo":
        pairs = align_dpo.batches_of(JUDGED, None, 0, settings, tuning)
        count = sum(batch.pairs.pairs for batch in pairs if isinstance(batch, align_dpo.DpoBatch))
        return gradients_of(layout, pairs, align_dpo.objective_of(settings, tuning.reference, []), count)
    known = [torch.zeros(len(request.answers)) for request in JUDGED]
    said = align_kto.batches_of(JUDGED, known, 5, 0, tuning)
    count = sum(len(batch.judged) for batch in said if isinstance(batch, align_kto.KtoBatch))
    return gradients_of(layout, said, align_kto.objective_of(settings, []), count)


def exact(folder: Path, ranks: Ranks) -> None:
    """Gradients for micro-batches of 1, 2 and all rows, and training with each optimizer, both ways to share a model; and
    a step of alignment."""
    for kind in KINDS:
        with join(Context(folder, {}, device="cpu", threads=1, ranks=ranks, parallel=kind), "float32") as team:
            layout = place(random_model(), team)
            for most in (1, 2, ROWS):
                pieces = layout.pieces(gradients(layout, most), own=())
                (folder / f"{kind}-{most}.{ranks.rank}.safetensors").write_bytes(pieces_to_bytes(pieces))
            layout = place(random_model(head="score"), team)
            pieces = layout.pieces({f"g.{name}": value for name, value in scored(layout).items()}, own=())
            (folder / f"{kind}-scored.{ranks.rank}.safetensors").write_bytes(pieces_to_bytes(pieces))
            for optimizer in ("muon", "adamw"):
                layout = place(random_model(), team)
                context = Context(folder / f"{kind}-{optimizer}", {}, ranks=ranks)
                losses = losses_of(layout, job(layout, optimizer), context)
                whole = layout.whole()
                if whole is not None:
                    save_file(dict(whole.state_dict()), folder / f"{kind}-{optimizer}.safetensors")
                    (folder / f"{kind}-{optimizer}.json").write_text(json.dumps(losses))

    with join(Context(folder, {}, device="cpu", threads=1, ranks=ranks), "float32") as team:
        found = aligned(place(random_model(), team, whole=True))
        save_file(found, folder / f"aligned.{ranks.rank}.safetensors")
        for method in ("dpo", "kto"):
            found = preferred(place(random_model(), team, whole=True), method)
            save_file(found, folder / f"{method}.{ranks.rank}.safetensors")


def die(folder: Path, ranks: Ranks) -> None:
    """Train with a checkpoint after every step, from the one that is there; the last process is killed in step 6."""
    with join(Context(folder, {}, device="cpu", threads=1, ranks=ranks, parallel="shard"), "float32") as team:
        layout = place(random_model(seed=ranks.size), team)
        whole = job(layout, "muon", seconds=0.0)

        def batches(step: int) -> Any:
            if step == 5 and ranks.rank == ranks.size - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return whole.batches(step)

        context = Context(folder, {}, ranks=ranks)
        losses = []
        for row in fit(layout.model, Job(**{**vars(whole), "batches": batches}), context):
            losses.append(row.loss)
            if ranks.first:
                (folder / "losses.json").write_text(json.dumps(losses))


def alone() -> Team:
    return Team(CPU, ALONE)


if __name__ == "__main__":
    here = Ranks(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")))
    torch.set_num_threads(1)
    {"exact": exact, "die": die}[sys.argv[1]](Path(sys.argv[2]), here)
