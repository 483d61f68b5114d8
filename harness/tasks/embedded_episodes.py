"""Episodes whose images were embedded beforehand, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.progress import Progress
from harness.tasks.batch import EpisodeBatch

if TYPE_CHECKING:
    from harness.tasks.episodes import Episodes

TABLE_BYTES = 2**30
"""Of embeddings, at most; more are not kept."""


class EmbeddedEpisodes:
    """The episodes of one split, with embeddings [D] in place of images."""

    def __init__(self, episodes: Episodes, split: str, table: Tensor, place: np.ndarray) -> None:
        self._episodes, self._split, self._table, self._place = episodes, split, table, place

    def batch(self, first: int, count: int) -> EpisodeBatch:
        """Return episodes first … first+count-1: support_x [T, S, D] and query_x [T, Q, D]."""
        arrays = self._episodes.arrays(self._split, first, count)
        return self._episodes.laid_out(arrays, self._embedded)

    def _embedded(self, rows: np.ndarray) -> Tensor:
        where = torch.from_numpy(self._place[rows.ravel()]).to(self._table.device)
        return self._table.index_select(0, where).view(len(rows), -1, self._table.shape[1])


def embedded_once(
    episodes: Episodes,
    split: str,
    count: int,
    embed: Callable[[Tensor], Tensor],
    at_once: int,
    label: str = "",
) -> EmbeddedEpisodes | None:
    """Embed the images of `split`, `at_once` at a time; None where `count` episodes have fewer
    images than the split, or where the embeddings would take more than `TABLE_BYTES`.

    With a `label`, progress is shown.
    """
    arrays = episodes.arrays(split, 0, 1)  # raises while the test split is locked
    each = arrays["class"].size * (arrays["support"].shape[-1] + arrays["query"].shape[-1])
    rows = episodes.rows(split)
    if len(rows) >= count * each:
        return None
    one = embed(episodes.images(rows[:1]))
    if len(rows) * one.nbytes > TABLE_BYTES:
        return None
    table = one.new_empty(len(rows), one.shape[1])
    progress = Progress(label, len(rows)) if label else None
    for at in range(0, len(rows), at_once):
        table[at : at + at_once] = embed(episodes.images(rows[at : at + at_once]))
        if progress:
            progress.add(at_once)
    if progress:
        progress.close()
    place = np.zeros(rows.max() + 1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return EmbeddedEpisodes(episodes, split, table, place)
