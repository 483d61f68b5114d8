"""Amortized Bayesian Meta-Learning (Ravi & Beatson 2019, openreview rkgpy3C5tX): wheel bandits."""

from __future__ import annotations

from harness.method import Method
from replications.abml.bounds import Fixed
from replications.abml.cnp import WheelCNP

ALGORITHMS: dict[str, type[Method]] = {"fixed": Fixed, "cnp": WheelCNP}
