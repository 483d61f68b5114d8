"""Sequences of drawings whose label is told one step late (Santoro et al. 2016, section 2).

A task shows every drawing of a few classes once, in a random order. At step t a learner sees image
x_t and the label of image x_(t-1), and names the label of x_t. Labels are drawn anew for each task,
so they can only be learnt within it. The k-th drawing of a class is its k-th *instance*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.data.datasets import check_size, known_dataset, load_store
from harness.data.omniglot_decode import ResizeFilter
from harness.data.splits import ClassSplitName, class_split
from harness.errors import HarnessError
from harness.ranges import Range
from harness.switch_types import Pixels, Seed
from harness.tasks.episodes import without_replacement
from harness.tasks.source import BLOCK, SPLITS, Arrays, Data, TaskSource
from replications.mann.turned_drawings import draw_turns_and_shifts, look_up

CLASS_STREAM, IMAGE_STREAM, ORDER_STREAM, LABEL_STREAM, DISTORTION_STREAM = range(5)

SmallCount = Annotated[int, Range(1, 255)]
"""Of what is kept as uint8."""


@dataclass(frozen=True)
class ClassSequenceSettings:
    """Switches of class sequences."""

    dataset: Literal["omniglot", "glyphs"]
    class_split: ClassSplitName
    split_seed: Seed
    """Seed of the random class splits; the fixed ones do not look at it."""
    rotations: Literal["none", "as-classes", "as-classes-distorted"]
    """`as-classes`: each class turned by 0, 90, 180, 270 degrees makes four classes.
    `as-classes-distorted`: besides, each image shown, also at test, is turned by up to 11.25
    degrees and shifted by up to 10 of the 105 pixels of its side before it is made small."""
    ink: Literal["one", "zero"]
    """Value of ink in the float image; paper has the other."""
    image_size: Pixels
    """Pixels a side."""
    resize_filter: ResizeFilter
    """`nearest` is also what Pillow gives for any filter on the original one-bit files."""
    classes: SmallCount
    """Different classes in a task."""
    instances: SmallCount
    """Images of each class in a task: a sequence has classes * instances steps."""
    label_length: SmallCount
    """A label is a string of so many symbols; 1 is what is called one-hot."""
    label_symbols: SmallCount
    """Different symbols. The labels of a task's classes differ: with strings of length 1 and as
    many symbols as classes they are a permutation."""


@dataclass(frozen=True)
class SequenceBatch:
    """T tasks of L steps. `images` [T, L, channels, size, size] float32 in [0, 1]; `labels`
    [T, L, label_length] int64 in [0, label_symbols); `instance` [T, L] int64, counted from 1: how
    often the class of the image has been shown, this time included."""

    images: Tensor
    labels: Tensor
    instance: Tensor

    def __len__(self) -> int:
        return self.images.shape[0]


class ClassSequences(TaskSource):
    """Class sequences of drawings [1, size, size], possibly turned by multiples of 90 degrees.

    Raises HarnessError at construction where the data are not found, where there are too few
    classes, images or labels; a split without validation classes when they are asked for.
    """

    Settings = ClassSequenceSettings
    settings: ClassSequenceSettings

    def __init__(
        self, settings: Any, train_seed: int, evaluation_seed: int, device: torch.device
    ) -> None:
        super().__init__(settings, train_seed, evaluation_seed, device)
        s = self.settings
        self.distorted = s.rotations == "as-classes-distorted"
        if self.distorted and s.resize_filter != "nearest":
            raise HarnessError(
                f"tasks.resize_filter: found {s.resize_filter}, wanted nearest, the only one with "
                "tasks.rotations=as-classes-distorted."
            )
        size = s.image_size
        if self.distorted:  # and made small when it is looked up
            kind = known_dataset(s.dataset)
            check_size(kind, size)
            size = kind.largest
        self.store = load_store(s.dataset, size, s.resize_filter)
        self.class_split = class_split(s.class_split, self.store, s.split_seed)
        self.synthetic = self.store.synthetic
        self.image_shape = (self.store.image_shape[0], s.image_size, s.image_size)
        self.turns = 1 if s.rotations == "none" else 4
        self._check_counts()
        # What is distorted is turned when it is looked up.
        self._images = self.store.tensor(device, 1 if self.distorted else self.turns)

    def data(self) -> tuple[Data, ...]:
        """Return the images that tasks are drawn from."""
        return (self.store,)

    def data_digest(self) -> str:
        """Return the sha256 of the packed store (images at the size used, class names)."""
        return self.store.digest

    @classmethod
    def batch_bytes(cls, settings: Any, split: str, count: int) -> int:
        """Return the bytes of the images as float32."""
        return int(4 * count * settings.classes * settings.instances * settings.image_size**2)

    def draw_block(self, split: str, block: int) -> Arrays:
        """Draw B = BLOCK tasks of N classes, L steps and labels of P symbols.

        `class` [B, N] int16 is an index into the store, `rotation` [B, N] uint8 counts quarter
        turns, `label` [B, N, P] uint8; `position` [B, L] uint8: which of the task's classes a step
        shows, `instance` [B, L] uint8 (from 0), `image` [B, L] uint8: which image of the class.
        Where images are distorted, `degrees` [B, L] float32 and `shift` [B, L, 2] int8, too.
        """
        s, classes = self.settings, self.class_split.classes(split)
        if not len(classes):
            raise HarnessError(
                f"class split {self.class_split.name!r} has no {split} classes; choose a "
                "split with some, or a model selection that does not look at them."
            )
        draw = self.generator(split, block, CLASS_STREAM).random((s.classes, BLOCK))
        rotation, chosen = np.divmod(
            without_replacement(draw, len(classes) * self.turns), len(classes)
        )
        draw = self.generator(split, block, LABEL_STREAM).random((s.classes, BLOCK))
        number = without_replacement(draw, s.label_symbols**s.label_length)
        label = number[:, :, None] // s.label_symbols ** np.arange(s.label_length) % s.label_symbols
        # Shuffle N * K cards; the rank of a card among those of its class is its instance.
        steps = s.classes * s.instances
        order = self.generator(split, block, ORDER_STREAM).random((BLOCK, steps)).argsort(-1)
        position = order // s.instances
        instance = np.empty_like(position)
        by_class = position.argsort(-1, kind="stable")
        np.put_along_axis(instance, by_class, np.arange(steps)[None] % s.instances, -1)
        of_each = self.store.images_per_class
        draw = self.generator(split, block, IMAGE_STREAM).random((BLOCK, s.classes, of_each))
        image = draw.argsort(-1)[np.arange(BLOCK)[:, None], position, instance]
        arrays = {
            "rotation": rotation,
            "label": label,
            "position": position,
            "instance": instance,
            "image": image,
        }
        small = {name: a.astype(np.uint8) for name, a in arrays.items()}
        arrays = {"class": classes[chosen].astype(np.int16), **small}
        if self.distorted:
            generator = self.generator(split, block, DISTORTION_STREAM)
            arrays["degrees"], arrays["shift"] = draw_turns_and_shifts((BLOCK, steps), generator)
        return arrays

    def to_batch(self, arrays: Arrays) -> SequenceBatch:
        """Gather images and labels on the device."""
        position = arrays["position"].astype(np.int64)
        turn, shown = (
            np.take_along_axis(arrays[name].astype(np.int64), position, 1)
            for name in ("rotation", "class")
        )
        labels = arrays["label"][np.arange(len(position))[:, None], position].astype(np.int64)
        instance = arrays["instance"].astype(np.int64) + 1
        rows = shown * self.store.images_per_class + arrays["image"]
        if self.distorted:
            degrees = arrays["degrees"] + turn.astype(np.float32) * 90
            pixels = look_up(
                self._images,
                torch.from_numpy(rows.ravel()).to(self.device),
                torch.from_numpy(degrees.ravel()).to(self.device),
                torch.from_numpy(arrays["shift"].reshape(-1, 2)).to(self.device),
                self.settings.image_size,
            )
        else:
            # Rows of the store's tensor: turned copies one after the other, classes within them.
            rows += turn * len(self.store.class_names) * self.store.images_per_class
            pixels = self._images.index_select(0, torch.from_numpy(rows.ravel()).to(self.device))
        if self.settings.ink == "zero":
            pixels = pixels.bitwise_not_()
        return SequenceBatch(
            images=pixels.view(*rows.shape, *self.image_shape).float().div_(255),
            labels=torch.from_numpy(labels).to(self.device),
            instance=torch.from_numpy(instance).to(self.device),
        )

    def _check_counts(self) -> None:
        s = self.settings
        if s.instances > self.store.images_per_class:
            raise HarnessError(
                f"tasks.instances: found {s.instances}, but a class has "
                f"{self.store.images_per_class} images."
            )
        labels = s.label_symbols**s.label_length
        if s.classes > labels:
            raise HarnessError(
                f"tasks.classes: found {s.classes}, but there are only {labels} labels of length "
                f"{s.label_length} with {s.label_symbols} symbols; set tasks.label_symbols too."
            )
        if labels > 100_000:
            raise HarnessError(
                f"tasks.label_length: found {s.label_length} with {s.label_symbols} symbols, which "
                f"makes {labels} labels, wanted at most 100000."
            )
        for split in SPLITS:
            there = len(self.class_split.classes(split)) * self.turns
            if there < s.classes and not (split == "val" and not there):
                raise HarnessError(
                    f"tasks.classes: found {s.classes}, but class split {self.class_split.name!r} "
                    f"has {there} {split} classes."
                )


TASK_SOURCES = {"class_sequences": ClassSequences}
