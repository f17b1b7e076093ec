"""Looks at requests that no step learns from: what the policy earns there, how far it has moved, and what a rater says.

A look draws one answer to each request, always with the same numbers. The reward there is still the reward model's opinion:
`fresh_ratings` has each answer judged against the tuned model's, noise and all, so that a fooled reward model shows. The
utility itself is not read, and nothing learns from what is judged here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from trivium.base.seeds import derive, python_random
from trivium.generate.engine import Engine
from trivium.generate.sampling import Sampling
from trivium.rl.answers import refer, reward, sequence_kl
from trivium.rl.players import Players
from trivium.rl.rollouts import Group, Sampler, sample_groups
from trivium.rl.settings import PolicySettings
from trivium.world import rater

Said = tuple[str, bool]  # an answer, and whether it ended by itself


@dataclass
class Looks:
    """What is looked at, and the tuned model's answers to it, drawn once."""

    players: Players
    settings: PolicySettings
    seed: int
    _tuned: list[Said] = field(default_factory=list)

    def look(self) -> dict[str, float]:
        """`heldout_reward` and `heldout_kl`, means over the requests, with the reward's standard error; and, where there are
        fresh ratings, `fresh_wins`: the share of the answers preferred to the tuned model's, alike ones split."""
        players, team = self.players, self.players.team
        own = team.ranks.share(len(players.looks))
        group = self._draw(own)
        rewards = reward(players, group, self.settings)
        columns = [rewards, sequence_kl(group, refer(players, group, self.settings))]
        if self.settings.fresh_ratings != "none":
            if not self._tuned:
                with players.as_reference() as tuned:
                    self._tuned = self._said(self._draw(own, Engine(tuned, players.stops)))
            columns.append(self._judged(own, self._said(group)).to(rewards.device))
        every = team.rows(torch.stack(columns, dim=1))
        scored = every[every[:, 0].isfinite(), 0]
        found = {
            "heldout_reward": float(scored.mean()),
            "heldout_error": float(scored.std()) / max(1, len(scored)) ** 0.5 if len(scored) > 1 else 0.0,
            "heldout_kl": float(every[:, 1].mean()),
        }
        if len(columns) > 2:
            found |= {"fresh_wins": float(every[:, 2].mean()), "fresh_pairs": len(every)}
        return found

    def _draw(self, own: range, engine: Sampler | None = None) -> Group:
        players, settings = self.players, self.settings
        players.policy.eval()
        prompts = [players.looks[number] for number in own]
        sampling = Sampling(settings.max_new_tokens, settings.temperature)
        seed = derive(self.seed, "look")
        ids, pad = [prompt.ids for prompt in prompts], players.tokenizer.pad
        group = sample_groups(engine or players.engine, ids, 1, sampling, seed, pad, own.start)
        return replace(group, asked=prompts)

    def _said(self, group: Group) -> list[Said]:
        texts = [self.players.tokenizer.decode(answer).strip() for answer in group.answers]
        return list(zip(texts, group.rollout.ended.tolist(), strict=True))

    def _judged(self, own: range, said: list[Said]) -> Tensor:
        """1 where the new answer was preferred, 0 where the tuned model's was, 1/2 where they are the same."""
        found = []
        for number, new, old in zip(own, said, self._tuned, strict=True):
            asked = self.players.looks[number].text
            random = python_random(self.seed, "look", number)
            first = rater.judge(asked, new[0], old[0], random, ended=(new[1], old[1])) == 0
            found.append(0.5 if new == old else float(first))
        return torch.tensor(found)
