"""`harness.evaluate`: each argument means what it says, or is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import harness
from harness.errors import HarnessError
from harness.evaluation.arguments import exact_device

CELL = "protonet/omniglot-5way-1shot"
FEW = {"tasks.dataset": "glyphs", "testing.tasks": 3, "testing.tasks_at_once": 2}


def nearest(support_x, support_y, query_x):
    """The label of the nearest support image."""
    return support_y[torch.cdist(query_x.flatten(1), support_x.flatten(1)).argmin(1)]


def never(support_x, support_y, query_x):
    raise AssertionError("a mistake is told before the model is asked")


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu"), torch.device("cpu", 0)])
def test_the_cpu_is_the_cpu(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    seen = []

    def model(support_x, support_y, query_x):
        seen.append({x.device.type for x in (support_x, support_y, query_x)})
        return nearest(support_x, support_y, query_x)

    harness.evaluate(CELL, model, overrides=FEW, device=device)
    assert seen == [{"cpu"}] * 3


def test_a_cuda_device_is_the_very_one_that_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert exact_device("cuda:1") == torch.device("cuda", 1)
    assert exact_device(torch.device("cuda", 1)) == torch.device("cuda", 1)
    assert exact_device("cuda") == exact_device("auto") == torch.device("cuda")
    for missing in ("cuda:2", torch.device("cuda", 7)):
        with pytest.raises(HarnessError, match=r"^device: found 'cuda:\d' on a machine with 2 CUD"):
            exact_device(missing)


@pytest.mark.parametrize(
    "device", ["tpu", None, "", 1, "meta", "cpu:1", "mps", torch.device("meta"), b"cpu", ["cpu"]]
)
def test_a_device_that_means_nothing_here(device):
    with pytest.raises(HarnessError, match=r"^device: found .*, wanted 'auto', 'cpu', 'cuda', one"):
        harness.evaluate(CELL, never, overrides=FEW, device=device)


def test_cuda_without_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert exact_device("auto") == torch.device("cpu")
    for device in ("cuda", "cuda:0", torch.device("cuda")):
        with pytest.raises(HarnessError, match="on a machine with 0 CUDA devices; wanted one that"):
            harness.evaluate(CELL, never, overrides=FEW, device=device)


WRONG = {
    "cell None": ({"cell": None}, "cell: found None, wanted its name"),
    "cell 5": ({"cell": 5}, "cell: found 5, wanted its name"),
    "model None": ({"model": None}, "model: found NoneType, wanted a function or module"),
    "variant 5": ({"variant": 5}, "variant: found 5, wanted its name"),
    "variant []": ({"variant": []}, r"variant: found \[\], wanted its name"),
    "variant ''": ({"variant": ""}, f"{CELL}: found variant ''; wanted one of euclidean"),
    "batched 'no'": ({"batched": "no"}, "batched: found 'no', wanted True or False"),
    "overrides list": ({"overrides": ["a=1"]}, r"overrides: found \['a=1'\], wanted a dict"),
    "overrides 5": ({"overrides": 5}, "overrides: found 5, wanted a dict from switches"),
    "overrides {5: 1}": ({"overrides": {5: 1}}, "overrides: found {5: 1}, wanted a dict"),
    "overrides 4.0": (
        {"overrides": FEW | {"testing.tasks": np.float64(4)}},
        r"testing.tasks: found 4.0 \(float\), wanted int",
    ),
    "record 5": ({"record": 5}, "record: found 5, wanted the path of a record's folder"),
    "record []": ({"record": []}, r"record: found \[\], wanted the path of a record's folder"),
    "record ''": ({"record": ""}, "found no record.json, wanted a record's folder"),
    "record 'none'": ({"record": "none"}, "found no none/record.json, wanted a record's folder"),
    "record_metric 5": ({"record_metric": 5}, "record_metric: found 5, wanted the name of a met"),
    "record_metric alone": (
        {"record_metric": "accuracy"},
        "record_metric: found 'accuracy' without a record, wanted record= as well",
    ),
}


@pytest.mark.parametrize(("more", "sentence"), WRONG.values(), ids=WRONG)
def test_an_argument_of_a_wrong_kind_is_one_sentence(more, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"cell": CELL, "model": never, "overrides": FEW} | more
    with pytest.raises(HarnessError, match=sentence) as told:
        harness.evaluate(**given)
    assert "\n" not in str(told.value)


def test_numbers_of_numpy_are_numbers():
    numpys = FEW | {"testing.tasks": np.int64(3), "testing.tasks_at_once": np.uint8(2)}
    result = harness.evaluate(CELL, nearest, overrides=numpys)
    plain = harness.evaluate(CELL, nearest, overrides=FEW)
    assert np.array_equal(result.scores, plain.scores)
    assert result.tasks_digest == plain.tasks_digest
