"""Losses on judged answers: of scores, and of log-probabilities beside those of a reference. Every one is a sum.

Legend: N pairs (or ties, lists, ratings, verdicts), W answers in a list.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def bradley_terry(
    chosen: Tensor, rejected: Tensor, centring: float, margins: Tensor | float = 0.0, ties: float = 0.0
) -> Tensor:
    """Sum over pairs of -log P(chosen is preferred) + centring * (chosen + rejected)^2, in nats; scores and `margins` are
    (N,). With d = chosen - rejected - margin and v = `ties`,

        P = e^(d/2) / (e^(d/2) + e^(-d/2) + v),    which is sigmoid(d) where raters know no ties (v = 0)

    Bradley and Terry 1952; ties as in Davidson 1970 ("On extending the Bradley-Terry model to accommodate ties in paired
    comparison experiments"); the margin is that of Touvron et al. 2023 (Llama 2, eq. 2); the second term (Eisenstein et al.
    2023, eq. 2) keeps the mean near zero, which the first leaves free.
    """
    return (_not_won(chosen - rejected - margins, ties) + centring * (chosen + rejected) ** 2).sum()


def _not_won(ahead: Tensor, ties: float) -> Tensor:
    """-log P of `bradley_terry` at d = `ahead` (N,), in nats."""
    lost = -F.logsigmoid(ahead)
    return torch.logaddexp(lost, math.log(ties) - 0.5 * ahead) if ties else lost


def tied(first: Tensor, second: Tensor, ties: float) -> Tensor:
    """Sum over ties of -log P(tie), in nats; scores are (N,). With d = first - second and v = `ties` above zero,

        P = v / (e^(d/2) + e^(-d/2) + v)    (Davidson 1970)

    Of two equal answers v / (2 + v) of the judgements are ties. Least where the scores are equal.
    """
    ahead = first - second
    either = -0.5 * (F.logsigmoid(ahead) + F.logsigmoid(-ahead))  # log(e^(d/2) + e^(-d/2))
    return F.softplus(either - math.log(ties)).sum()


def best_of_list(scores: Tensor, real: Tensor) -> Tensor:
    """Sum over lists of -log softmax(scores)[0], in nats: the first of each list was preferred to all of its others
    (Ziegler et al. 2019, eq. 1). `scores` (N, W); `real` bool (N, W), False where a list is shorter."""
    return -scores.masked_fill(~real, float("-inf")).log_softmax(dim=-1)[:, 0].sum()


def rated(scores: Tensor, ratings: Tensor) -> Tensor:
    """Half of the summed squared distance of scores (N,) from standardised ratings (N,)."""
    return 0.5 * (scores - ratings).square().sum()


def sigmoid_preference(margins: Tensor, beta: float, smoothing: float = 0.0, ties: float = 0.0) -> Tensor:
    """Sum of -(1 - e) log P(beta m) - e log P(-beta m) for `margins` m (N,) and e = `smoothing`, in nats.

    m is log policy/reference of the chosen answer less that of the rejected one, and P(d) is sigmoid(d): DPO (Rafailov et al.
    2023, eq. 7); with e > 0 conservative DPO (Mitchell 2023, "A note on DPO with noisy preferences"), for raters who err so
    often. Where raters know `ties`, P is that of `bradley_terry`, and `tied` the likelihood of one: DPO-D (Chen et al. 2024,
    "On extending direct preference optimization to accommodate ties", section 3).
    """
    lost = (1.0 - smoothing) * _not_won(beta * margins, ties)
    return (lost + smoothing * _not_won(-beta * margins, ties)).sum() if smoothing else lost.sum()


def robust_preference(margins: Tensor, beta: float, smoothing: float) -> Tensor:
    """Sum of (-(1 - e) log sigmoid(beta m) + e log sigmoid(-beta m)) / (1 - 2 e): in expectation the loss without the
    errors of raters who err with chance e < 1/2 (Chowdhury et al. 2024, eq. 12). It may be negative."""
    right, wrong = F.logsigmoid(beta * margins), F.logsigmoid(-beta * margins)
    return -((1.0 - smoothing) * right - smoothing * wrong).sum() / (1.0 - 2.0 * smoothing)


def identity_preference(margins: Tensor, beta: float) -> Tensor:
    """Sum of (m - 1 / (2 beta))^2 for margins (N,) of mean log-ratios a token: IPO (Azar et al. 2023, eq. 17)."""
    return (margins - 1.0 / (2.0 * beta)).square().sum()


def prospect(gains: Tensor, good: Tensor, drift: Tensor, beta: float, weights: tuple[float, float]) -> Tensor:
    """Sum over verdicts of w (1 - sigmoid(+-beta (gain - drift))), + where `good` (bool (N,)), - where not.

    `gains` (N,) are log policy/reference of an answer; `drift` is how far the policy has moved in general, a number of 0
    or more without a gradient; `weights` are w of the good and of the bad: KTO (Ethayarajh et al. 2024, eq. 8).
    """
    worth = torch.where(good, gains - drift, drift - gains)
    weight = torch.where(good, weights[0], weights[1])
    return (weight * (1.0 - torch.sigmoid(beta * worth))).sum()
