"""The 20 one-shot runs of Lake et al. (2015): 400 trials, each run within one alphabet.

`all_runs.zip` of github.com/brendenlake/omniglot (python/one-shot-classification) has for each run
`training/class01.png` … `class20.png` by one drawer, `test/item01.png` … `item20.png` by another,
and `class_labels.txt`, whose lines pair a test drawing with the training drawing of its character.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data import known
from harness.data.archive import Members, Tree, open_archive
from harness.data.datasets import warn_of_other_data
from harness.data.entries import is_folder, is_plain
from harness.data.omniglot_classes import SIDE
from harness.data.omniglot_decode import decode, resize
from harness.data.paths import places
from harness.data.store import ImageStore
from harness.errors import DataNotAtHand, HarnessError

RUNS, WAYS = 20, 20
RUN_DRAWERS = {
    "Atlantean": (1, 2, 4, 7),
    "Ge_ez": (1, 2, 3, 6),
    "Glagolitic": (1, 2, 3, 5),
    "Gurmukhi": (1, 2, 4, 7),
    "Kannada": (0, 1, 2, 7),
    "Malayalam": (1, 2, 3, 6),
    "Manipuri": (2, 3, 6, 7),
    "Old_Church_Slavonic_(Cyrillic)": (0, 1, 3, 7),
    "Tengwar": (0, 3, 6, 7),
    "Tibetan": (0, 2, 4, 7),
}
"""The alphabets of the runs, all of the evaluation part, and of each the drawers (from 0) of its
runs: found by comparing the drawings of the runs with those of the dataset."""
NEXT = (
    "put all_runs.zip of github.com/brendenlake/omniglot into omniglot/ in a folder of HARNESS_DATA"
)
_PLACES = (
    "omniglot/all_runs.zip",
    "all_runs.zip",
    "omniglot/python/one-shot-classification/all_runs.zip",
    "omniglot/all_runs",
    "all_runs",
)
_MEMBER = re.compile(r"(?:.*/)?(run\d\d/.*)", re.IGNORECASE)
_PAIR = re.compile(r"(run\d\d)/test/item(\d\d)\.png\s+(run\d\d)/training/class(\d\d)\.png")


@dataclass(frozen=True, eq=False)
class LakeRuns:
    """`support` and `query` uint8 [20 runs, 20, size, size] with ink = 255; `label` [20, 20] is
    the place in `support` of the character that a query shows."""

    support: np.ndarray
    query: np.ndarray
    label: np.ndarray
    source_digest: str

    @property
    def data_note(self) -> str:
        """Return why these are not Lake's runs; '' if they are, or are of generated glyphs."""
        return known.note("lake-runs", self.source_digest) if self.source_digest else ""

    @property
    def data_caveat(self) -> str:
        """Return '': every true copy has the same drawings."""
        return ""

    def check(self) -> None:
        """Do nothing: the digest is taken of what is in memory each time."""

    def digest(self) -> str:
        """Return the sha256 of drawings, at the size they have here, and labels."""
        hasher = hashlib.sha256(str(self.support.shape).encode())
        for array in (self.support, self.query, self.label):
            hasher.update(np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()


def find_lake_runs() -> Path:
    """Return the first `all_runs.zip`, or `all_runs/` unpacked; DataNotAtHand where there is
    none."""
    for path in places(*_PLACES):
        if is_plain(path) or (path.suffix != ".zip" and is_folder(path)):
            return path
    raise DataNotAtHand(f"found no all_runs.zip, Lake's one-shot runs of Omniglot; {NEXT}.")


def read_lake_runs(image_size: int, resize_filter: str) -> LakeRuns:
    """Read all runs. Raises HarnessError for whatever is wrong with the archive.

    Other drawings or pairs than the known ones are given, with a warning on stderr.
    """
    where = find_lake_runs()
    drawings = np.empty((2, RUNS, WAYS, image_size, image_size), np.uint8)
    labels = np.empty((RUNS, WAYS), np.int64)
    original = hashlib.sha256()
    with ExitStack() as stack:
        archive = _Runs(
            Tree(where, 3, (".png", ".txt"))
            if is_folder(where)
            else stack.enter_context(open_archive(where, NEXT))
        )
        for run in range(RUNS):
            for part, name in enumerate(("training/class", "test/item")):
                for i in range(WAYS):
                    member = f"run{run + 1:02d}/{name}{i + 1:02d}.png"
                    image = decode(archive.read(member), SIDE, f"{where}: {member}")
                    original.update(np.packbits(resize(image, SIDE, "nearest") > 127).tobytes())
                    drawings[part, run, i] = resize(image, image_size, resize_filter)
            labels[run] = _labels(archive, f"run{run + 1:02d}")
            original.update(labels[run].astype("<i8").tobytes())
    runs = LakeRuns(drawings[0], drawings[1], labels, original.hexdigest())
    if runs.data_note:
        warn_of_other_data(runs.data_note, str(where))
    return runs


def runs_of_glyphs(store: ImageStore) -> LakeRuns:
    """Return runs of generated glyphs in the same form, so that tests need no data."""
    alphabets = store.images[store.part == 0].reshape(-1, WAYS, *store.images.shape[1:])
    rng = np.random.default_rng(np.random.SeedSequence(20151211))
    label = np.stack([rng.permutation(WAYS) for _ in range(RUNS)])
    support, query = [], []
    for run in range(RUNS):
        drawer, alphabet = divmod(run, len(alphabets))
        support.append(alphabets[alphabet, :, 2 * drawer])
        query.append(alphabets[alphabet, label[run], 2 * drawer + 1])
    return LakeRuns(np.stack(support), np.stack(query), label, "")


class _Runs:
    """Members by their place below a run, whatever folder is above the runs."""

    def __init__(self, files: Members) -> None:
        self.where, self._files = files.where, files
        members = {m[1].casefold(): m[0] for m in map(_MEMBER.fullmatch, files.names) if m}
        self._members = members

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise HarnessError(f"{self.where} has no {name}; take a fresh copy, or {NEXT}.")
        return self._files.read(self._members[name])


def _labels(archive: _Runs, run: str) -> list[int]:
    member = f"{run}/class_labels.txt"
    text = archive.read(member).decode("utf-8", errors="replace")
    pairs = [_PAIR.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    right = {int(p[2]): int(p[4]) for p in pairs if p and p[1] == p[3] == run}
    everything = list(range(1, WAYS + 1))
    if not all(pairs) or sorted(right) != everything or sorted(right.values()) != everything:
        raise HarnessError(
            f"{archive.where}: {member} does not pair each of the {WAYS} test drawings with a "
            f"training drawing of its own; take a fresh copy, or {NEXT}."
        )
    return [right[item] - 1 for item in everything]
