"""Learning rates that fall with depth: what is close to the input changes least."""

from __future__ import annotations

from collections.abc import Callable


def layer_share(decay: float, layers: int) -> Callable[[str], float]:
    """What of the learning rate a parameter has: all of it in the head, `decay` of it in the last block, and so on down to
    the embeddings (Howard and Ruder 2018, section 3.2)."""

    def share(name: str) -> float:
        if name.startswith("blocks."):
            return float(decay ** (layers - int(name.split(".")[1])))
        return float(decay ** (layers + 1)) if "embedding" in name.split(".")[0] else 1.0

    return share
