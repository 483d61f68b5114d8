"""What every method is: initialise, one meta-training step, adapt and predict.

A replication's `method.py` subclasses `Method` and lists its classes in `ALGORITHMS`, by the name
that `paper.toml` uses (`algorithm = "..."`).
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from harness.methods.class_outputs import ClassOutputs
    from harness.protocol import Training


class Method(abc.ABC):
    """A learner with meta-trained weights. One object serves one run.

    `Settings` is the frozen dataclass of the method's switches (section `method`).
    `generator` is the run's own CPU generator: initial weights and any sampling come from it, never
    from torch's global state, so that a run is a function of its seed.
    """

    Settings: ClassVar[type]
    test_only: ClassVar[frozenset[str]] = frozenset()
    """Switches that training does not depend on: neither its steps nor which of them is selected.
    What differs in these alone is trained once."""
    operations_countable: bool = True
    """False where torch's operation counter does not see the method's products, or where steps of a
    training differ in how many they have."""
    counted_in_training: ClassVar[bool] = False
    """True where no step has a convolution with weights per task, which torch's counter gets wrong:
    the first step of a training is then counted while it is done, not one task apart from it."""
    capturable: ClassVar[bool] = False
    """True where `train_step` is the same work at every iteration and never waits for the device,
    so that a CUDA graph of it may be replayed (`harness run --capture`)."""

    calibration_tasks: int = 0
    """How many training tasks `calibrate` is shown between training and test."""

    def __init__(
        self,
        settings: Any,
        tasks: Any,
        device: torch.device,
        engine: str,
        generator: torch.Generator,
    ) -> None:
        """Keep what a run gives its method, and build it. `engine` names how meta-gradients are
        computed (methods without an inner loop ignore it)."""
        self.settings = settings
        self.device = device
        self.engine = engine
        self.generator = generator
        self.build(tasks)

    @abc.abstractmethod
    def build(self, tasks: Any) -> None:
        """Make networks with initial weights, and optimisers. `tasks` is the task source, for
        shapes and counts only."""

    @abc.abstractmethod
    def train_step(self, batch: Any, iteration: int) -> Tensor:
        """Do one meta-training step on a batch of tasks; return the training loss (a scalar tensor,
        detached, left on the device so that nothing waits for it)."""

    def before_step(self, iteration: int) -> None:  # noqa: B027 - most methods have nothing to set
        """Set what follows from the number of a training step alone, such as a rate that falls. It
        is called before each `train_step`, which has no part in it: a captured one could not."""

    @abc.abstractmethod
    def evaluate(self, batch: Any) -> dict[str, Tensor]:
        """Adapt to each of the T tasks and score it: metric name -> [T] (float).

        Names: `accuracy` or `accuracy@k` in percent; `mse@k`, `loss@k`. k counts test steps, or
        what else `[algorithms.<name>] counted` says in `paper.toml`."""

    def scoring(
        self, tasks: Any, split: str, count: int, label: str = ""
    ) -> Callable[[int, int], dict[str, Tensor]]:
        """Return what scores n of the first `count` tasks of `split`, from task `first` on, when it
        is called with (first, n): metric name -> [n], as `evaluate` gives it.

        A method that can do something once for all these tasks does it here, and shows its
        progress under `label` where one is given."""
        return lambda first, n: self.evaluate(tasks.batch(split, first, n))

    def for_ensemble(self) -> ClassOutputs | None:
        """Return this method where its outputs follow from its weights alone, so that those of
        several weights can be averaged; None where they do not."""
        return None

    def first_task(self, iteration: int, meta_batch: int) -> int:
        """Return the index of the first training task of an iteration (for methods that stay on the
        same tasks for several iterations)."""
        return iteration * meta_batch

    def finalise(self, validation: Any) -> None:  # noqa: B027 - most methods have nothing to do
        """Set what is chosen after training on a batch of validation tasks (e.g. the step size of
        fine-tuning). What it sets must be part of `weights()`."""

    def calibrate(self, batch: Any) -> None:  # noqa: B027 - most methods have nothing to estimate
        """Estimate from one more batch of training tasks what a test needs beside the weights, such
        as running statistics. It changes no weight, so that kept weights are enough to do it
        again."""

    @abc.abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Return the meta-trained weights by name (what `harness evaluate` needs, no more)."""

    @abc.abstractmethod
    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take weights given by `weights()` of an equal method."""

    def training_note(self) -> str:
        """Return what the curve of the training does not show, e.g. networks that did not learn;
        the record keeps it and tables print it. '' where there is nothing to say."""
        return ""

    @abc.abstractmethod
    def training_state(self) -> dict[str, Any]:
        """Return what training needs beside the weights to go on bit for bit (optimiser, carried
        state): nested dicts and lists of tensors, numbers and strings."""

    @abc.abstractmethod
    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take what `training_state()` gave."""

    @classmethod  # noqa: B027 - most methods can be trained with any switches
    def check_training(cls, settings: Any, training: Training) -> None:
        """Raise HarnessError where the method's switches cannot be trained with these of training;
        a smoke run's are the published ones, whatever it cuts."""

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name the metrics `evaluate` will give under `settings` (for checks before a run)."""
        return ()
