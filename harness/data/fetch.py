"""Downloads datasets into the cache, only when `harness data fetch` asks for it."""

from __future__ import annotations

from pathlib import Path

from harness.data.datasets import DATASETS
from harness.data.paths import cache_folder
from harness.data.torchvision_import import import_torchvision
from harness.errors import HarnessError, closest


def fetch(dataset: str) -> Path:
    """Download `dataset` with torchvision (which checks MD5 sums) and give the folder it is in.

    Raises HarnessError for an unknown name, without torchvision, or where the download fails.
    """
    if dataset == "glyphs":
        raise HarnessError("glyphs are generated; there is nothing to fetch.")
    if dataset not in DATASETS:
        raise HarnessError(
            f"found dataset {dataset!r}{closest(dataset, DATASETS)}; wanted omniglot."
        )
    datasets = import_torchvision("torchvision.datasets")
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for background in (True, False):
            datasets.Omniglot(str(folder), background=background, download=True)
    except (OSError, RuntimeError) as e:  # RuntimeError: a wrong MD5 sum
        raise HarnessError(
            f"the download of omniglot into {folder} failed ({e}); "
            "try again, or set HARNESS_DATA to a folder that has it."
        ) from e
    return folder / "omniglot-py"
