"""Episodes as one gets them elsewhere: easyfsl's sampler, and a torch DataLoader of one's own.

All run in this process: images in memory need no workers, which would only add copies. Images come
as float32 in [0, 1]; an episode is support images, labels, query images, labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from harness.data.store import ImageStore
from harness.data.torchvision_import import import_torchvision

Episode = tuple[Tensor, Tensor, Tensor, Tensor]
ENDLESS = 10**9


class OneByOne(Dataset):
    """The images of some classes of a store, uint8 in memory, made float one at a time."""

    def __init__(self, store: ImageStore, classes: np.ndarray) -> None:
        images = torch.from_numpy(store.images[classes])
        self.of_each = images.shape[1]
        self.images = images.flatten(0, 1).unsqueeze(1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.images[i].float() / 255, i // self.of_each


class AllAtOnce(OneByOne):
    """The same, with the hook by which a DataLoader may fetch a batch in one go."""

    def __getitems__(self, indices: list[int]) -> Tensor:
        return self.images[torch.tensor(indices)].float() / 255


class EpisodeSampler(Sampler):
    """Gives the indices of one episode after the other, class by class, shots before queries."""

    def __init__(self, data: OneByOne, ways: int, of_each: int, generator: torch.Generator) -> None:
        self.data, self.ways, self.of_each, self.generator = data, ways, of_each, generator

    def __len__(self) -> int:
        return ENDLESS

    def __iter__(self) -> Iterator[list[int]]:
        n = self.data.of_each
        while True:
            classes = torch.randperm(len(self.data) // n, generator=self.generator)[: self.ways]
            each = [
                int(c) * n + torch.randperm(n, generator=self.generator)[: self.of_each]
                for c in classes
            ]
            yield torch.cat(each).tolist()


def dataloader(data: OneByOne, ways: int, shots: int, queries: int) -> Iterator[Episode]:
    """Episodes of a torch DataLoader."""
    y = [torch.arange(ways).repeat_interleave(n) for n in (shots, queries)]

    def collate(images: Tensor | list[tuple[Tensor, int]]) -> Episode:
        x = images if isinstance(images, Tensor) else torch.stack([image for image, _ in images])
        support, query = x.unflatten(0, (ways, shots + queries)).split([shots, queries], 1)
        return support.flatten(0, 1), y[0], query.flatten(0, 1), y[1]

    sampler = EpisodeSampler(data, ways, shots + queries, torch.Generator().manual_seed(0))
    return iter(DataLoader(data, batch_sampler=sampler, collate_fn=collate))


def easyfsl(data: OneByOne, ways: int, shots: int, queries: int) -> Iterator[Episode]:
    """Episodes of easyfsl's TaskSampler. Its images are float32 beforehand: none is converted."""
    import_torchvision()
    from easyfsl.datasets import FewShotDataset
    from easyfsl.samplers import TaskSampler

    class InMemory(FewShotDataset):
        images = data.images.float() / 255
        labels = (torch.arange(len(data)) // data.of_each).tolist()

        def __getitem__(self, i: int) -> tuple[Tensor, int]:
            return self.images[i], self.labels[i]

        def __len__(self) -> int:
            return len(self.labels)

        def get_labels(self) -> list[int]:
            return self.labels

    # easyfsl 1.5 gives its base class an argument that torch's no longer takes.
    with mock.patch.object(Sampler, "__init__", return_value=None):
        sampler = TaskSampler(InMemory(), ways, shots, queries, ENDLESS)
    collate = sampler.episodic_collate_fn
    loader = DataLoader(InMemory(), batch_sampler=sampler, collate_fn=lambda x: collate(x)[:4])
    return iter(loader)


LOADERS: dict[str, Callable[[ImageStore, np.ndarray, int, int, int], Iterator[Episode]]] = {
    "easyfsl": lambda store, classes, *sizes: easyfsl(OneByOne(store, classes), *sizes),
    "DataLoader": lambda store, classes, *sizes: dataloader(OneByOne(store, classes), *sizes),
    "DataLoader, __getitems__": lambda store, classes, *sizes: dataloader(
        AllAtOnce(store, classes), *sizes
    ),
}
