"""Downloads datasets into the cache, only when `harness data fetch` asks for it."""

from __future__ import annotations

from pathlib import Path

from harness.data.datasets import GENERATED, known_dataset
from harness.data.paths import cache_folder
from harness.data.torchvision_import import import_torchvision
from harness.errors import HarnessError


def fetch(dataset: str) -> Path:
    """Download `dataset` with torchvision (which checks MD5 sums) and give the folder it is in.

    Raises HarnessError for an unknown name or one that is not to be had this way, without
    torchvision, or where the download fails.
    """
    known_dataset(dataset)
    if dataset in GENERATED:
        raise HarnessError(f"{dataset} are generated; there is nothing to fetch.")
    if dataset == "mini-imagenet":
        raise HarnessError(
            "mini-imagenet has no public download, being part of ImageNet; set HARNESS_DATA to a "
            "folder that has its images in mini-imagenet/."
        )
    datasets = import_torchvision("torchvision.datasets")
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if dataset == "omniglot":
            for background in (True, False):
                datasets.Omniglot(str(folder), background=background, download=True)
            return folder / "omniglot-py"
        datasets.CIFAR100(str(folder), download=True)  # both of its parts come in one archive
        return folder / "cifar-100-python"
    except (OSError, RuntimeError) as e:  # RuntimeError: a wrong MD5 sum
        raise HarnessError(
            f"the download of {dataset} into {folder} failed ({e}); "
            "try again, or set HARNESS_DATA to a folder that has it."
        ) from e
