"""Downloads datasets into the cache, only when `harness data fetch` asks for it.

A download stands in a hidden folder of its own until its MD5 sums are right, so that no run reads
half of one or a wrong one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from harness.data.datasets import GENERATED, known_dataset
from harness.data.paths import cache_folder
from harness.data.torchvision_import import import_torchvision
from harness.errors import HarnessError

_PARTIAL = ".fetching-"
_OLD_SECONDS = 24 * 3600


def fetch(dataset: str) -> Path:
    """Download `dataset` with torchvision (which checks MD5 sums) and return its folder.

    What is there already is checked, and set aside if it is not right. Raises HarnessError for an
    unknown name or one that cannot be had this way, without torchvision, or where the download
    fails; then nothing of it is left.
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
    name, get = ("omniglot-py", _omniglot) if dataset == "omniglot" else (_CIFAR, _cifar100)
    cache = cache_folder()
    try:
        if (cache / name).exists() and _is_right(datasets, get, cache):
            return cache / name
        with _partial_folder(cache) as partial:
            get(datasets, partial, True)
            _put(partial / name, cache / name)
        return cache / name
    except (OSError, RuntimeError) as e:  # RuntimeError: a wrong MD5 sum
        raise HarnessError(
            f"the download of {dataset} into {cache} failed ({e}); "
            "try again, or set HARNESS_DATA to a folder that has it."
        ) from e


_CIFAR = "cifar-100-python"
_Get = Callable[[ModuleType, Path, bool], None]


def _omniglot(datasets: ModuleType, root: Path, download: bool) -> None:
    for background in (True, False):
        datasets.Omniglot(str(root), background=background, download=download)


def _cifar100(datasets: ModuleType, root: Path, download: bool) -> None:
    datasets.CIFAR100(str(root), download=download)  # both of its parts come in one archive


def _is_right(datasets: ModuleType, get: _Get, root: Path) -> bool:
    try:
        get(datasets, root, False)  # checks the sums
    except (OSError, RuntimeError):
        return False
    return True


@contextmanager
def _partial_folder(cache: Path) -> Iterator[Path]:
    """Return a hidden folder beside the place, and take it away again whatever happens."""
    cache.mkdir(parents=True, exist_ok=True)
    for left in cache.glob(f"{_PARTIAL}*"):  # by a process that was killed
        if time.time() - left.stat().st_mtime > _OLD_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=cache))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(fresh: Path, place: Path) -> None:
    """Move `fresh` to `place`; what stands there is not right and is kept under another name."""
    if place.exists():
        aside = place.with_name(f"{place.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        place.rename(aside)
        print(f"harness: {place} was not what it should be; kept as {aside.name}.", file=sys.stderr)
    fresh.rename(place)
