"""DeepCoder (Balog, Gaunt, Brockschmidt, Nowozin & Tarlow 2017, arXiv 1611.01989).

A network predicts from five examples which functions and lambdas, the attributes, a program has. A
search for the program tries the probable operations first. The same search ordered by how frequent
attributes are is the baseline; nodes that it explores until it has found a share of the test
programs, divided by those that the guided one explores, are the speed-up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from harness.errors import HarnessError
from harness.method import Method
from harness.methods.one_network import OneNetwork, adam
from harness.methods.untrained import Untrained
from harness.ranges import Entries, Range
from harness.switch_types import Hidden, Rate, Width
from replications.deepcoder.consistent import consistent_programs
from replications.deepcoder.corpus import WITH
from replications.deepcoder.language import ATTRIBUTES, OPERATIONS
from replications.deepcoder.network import AttributeNet
from replications.deepcoder.programs import SIGNATURES, Programs
from replications.deepcoder.search import Order
from replications.deepcoder.tasks import Problems

SOLVED = (20, 40, 60)
"""Percent of the test programs, as in Table 1."""


def operation_scores(attributes: np.ndarray, as_in_code: bool) -> np.ndarray:
    """Return the score of each operation, [38]: the least probability of its attributes, [34].

    The authors' code takes MAP for an attribute of SUM, and INC for that of MAP DEC."""
    has = WITH[:-1].copy()
    if as_in_code:
        names = [o.name for o in OPERATIONS]
        has[names.index("SUM"), ATTRIBUTES.index("MAP")] = True
        has[names.index("MAP DEC")] = has[names.index("MAP INC")]
    scores: np.ndarray = np.where(has, attributes, 1.0).min(1)
    return scores


def nodes(
    attributes: np.ndarray, found: Programs, signature: str, search: str, as_in_code: bool
) -> int:
    """Return the nodes that a search explores to find one of the programs `found`."""
    order = np.argsort(-operation_scores(attributes, as_in_code), kind="stable")
    tried = Order(order, SIGNATURES[signature])
    return tried.depth_first(found) if search == "depth-first" else tried.sort_and_add(found)


@dataclass(frozen=True)
class SearchSettings:
    """Switches of the search."""

    test_search: Literal["depth-first", "sort-and-add"]
    test_scores: Literal["attributes", "authors-code"]
    """Which attributes an operation is scored by: its own, or as in the authors' code."""
    test_solved_within: Annotated[tuple[Annotated[int, Range(0, 40)], ...], Entries(1, 41)]
    """`solved@k` is the share of programs found within 2^k nodes, for these k."""


class Guided(Method):
    """A search in an order that something predicts."""

    Settings: ClassVar[type] = SearchSettings
    test_only = frozenset({"test_search", "test_scores", "test_solved_within"})
    settings: Any
    tasks: Any

    def probabilities(self, batch: Problems) -> Tensor:
        """Return the probability of each attribute, [T, P, 34]."""
        raise NotImplementedError

    @classmethod
    def metrics(cls, settings: Any) -> tuple[str, ...]:
        """Name what `evaluate` gives."""
        solved = [f"solved@{k}" for k in settings.test_solved_within]
        ratios = [f"{name}@{k}%" for k in SOLVED for name in ("speed-up", "nodes")]
        return (*ratios, *solved, "loss")

    @torch.no_grad()
    def evaluate(self, batch: Problems) -> dict[str, Tensor]:
        """Score T sets: `nodes@k%` to find k % of the programs, `speed-up@k%`, how many times as
        many the baseline needs, `solved@k` in percent, `loss`, cross-entropy per attribute in nats.
        """
        p = self.probabilities(batch)
        loss = binary_cross_entropy(p, batch.attributes.to(p), reduction="none")
        own, prior = self.explored(batch, p)
        metrics = {}
        for k in SOLVED:
            place = math.ceil(k / 100 * own.shape[1]) - 1
            needed = np.sort(own, 1)[:, place]
            metrics[f"speed-up@{k}%"] = np.sort(prior, 1)[:, place] / needed
            metrics[f"nodes@{k}%"] = needed.astype(np.float64)
        for k in self.settings.test_solved_within:
            metrics[f"solved@{k}"] = 100.0 * (own <= 2**k).mean(1)
        there = {name: torch.from_numpy(value).to(p.device) for name, value in metrics.items()}
        return there | {"loss": loss.mean((1, 2))}

    def explored(self, batch: Problems, p: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return the nodes of the own search and of the baseline, [T, P] each."""
        s, names = self.settings, list(SIGNATURES)
        rows, as_in_code = p.double().cpu().numpy(), s.test_scores == "authors-code"
        counts = np.empty((2, *rows.shape[:2]), dtype=np.int64)
        for at in np.ndindex(*rows.shape[:2]):
            found = consistent_programs(batch, *at)
            signature = names[int(batch.signature[at])]
            for k, guess in enumerate((rows[at], self.tasks.attribute_shares)):
                counts[(k, *at)] = nodes(guess, found, signature, s.test_search, as_in_code)
        return counts[0], counts[1]


class Prior(Guided, Untrained):
    """The baseline: attributes are as probable as they are frequent in training."""

    def build(self, tasks: Any) -> None:
        """Keep the task source, which counts."""
        self.tasks = tasks

    def probabilities(self, batch: Problems) -> Tensor:
        """Return the shares of the training programs."""
        shares = torch.from_numpy(self.tasks.attribute_shares).to(batch.data.device)
        return shares.to(torch.get_default_dtype()).expand(batch.attributes.shape)

    def train_step(self, batch: Problems, iteration: int) -> Tensor:
        """Return the loss of the prior, which nothing lowers."""
        p = self.probabilities(batch)
        return binary_cross_entropy(p, batch.attributes.to(p))


class Oracle(Prior):
    """True attributes as prediction: the ceiling, but for the order among true ones."""

    def probabilities(self, batch: Problems) -> Tensor:
        """Return the attributes themselves."""
        return batch.attributes.to(torch.get_default_dtype())


@dataclass(frozen=True)
class NetworkSettings(SearchSettings):
    """Switches of the network and its training."""

    embedding: Width
    """Numbers that an integer is embedded as, E."""
    units: Hidden
    """Of each hidden layer."""
    padded: Annotated[int, Range(2, 64)]
    """Entries that a list is padded to."""
    learning_rate: Rate
    """Of Adam; its other settings are torch's defaults."""


class Network(Guided, OneNetwork):
    """DeepCoder."""

    Settings = NetworkSettings

    def build(self, tasks: Any) -> None:
        """Start network and optimiser."""
        s, of = self.settings, tasks.settings
        if of.entries > s.padded:
            raise HarnessError(
                f"method.padded: found {s.padded}, wanted at least tasks.entries = {of.entries}."
            )
        self.tasks = tasks
        net = AttributeNet(of.numbers, s.padded, s.embedding, s.units, self.generator)
        self.model = net.to(self.device)
        self.optimiser = adam(self.model.parameters(), s.learning_rate, self.device)

    def train_step(self, batch: Problems, iteration: int) -> Tensor:
        """Take one step on the mean cross-entropy of the 34 attributes; return it in nats."""
        logits = self.model(batch)
        loss = binary_cross_entropy_with_logits(logits, batch.attributes.to(logits))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def probabilities(self, batch: Problems) -> Tensor:
        """Return the network's."""
        p: Tensor = self.model(batch).sigmoid()
        return p


ALGORITHMS = {"network": Network, "prior": Prior, "oracle": Oracle}
