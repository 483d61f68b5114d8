"""The packed store: every image of a dataset at one size, as one uint8 array."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
import torch


@dataclass(frozen=True, eq=False)
class ImageStore:
    """Images of C classes, as many of each class.

    `images` [C, images per class, size, size] uint8, ink = 255: the ink convention of a paper is
    applied when a batch is made. `class_names` are C names, sorted. `background` [C] bool: the
    class is in the background (first) part of the dataset. `source_digest`: sha256 of the images
    before they were resized ('' for generated ones). Nobody writes into the arrays.
    """

    dataset: str
    images: np.ndarray
    class_names: tuple[str, ...]
    background: np.ndarray
    source_digest: str
    synthetic: bool
    digest: str = ""
    """sha256 of images, names and parts; computed where not given."""
    _on_device: dict[torch.device, torch.Tensor] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(
                self, "digest", store_digest(self.images, self.class_names, self.background)
            )

    @property
    def images_per_class(self) -> int:
        """Give the number of images of each class."""
        return int(self.images.shape[1])

    def tensor(self, device: torch.device) -> torch.Tensor:
        """Give the images on `device`, uint8 [C * images per class, size * size]; kept there."""
        if device not in self._on_device:
            flat = self.images.reshape(-1, self.images.shape[2] * self.images.shape[3])
            self._on_device[device] = torch.from_numpy(flat).to(device)
        return self._on_device[device]


def store_digest(images: np.ndarray, class_names: tuple[str, ...], background: np.ndarray) -> str:
    """Give the sha256 (hex) of what a store holds, the same on every machine."""
    header = [list(images.shape), list(class_names), background.astype(int).tolist()]
    found = hashlib.sha256(json.dumps(header).encode())
    found.update(np.ascontiguousarray(images).data)
    return found.hexdigest()
