"""How many trainings stand behind a group of runs, and what two groups can say of each other.

One trained seed says what one training did. Simulated: where the deviation between seeds is 0.6
points, two equal methods with one seed each differ "significantly" in half of all cases. So a
difference of methods needs several trainings a side; fewer compare trainings.
"""

from __future__ import annotations

import hashlib

from harness.compare.groups import Group, same_trainings

ENOUGH = 3  # trained seeds a side for a statement on methods
SAME_WEIGHTS = "tests of the same weights"
METHODS = "methods"
# A weights file that holds no tensor: what a method leaves that has nothing to train.
NO_WEIGHTS = hashlib.sha256((8).to_bytes(8, "little") + b"{}      ").hexdigest()


def untrained(group: Group) -> bool:
    """Return whether nothing was trained or drawn at the start: the runs kept no weight at all."""
    return all(r.files.get("weights.safetensors") == NO_WEIGHTS for r in group.records)


def trained_seeds(group: Group) -> int:
    """Return the number of trainings that gave scores; 0 for a method that has nothing to train."""
    return 0 if untrained(group) else len(group.finished)


def compared(a: Group, b: Group) -> str:
    """Return what a difference of two groups is of: `methods`, `tests of the same weights`, or,
    where a side has fewer than three trained seeds, these trainings, e.g. `two trainings`."""
    seeds = trained_seeds(a), trained_seeds(b)
    if all(n == 0 or n >= ENOUGH for n in seeds):
        return METHODS
    if same_trainings(a, b):
        return SAME_WEIGHTS
    if sum(seeds) == 1:
        return "one training, one untrained"
    names = {2: "two", 3: "three", 4: "four", 5: "five"}
    return f"{names.get(sum(seeds), sum(seeds))} trainings"


def of_methods(what: str) -> bool:
    """Return whether p and an interval of the difference may be shown for what `compared` gave."""
    return what in (METHODS, SAME_WEIGHTS)
