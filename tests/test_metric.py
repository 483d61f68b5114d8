from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.metric import FAMILIES, read_metric, with_best_of_steps

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("name", "family", "at", "higher_is_better", "label"),
    [
        ("accuracy", "accuracy", "", True, "accuracy (%)"),
        ("accuracy@3", "accuracy", "3", True, "accuracy (%)"),
        ("mse@best", "mse", "best", False, "mean squared error"),
        ("loss@100", "loss", "100", False, "loss"),
    ],
)
def test_a_name_is_read(name, family, at, higher_is_better, label):
    metric = read_metric(name)
    assert (metric.family, metric.at, metric.label) == (family, at, label)
    assert metric.higher_is_better is higher_is_better
    assert metric.name == name
    assert metric.chosen_on_test == (at == "best")
    assert metric.better(2.0, 1.0) == higher_is_better
    assert metric.better(1.0, 2.0) != higher_is_better
    assert not metric.better(1.0, 1.0)


@pytest.mark.parametrize("name", ["", "acuracy", "accuracy_of_training@3", "@3"])
def test_a_family_that_nothing_is_known_of_is_refused(name):
    with pytest.raises(HarnessError, match=r"found metric .* wanted one of the families accuracy"):
        read_metric(name)


def test_the_best_of_steps_stands_once_behind_each_family_that_has_steps():
    names = ("mse@0", "mse@1", "accuracy", "loss@1")
    assert with_best_of_steps(names) == (*names, "mse@best", "loss@best")


def test_every_family_is_in_use_and_every_name_in_use_is_read():
    names = set()
    for path in ROOT.glob("replications/*/published.csv"):
        with path.open(encoding="utf-8") as lines:
            names |= {row["metric"] for row in csv.DictReader(lines)}
    for path in ROOT.glob("results/*/*/*/*/record.json"):
        names |= json.loads(path.read_text("utf-8"))["metrics"].keys()
    assert {read_metric(name).family for name in names} == set(FAMILIES)
