"""A record that contradicts itself is refused, though its digests were made anew."""

from __future__ import annotations

import json

import pytest

from harness.errors import HarnessError
from harness.protocol import digest
from harness.records.schema import read_record
from tests.toy_paper import ToyPaper, draws


@pytest.fixture
def toy(tmp_path, monkeypatch):
    toy = ToyPaper(tmp_path)
    monkeypatch.setenv("HARNESS_REPLICATIONS", str(toy.replications))
    return toy


def relabelled(toy, change, **fields):
    """Write a record, change it and set digests that fit; return its file."""
    path = toy.add({"accuracy": draws(95, 4)}, **fields) / "record.json"
    raw = json.loads(path.read_text())
    change(raw)
    who = [raw[k] for k in ("paper", "cell", "variant", "protocol", "seed", "budget")]
    raw["config_digest"] = digest(who)
    raw.pop("measured_digest", None)  # as an older record, which has none
    apart = ("measurement", "environment", "result_digest")
    raw["result_digest"] = digest({k: v for k, v in raw.items() if k not in apart})
    path.write_text(json.dumps(raw))
    return path


def protocol(section, **switches):
    return lambda r: r["protocol"][section].update(switches)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda r: r.update(iterations=1, selected_iteration=1),
            "found 1 iterations at budget ful",
        ),
        (lambda r: r.update(iterations=1001), "found 1001 iterations at budget full, wanted 1000"),
        (lambda r: r.update(budget="0.5"), "found 1000 iterations at budget 0.5, wanted 500, as"),
        (
            lambda r: r.update(budget="0.50"),
            "found budget '0.50', wanted full, smoke or a fraction",
        ),
        (
            lambda r: r.update(budget="most"),
            "found budget 'most', wanted full, smoke or a fraction",
        ),
        (lambda r: r.update(full_iterations=9), "found full_iterations 9, wanted 1000, as its pr"),
        (lambda r: r.update(selected_iteration=2000), "found selected_iteration 2000 after 1000"),
        (
            lambda r: r["metrics"]["accuracy"].update(n=3),
            "found 3 test tasks of accuracy, wanted 4",
        ),
        (protocol("testing", tasks=500), "found 400 test tasks of accuracy, wanted 500, as its"),
        (
            lambda r: r.update(status="diverged"),
            "found metrics of a run that diverged, wanted none",
        ),
        (lambda r: r.update(files={"../x": "0" * 64}), "for file '../x', wanted a plain name and"),
        (lambda r: r["measurement"]["sessions"][0].update(iterations=1), "and 1 in its sessions"),
        (
            protocol("training", patience=3, validate_every=100, iteration_cap=2000),
            None,
        ),
        (
            protocol("training", patience=3, validate_every=300, iteration_cap=2000),
            "found 1000 iterations at budget full, wanted 2000",
        ),
        (
            protocol("training", patience=20, validate_every=100, iteration_cap=2000),
            "found 1000 iterations at budget full, wanted 2000",
        ),
    ],
)
def test_a_relabelled_record_is_refused(toy, change, sentence):
    path = relabelled(toy, change)
    if sentence is None:
        assert read_record(path).iterations == 1000, "it stopped early"
        return
    with pytest.raises(HarnessError) as caught:
        read_record(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(f"{path}: found ")


def test_another_seed_needs_another_config_digest(toy):
    path = relabelled(toy, lambda r: None)
    raw = json.loads(path.read_text()) | {"seed": 1}
    raw.pop("measured_digest", None)  # as an older record, which has none
    apart = ("measurement", "environment", "result_digest")
    raw["result_digest"] = digest({k: v for k, v in raw.items() if k not in apart})
    path.write_text(json.dumps(raw))
    with pytest.raises(HarnessError, match="found a config_digest of another protocol, seed or"):
        read_record(path)


def test_a_fraction_may_have_more_digits_than_its_label(toy):
    # 0.1234567 is labelled 0.123457: of 1000 iterations both are 123.
    path = relabelled(toy, lambda r: r.update(iterations=123), budget="0.123457")
    assert read_record(path).budget == "0.123457"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(measurement=None), "measurement: found None, wanted a table."),
        (lambda r: r["measurement"].update(sessions=5), "measurement: sessions: found 5, wanted a"),
        (lambda r: r["measurement"].update(sessions=[5]), "sessions[0]: found 5, wanted a table."),
        (lambda r: r["measurement"].update(train_seconds=-1), "found -1, wanted at least 0."),
        (lambda r: r["measurement"].update(tested=[]), "measurement: tested: found [], wanted a t"),
        (lambda r: r.update(environment=[]), "environment: found [], wanted a table."),
        (lambda r: r["environment"].update(torch_threads="2"), "found '2', wanted an integer."),
        (lambda r: r.update(seed="0"), "seed: found '0', wanted an integer."),
        (lambda r: r.update(seed=True), "seed: found True, wanted an integer."),
        (lambda r: r.update(seed=-1), "seed: found -1, wanted at least 0."),
        (lambda r: r.update(seed=2**70), "wanted an integer of at most 64 bits."),
        (lambda r: r.update(paper=3), "paper: found 3, wanted text."),
        (lambda r: r.update(status="done"), "status: found 'done', wanted one of finished, diver"),
        (lambda r: r.update(protocol=[1]), "protocol: found [1], wanted a table."),
        (
            lambda r: r["protocol"].update(training=3),
            "protocol: training: found 3, wanted a table.",
        ),
        (lambda r: r["protocol"]["testing"].pop("tasks"), "testing: field 'tasks' is missing."),
        (lambda r: r.update(files=[]), "files: found [], wanted a table."),
        (lambda r: r["metrics"]["accuracy"].update(mean="x"), "mean: found 'x', wanted a number."),
        (lambda r: r["metrics"]["accuracy"].update(sd=-1), "sd: found -1, wanted at least 0."),
        (lambda r: r.update(validation=float("nan")), "found NaN, which is no number"),
        (lambda r: r.update(validation=float("inf")), "found Infinity, which is no number"),
        (lambda r: r["protocol"].update(x=[[[[[[[[[[[[1]]]]]]]]]]]]), "12 levels of nesting."),
    ],
)
def test_a_value_of_another_type_is_one_sentence(toy, change, sentence):
    path = toy.add({"accuracy": draws(95, 4)}) / "record.json"
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(HarnessError) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)
