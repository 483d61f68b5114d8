"""How long a training is: exactly known, or open where validation ends it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.progress import Standing
from harness.protocol import Training


@dataclass(frozen=True)
class Length:
    """Meta-iterations of one phase of training, as far as they are known beforehand.

    With early stopping the most is a cap that no training is meant to reach, so that time left is
    not counted to it but to the expected length, and beyond that to the end of patience.
    """

    most: int
    """Never more."""
    expected: int
    """What the protocol states; equals `most` where nothing ends training before."""
    every: int = 0
    """Meta-iterations between two looks at the validation tasks."""
    patience: int = 0
    """More looks than this without a better value end training; 0: no number of them does."""

    @property
    def is_open(self) -> bool:
        """Whether validation may end training before the most."""
        return self.patience > 0 and self.every > 0 and self.least_left(0, 0) < self.most

    def least_left(self, done: int, waited: int) -> int:
        """Return how many iterations follow at least, after `waited` looks without a better
        value."""
        looks = done // self.every + self.patience + 1 - waited
        return max(0, min(looks * self.every, self.most) - done)

    def standing(self, done: int, waited: int = 0) -> Standing:
        """Return where training stands after `done` iterations, and how many are left."""
        if not self.is_open:
            return Standing(f"{done:,}/{self.most:,}", "", self.most - done)
        until = f"(until validation stops, at most {self.most:,})"
        if self.expected >= self.most:
            return Standing(f"{done:,} {until}", "at most ", self.most - done)
        least = self.least_left(done, waited)
        of = f"{done:,}/about {self.expected:,}" if done < self.expected else f"{done:,}"
        if self.expected - done > least:
            return Standing(f"{of} {until}", "about ", self.expected - done)
        return Standing(f"{of} {until}", "at least ", least)

    def __str__(self) -> str:
        """Return the length in words before training: `70,000 steps`, or the expected one and its
        bounds."""
        if not self.is_open:
            return f"{self.most:,} steps"
        bounds = f"until validation stops, at least {self.least_left(0, 0):,}, at most"
        about = f"about {self.expected:,} steps, " if self.expected < self.most else ""
        return f"{about}{bounds} {self.most:,}{'' if about else ' steps'}"


def length_of(training: Training, most: int) -> Length:
    """Return the length of a training phase that validation watches, of `most` iterations."""
    expected = min(training.iterations, most)
    if not training.patience or not training.validate_every:
        expected = most
    return Length(most, expected, training.validate_every, training.patience)
