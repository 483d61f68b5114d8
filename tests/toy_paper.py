"""A made-up paper and made-up records, for tests of everything that reads both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from harness.catalog import find_cell
from harness.protocol import digest
from harness.records.curve_file import curve_csv
from harness.records.schema import Record
from harness.records.scores_file import SCORES, scores_bytes
from harness.records.store import write_record
from harness.run.on_record import summary

PAPER = """
[paper]
title = "Toy learning"
authors = "Doe and Roe"
year = 2020
url = "https://example.org/toy"
code = "none"

[bases.all]
task_source = "sinusoids"
algorithm = "toy"
tasks = { amplitude_min = 0.1, amplitude_max = 5.0, phase_min = 0.0, phase_max = 3.14, \
input_min = -5.0, input_max = 5.0, train_shots = 5, train_queries = 5, val_shots = 5, \
val_queries = 5, test_shots = 5, test_queries = 5, task_in_input = false }
training = { iterations = 1000, iteration_cap = 1000, meta_batch = 4, validate_every = 0, \
validation_tasks = 10, validation_metric = "accuracy", selection = "last", patience = 0 }
testing = { tasks = 400, tasks_at_once = 50, task_seed = 7, best_of_steps = false }

[cells.images]
title = "Toy images"
bases = ["all"]
variants.plain = { method = { rate = 0.1 } }
variants.fancy = { method = { rate = 0.2 } }
variants.ours = { method = { rate = 0.3 } }

[cells.curves]
title = "Toy curves"
bases = ["all"]
variants.plain = { method = { rate = 0.1 } }
"""

PUBLISHED = """\
cell,variants,metric,value,interval,interval_kind,episodes,seeds,table,source,confidence,note
images,plain fancy,accuracy,95.0,0.4,ci95,400,,Table 1,Doe & Roe (2020),high,
images,,accuracy,90.0,,none,,,Table 1,Doe & Roe (2020),medium,nearest neighbour
curves,plain,mse@0,4.0,,none,,,Figure 2,Doe & Roe (2020),low,
curves,plain,mse@1,0.67,,none,,,Figure 2,Doe & Roe (2020),low,read off
"""

METHOD = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Settings:
    rate: float

class Toy:
    Settings = Settings
    test_only = frozenset()

ALGORITHMS = {"toy": Toy}
"""


class ToyPaper:
    """A checkout with one made-up paper, and records of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.replications = root / "replications"
        self.results = root / "results"
        folder = self.replications / "toy"
        folder.mkdir(parents=True)
        self.results.mkdir()
        (folder / "paper.toml").write_text(PAPER)
        (folder / "published.csv").write_text(PUBLISHED)
        (folder / "method.py").write_text(METHOD)

    def add(
        self,
        scores: dict[str, np.ndarray],
        cell: str = "images",
        variant: str = "plain",
        seed: int = 0,
        budget: str = "full",
        overrides: dict[str, Any] | None = None,
        device: str = "cpu",
        clean: bool = True,
        weights: dict[str, np.ndarray] | None = None,
        **fields: Any,
    ) -> Path:
        """Write a record of `scores` (metric -> [tasks]; none = diverged), return its folder.

        `weights` are kept beside it if given; {} are those of a method with nothing to train.
        """
        record = self.record(cell, variant, seed, budget, overrides, **fields)
        session = {"commit": "0123456789abcdef", "clean": clean, "device": device}
        files = {"curve.csv": curve_csv([(0, 1.5, None), (500, 0.7, 80.0), (1000, 0.5, 90.0)])}
        if weights is not None:
            files["weights.safetensors"] = save(weights)
        if scores:
            files[SCORES] = scores_bytes(scores)
        for name, x in scores.items():
            record.metrics[name] = summary(x)
        record.measurement["sessions"] = [session]
        return write_record(self.results, record, files)

    def record(
        self,
        cell: str = "images",
        variant: str = "plain",
        seed: int = 0,
        budget: str = "full",
        overrides: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Record:
        """Return a record without metrics."""
        protocol = find_cell(f"toy/{cell}").variant(variant, overrides).recorded()
        full = protocol["training"]["iterations"]
        iterations = full if budget in ("full", "smoke") else round(float(budget) * full)
        values: dict[str, Any] = {
            "status": "finished",
            "status_note": "",
            "iterations": iterations,
            "full_iterations": full,
            "protocol_differences": [],
            "config_digest": digest(["toy", cell, variant, protocol, seed, budget]),
            "training_digest": digest([protocol, seed]),
            "data_digest": "",
            "synthetic": False,
            "tasks_digest": "t" * 64,
            "selected_iteration": iterations,
            "validation": 90.0,
        }
        return Record(
            paper="toy",
            cell=cell,
            variant=variant,
            seed=seed,
            budget=budget,
            protocol=protocol,
            metrics={},
            files={},
            **(values | fields),
        )


def draws(mean: float, sd: float, seed: int = 0, tasks: int = 400) -> np.ndarray:
    """Return scores [tasks] whose sample mean and sd (n - 1) are just `mean` and `sd`."""
    x = np.random.default_rng(seed).standard_normal(tasks)
    x -= x.mean()
    return mean + sd * x / x.std(ddof=1)
