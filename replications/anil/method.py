"""ANIL and NIL, with MAML beside them (Raghu, Raghu, Bengio & Vinyals 2020, arXiv 1909.09157)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F

from harness.meta_gradient.func import adapt
from harness.meta_gradient.losses import CrossEntropy
from harness.meta_gradient.problem import InnerLoop, Problem
from harness.methods.class_scores import percent_right
from harness.methods.learned_start import (
    LearnedStart,
    clip_of_the_code,
    norm_parameters,
)
from harness.models.max_pool_conv4 import MaxPoolConv4
from harness.models.over_tasks import over_tasks
from harness.models.strided_conv4 import StridedConv4
from harness.ranges import Range
from harness.switch_types import Clip, Rate, Steps, Width
from harness.tasks.batch import SupervisedBatch

LAYERS = 4


@dataclass(frozen=True)
class AnilSettings:
    """Switches of MAML, ANIL and NIL. Those that start with `test_` do not touch training, so that
    MAML with layers frozen at test and NIL are other tests of one training."""

    network: Literal["strided-conv4", "max-pool-conv4"]
    filters: Width
    order: Literal["second", "first"]
    frozen_layers: Annotated[int, Range(0, LAYERS)]
    """How many of the four convolutional layers, from the first on, do not adapt in training's
    inner loop: 0 is MAML, 4 is ANIL. They are meta-trained all the same."""
    inner_steps: Steps
    inner_rate: Rate
    inner_loss: Literal["mean", "sum-over-classes"]
    """As in the code of MAML: the sum over examples over the shots, `ways` times the mean."""
    outer_clip: Clip
    """Entries of the meta-gradient, in the scale of MAML's code, are cut to ± this; 0: not."""
    meta_rate: Rate
    """Learning rate of Adam in the outer loop; 0 leaves the random start as it is."""
    test_frozen_layers: Annotated[int, Range(0, LAYERS)]
    """The same at test."""
    test_head: Literal["adapted", "cosine"]
    """`adapted`: scores after 0, 1, …, test_steps steps. `cosine` (NIL): nothing adapts and there
    is no head; the support labels, weighted by the cosine similarity of features, decide."""
    test_steps: Steps


class ANIL(LearnedStart):
    """Learns features by an inner loop that leaves all but the last layers of a network alone.

    Query images are normalised together (transductive), as in the code of MAML.
    """

    Settings = AnilSettings
    test_only = frozenset({"test_frozen_layers", "test_head", "test_steps"})
    settings: AnilSettings
    model: StridedConv4 | MaxPoolConv4

    def build(self, tasks: Any) -> None:
        """Start the network, and say what adapts in training and at test."""
        s = self.settings
        model = network(s, tasks, self.generator).to(self.device)
        loss = CrossEntropy(s.inner_loss)
        first_order = s.order == "first"
        inner = InnerLoop(s.inner_steps, s.inner_rate, first_order, frozen(model, s.frozen_layers))
        still = frozen(model, s.test_frozen_layers)
        test_inner = InnerLoop(s.test_steps, s.inner_rate, True, still)
        outer = clip_of_the_code(s.outer_clip, s.inner_loss, tasks)
        self.begin(Problem(model, loss, loss), s.meta_rate, inner, test_inner, outer)

    @torch.no_grad()
    def evaluate(self, batch: SupervisedBatch) -> dict[str, Tensor]:
        """Score the query sets of T tasks, in percent [T]: `accuracy@k` after each test step, or
        `accuracy` by cosine similarity."""
        if self.settings.test_head == "cosine":
            support, query = self.features(batch)
            scores = by_cosine(support, batch.support_y, query, self.model.head.out_features)
            return {"accuracy": percent_right(scores, batch.query_y)}
        whole = self.settings.test_frozen_layers < LAYERS
        outputs = self.outputs_at_test(batch, "transductive") if whole else self.by_head(batch)
        return {f"accuracy@{k}": percent_right(o, batch.query_y) for k, o in enumerate(outputs)}

    def features(self, batch: SupervisedBatch) -> tuple[Tensor, Tensor]:
        """Embed support [T, S, F] and query images [T, Q, F], each set by its own statistics."""
        support, query = batch.support_x, batch.query_x
        embed = self.model.features
        return over_tasks(embed, support)(support), over_tasks(embed, query)(query)

    def by_head(self, batch: SupervisedBatch) -> list[Tensor]:
        """Return what `outputs_at_test` gives where the head alone adapts, for which the body is
        gone through once: [T, Q, ways] before adaptation and after each test step."""
        support, query = self.features(batch)
        problem = Problem(self.model.head, self.problem.support_loss, self.problem.query_loss)
        start = {k: v.detach() for k, v in self.model.head.named_parameters()}
        shared = {k: v.expand(len(batch), *v.shape) for k, v in start.items()}
        inner = InnerLoop(self.test_inner.steps, self.test_inner.rate, first_order=True)
        steps = adapt(problem, start, {}, support, batch.support_y, inner)
        return [vmap(problem.outputs)(head, query) for head in (shared, *steps)]

    @classmethod
    def metrics(cls, settings: AnilSettings) -> tuple[str, ...]:
        """Name the metric after each test step, or the one of NIL."""
        if settings.test_head == "cosine":
            return ("accuracy",)
        return tuple(f"accuracy@{k}" for k in range(settings.test_steps + 1))


def network(s: AnilSettings, tasks: Any, generator: torch.Generator) -> StridedConv4 | MaxPoolConv4:
    """Build the network for the tasks' shapes."""
    channels, size, _ = tasks.image_shape
    ways = tasks.ways("train")
    if s.network == "max-pool-conv4":
        return MaxPoolConv4(channels, s.filters, size, ways, generator)
    return StridedConv4(channels, s.filters, ways, generator)


def frozen(model: nn.Module, layers: int) -> frozenset[str]:
    """Name what does not adapt: the first `layers` convolutions, and all offsets of batch norms."""
    before = tuple(f"convolutions.{i}." for i in range(layers))
    names = (name for name, _ in model.named_parameters())
    return norm_parameters(model) | {n for n in names if n.startswith(before)}


def by_cosine(support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
    """Return each query example's score for each class [T, Q, ways]: the softmax over the support
    examples of its cosine similarities with them, summed by class (Vinyals et al. 2016).

    Support features are [T, S, F] with labels [T, S], query features [T, Q, F].
    """
    weights = (F.normalize(query, dim=-1) @ F.normalize(support, dim=-1).mT).softmax(-1)
    sums: Tensor = weights @ F.one_hot(labels, ways).to(weights.dtype)
    return sums


ALGORITHMS = {"anil": ANIL}
