"""Lake's 20 within-alphabet 20-way one-shot runs as test tasks (Lake et al. 2015).

Test task i is run i: 20 support drawings by one drawer, 20 query drawings by another, one of each
of 20 characters of an alphabet. So 20 test tasks are all 400 trials, and their mean accuracy is
that of the trials. Training tasks are episodes of the 30 background alphabets, characters pooled;
there are no validation classes. Koch et al. (2015) report on these runs; 20-way episodes of
characters pooled over alphabets are another task.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from harness.data.lake_runs import RUNS, WAYS, read_lake_runs, runs_of_glyphs
from harness.data.omniglot_decode import ResizeFilter
from harness.errors import HarnessError
from harness.switch_types import Examples, Pixels, Ways
from harness.tasks.batch import SupervisedBatch
from harness.tasks.image_episodes import ImageEpisodes, ImageEpisodeSettings
from harness.tasks.source import BLOCK, Arrays, Data, TaskSource


@dataclass(frozen=True)
class LakeRunSettings:
    """Switches of Lake's runs and of the episodes trained on."""

    dataset: Literal["omniglot", "glyphs"]
    rotations: Literal["none", "train-as-classes", "train-per-class-in-task"]
    """As in image episodes; the drawings of the runs are never turned."""
    ink: Literal["one", "zero"]
    """Value of ink in the float image; paper has the other."""
    image_size: Pixels
    """Pixels a side; the drawings have 105."""
    resize_filter: ResizeFilter
    train_ways: Ways
    train_shots: Examples
    """Support images of each class."""
    train_queries: Examples
    """Query images of each class."""


class LakeRunTasks(TaskSource):
    """Background episodes for training, the 20 runs for testing.

    Raises HarnessError at construction where Omniglot or `all_runs.zip` is not found or broken.
    """

    Settings = LakeRunSettings
    settings: LakeRunSettings

    def __init__(
        self,
        settings: LakeRunSettings,
        train_seed: int,
        evaluation_seed: int,
        device: torch.device,
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        s = settings
        train = {"ways": s.train_ways, "shots": s.train_shots, "queries": s.train_queries}
        switches = ImageEpisodeSettings(
            dataset=s.dataset,
            class_split="alphabet-background-evaluation",
            split_seed=0,
            rotations=s.rotations,
            ink=s.ink,
            image_size=s.image_size,
            resize_filter=s.resize_filter,
            **{f"{split}_{n}": v for split in ("train", "val") for n, v in train.items()},
            **{"test_ways": WAYS, "test_shots": 1, "test_queries": 1},
        )
        self.background = ImageEpisodes(switches, train_seed, evaluation_seed, device)
        self.synthetic = self.background.synthetic
        self.image_shape = self.background.image_shape
        self.runs = (
            runs_of_glyphs(self.background.store)
            if self.synthetic
            else read_lake_runs(s.image_size, s.resize_filter)
        )

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of the images as float32."""
        if split == "test":
            return int(4 * count * 2 * WAYS * settings.image_size**2)
        return ImageEpisodes.batch_bytes(settings, "train", count)  # what validation has, too

    def ways(self, split: str) -> int:
        """Return the classes in each task of `split`: 20 in a run."""
        return self.background.ways(split)

    def shots(self, split: str) -> int:
        """Return the support images of each class: one in a run."""
        return self.background.shots(split)

    def queries(self, split: str) -> int:
        """Return the query images of each class: one in a run."""
        return self.background.queries(split)

    def data(self) -> tuple[Data, ...]:
        """Return the images that tasks are drawn from."""
        return (*self.background.data(), self.runs)

    def data_digest(self) -> str:
        """Return the sha256 over the packed Omniglot and the runs, at the size used."""
        both = self.background.data_digest() + self.runs.digest()
        return hashlib.sha256(both.encode()).hexdigest()

    def arrays(self, split: str, first: int, count: int) -> dict[str, np.ndarray]:
        """Return the raw arrays; there are 20 test tasks and no more."""
        if split == "test" and first + count > RUNS:
            raise HarnessError(
                f"found {first + count} test tasks, wanted at most {RUNS}: Lake's runs are "
                f"{RUNS}; set testing.tasks = {RUNS}."
            )
        return super().arrays(split, first, count)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw what image episodes draw; of test tasks, the number of the run [BLOCK]."""
        if split == "test":
            return {"run": np.arange(block * BLOCK, (block + 1) * BLOCK)}
        return self.background.draw_block(split, block)

    def to_batch(self, arrays: Arrays) -> SupervisedBatch:
        """Lay images on the device: of T runs, x [T, 20, 1, size, size] and y [T, 20], support in
        order of class, queries in the order of the archive."""
        if "run" not in arrays:
            return self.background.to_batch(arrays)
        run = arrays["run"]
        support_y = np.tile(np.arange(WAYS), (len(run), 1))
        return SupervisedBatch(
            self._images(self.runs.support[run]),
            torch.from_numpy(support_y).to(self.device),
            self._images(self.runs.query[run]),
            torch.from_numpy(self.runs.label[run]).to(self.device),
        )

    def _images(self, drawings: np.ndarray) -> torch.Tensor:
        pixels = torch.from_numpy(drawings).to(self.device)
        return self.background.to_float(pixels[:, :, None])
