"""Pairs of drawings to tell apart: same character or not (Koch et al. 2015, section 4.2).

A training task is one pair of a fixed set of pairs, walked through in a new order each epoch, so
that meta-iterations are minibatches. Each pair is there once as it is and `train_distortions` times
distorted. A validation task is a run of 20 within-alphabet 20-way one-shot trials, as Lake's runs
are. A test task is a pair, or one of Lake's runs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.data.datasets import load_store
from harness.data.lake_runs import RUNS, WAYS, LakeRuns, read_lake_runs, runs_of_glyphs
from harness.data.omniglot_decode import ResizeFilter
from harness.errors import HarnessError
from harness.ranges import Range
from harness.switch_types import Pixels, Share, ShareBelowOne
from harness.tasks.batch import SupervisedBatch
from harness.tasks.source import BLOCK, Arrays, Data, TaskSource
from replications.siamese.affine_distortions import AffineRanges, distort, draw_distortions
from replications.siamese.pair_draws import draw_pairs, draw_runs
from replications.siamese.verification_split import verification_split

PAIR_STREAM, DISTORTION_STREAM, ORDER_STREAM, RUN_STREAM = range(4)


@dataclass(frozen=True)
class ImagePairSettings:
    """Switches of pairs."""

    dataset: Literal["omniglot", "glyphs"]
    ink: Literal["one", "zero"]
    """Value of ink in the float image; paper has the other."""
    image_size: Pixels
    """Pixels a side; the drawings have 105."""
    resize_filter: ResizeFilter
    different_pairs: Literal["within-alphabet", "any-alphabet"]
    """Where the second character of a pair of two characters comes from."""
    train_pairs: Annotated[int, Range(1, 10_000_000)]
    """Pairs in the training set, half of them of one character."""
    train_distortions: Annotated[int, Range(0, 1000)]
    """Distorted copies of each training pair, beside the pair itself."""
    distortion_rotation: Annotated[float, Range(0, 180)]
    """Degrees, to both sides; this and the next four are not read without distortions."""
    distortion_shear: Annotated[float, Range(0, 10)]
    distortion_scale: ShareBelowOne
    """To both sides of 1."""
    distortion_shift: Annotated[float, Range(0, 105)]
    """Pixels."""
    distortion_probability: Share
    """That each of the seven components of a distortion is included."""
    test_on: Literal["pairs", "lake-runs"]


@dataclass(frozen=True)
class PairBatch:
    """T pairs: `first` and `second` [T, 1, size, size] float32 in [0, 1], `same` [T] bool."""

    first: Tensor
    second: Tensor
    same: Tensor

    def __len__(self) -> int:
        return self.first.shape[0]


class ImagePairs(TaskSource):
    """Pairs of Omniglot drawings or glyphs; validation and Lake's runs come as `SupervisedBatch`.

    Raises HarnessError at construction where data are not found or switches make no sense.
    """

    Settings = ImagePairSettings
    test_only = frozenset({"test_on"})
    settings: ImagePairSettings

    def __init__(
        self, settings: Any, train_seed: int, evaluation_seed: int, device: torch.device
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        s = self.settings
        self.store = load_store(s.dataset, s.image_size, s.resize_filter)
        self.synthetic = self.store.synthetic
        self.image_shape = self.store.image_shape
        self.parts = verification_split(self.store)
        self.epoch = s.train_pairs * (1 + s.train_distortions)
        """The number of training tasks after which each pair and each distorted copy was met
        once."""
        self._images = self.store.tensor(device, 1)
        self._set: dict[str, np.ndarray] = {}
        self._orders: dict[int, np.ndarray] = {}
        self._runs: LakeRuns | None = None
        if s.test_on == "lake-runs":
            self._runs = (
                runs_of_glyphs(self.store)
                if self.synthetic
                else read_lake_runs(s.image_size, s.resize_filter)
            )

    def data(self) -> tuple[Data, ...]:
        """Return the images that tasks are drawn from."""
        return (self.store,) if self._runs is None else (self.store, self._runs)

    def data_digest(self) -> str:
        """Return the sha256 over the packed store and, where they are read, Lake's runs."""
        if self._runs is None:
            return self.store.digest
        return hashlib.sha256((self.store.digest + self._runs.digest()).encode()).hexdigest()

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of the images as float32 and, in training, of what the set is kept
        as."""
        runs = split == "val" or (split == "test" and settings.test_on == "lake-runs")
        images = 4 * count * (2 * WAYS if runs else 2) * settings.image_size**2
        kept = 64 * settings.train_pairs * (1 + settings.train_distortions)
        return int(images + (kept if split == "train" else 0))

    def arrays(self, split: str, first: int, count: int) -> dict[str, np.ndarray]:
        """Return the raw arrays of tasks; of Lake's runs there are 20."""
        if split == "test" and self._runs is not None and first + count > RUNS:
            raise HarnessError(
                f"found {first + count} test tasks, wanted at most {RUNS}: Lake's runs are "
                f"{RUNS}; set testing.tasks = {RUNS}."
            )
        return super().arrays(split, first, count)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw pairs or runs.

        Pairs: `first`, `second` [BLOCK] int32, rows of the store's tensor, `same` [BLOCK] bool and,
        where training pairs are distorted, `distortion` [BLOCK, 2, 7] float32. Validation runs:
        `support`, `query` [BLOCK, 20] int32 and `label` [BLOCK, 20] uint8. Lake's: `run` [BLOCK].
        """
        tasks = np.arange(block * BLOCK, (block + 1) * BLOCK)
        if split == "train":
            return self._train_block(tasks)
        if split == "val":
            rng = self.generator("val", block, RUN_STREAM)
            return draw_runs(self.parts["val"], tasks, self.store.images_per_class, rng)
        if split != "test":
            raise HarnessError(
                "found training on train + validation; pairs have no such split: set "
                "training.selection to last or best-validation."
            )
        if self._runs is not None:
            return {"run": tasks}
        return self._pairs("test", tasks, self.generator("test", block, PAIR_STREAM))

    def to_batch(self, arrays: Arrays) -> PairBatch | SupervisedBatch:
        """Gather images on the device: pairs, or runs with x [T, 20, 1, size, size]."""
        if "first" in arrays:
            same = torch.from_numpy(arrays["same"]).to(self.device)
            both = self._gather(np.stack([arrays["first"], arrays["second"]], 1))
            if "distortion" in arrays:
                how = torch.from_numpy(arrays["distortion"]).to(self.device)
                both = distort(both.flatten(0, 1), how.flatten(0, 1)).view_as(both)
            return PairBatch(self._to_ink(both[:, 0]), self._to_ink(both[:, 1]), same)
        if "run" in arrays:
            assert self._runs is not None
            run, runs = arrays["run"], self._runs
            support, query = (
                torch.from_numpy(drawings[run]).to(self.device)[:, :, None].float().div_(255)
                for drawings in (runs.support, runs.query)
            )
            label = runs.label[run]
        else:
            support, query = self._gather(arrays["support"]), self._gather(arrays["query"])
            label = arrays["label"]
        y = torch.arange(WAYS, device=self.device).repeat(len(label), 1)
        right = torch.from_numpy(label.astype(np.int64)).to(self.device)
        return SupervisedBatch(self._to_ink(support), y, self._to_ink(query), right)

    def _train_block(self, tasks: np.ndarray) -> Arrays:
        """Look up which pair of the set, and which copy of it, comes at these places."""
        s = self.settings
        if not self._set:
            rng = self.generator("train", 0, PAIR_STREAM)
            self._set = self._pairs("train", np.arange(s.train_pairs), rng)
            if s.train_distortions:
                ranges = AffineRanges(
                    s.distortion_rotation,
                    s.distortion_shear,
                    s.distortion_scale,
                    s.distortion_shift,
                    s.distortion_probability,
                )
                rng = self.generator("train", 0, DISTORTION_STREAM)
                shape = (s.train_pairs, 1 + s.train_distortions, 2)
                drawn = draw_distortions(shape, ranges, rng)
                drawn[:, 0] = (0, 0, 0, 1, 1, 0, 0)  # the pair as it is
                self._set["distortion"] = drawn
        epoch, place = np.divmod(tasks, self.epoch)
        example = np.empty_like(place)
        for e in np.unique(epoch):
            example[epoch == e] = self._order(int(e))[place[epoch == e]]
        pair, copy = np.divmod(example, 1 + s.train_distortions)
        arrays = {name: self._set[name][pair] for name in ("first", "second", "same")}
        if s.train_distortions:
            arrays["distortion"] = self._set["distortion"][pair, copy]
        return arrays

    def _order(self, epoch: int) -> np.ndarray:
        """Return the order of the training set in one epoch; the last two are kept."""
        if epoch not in self._orders:
            while len(self._orders) >= 2:
                self._orders.pop(next(iter(self._orders)))
            rng = self.generator("train", epoch, ORDER_STREAM)
            self._orders[epoch] = rng.permutation(self.epoch)
        return self._orders[epoch]

    def _pairs(self, split: str, tasks: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        within = self.settings.different_pairs == "within-alphabet"
        return draw_pairs(self.parts[split], tasks, self.store.images_per_class, within, rng)

    def _gather(self, rows: np.ndarray) -> Tensor:
        """Return images [*rows, 1, size, size] with ink = 1."""
        which = torch.from_numpy(rows.ravel().astype(np.int64)).to(self.device)
        pixels = self._images.index_select(0, which)
        return pixels.view(*rows.shape, *self.image_shape).float().div_(255)

    def _to_ink(self, images: Tensor) -> Tensor:
        return 1 - images if self.settings.ink == "zero" else images


TASK_SOURCES = {"image_pairs": ImagePairs}
