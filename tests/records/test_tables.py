import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.errors import HarnessError
from harness.records.tables import CurveRow, curve_csv, parse_curve, parse_scores, scores_csv

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=8)


@settings(max_examples=40)
@given(arrays(np.float64, (3, 2)), NAMES)
def test_scores_come_back_bit_for_bit(values: np.ndarray, name: str) -> None:
    given_scores = {f"{name}@0": values[:, 0], f"{name}@1": values[:, 1]}
    found = parse_scores(scores_csv(given_scores), "scores.csv")
    assert list(found) == list(given_scores)
    for metric, x in given_scores.items():
        np.testing.assert_array_equal(found[metric], x)


def test_float32_scores_come_back() -> None:
    x = np.array([0.1, 1 / 3, 1e-40], dtype=np.float32)
    assert (parse_scores(scores_csv({"mse": x}), "")["mse"].astype(np.float32) == x).all()


@given(st.lists(st.tuples(st.integers(0, 10**9), st.none() | st.floats(), st.none() | st.floats())))
def test_curves_come_back(rows: list[tuple[int, float | None, float | None]]) -> None:
    found = parse_curve(curve_csv(rows), "curve.csv")
    assert repr(found) == repr([CurveRow(*row) for row in rows])


def test_scores_start_with_the_task() -> None:
    assert scores_csv({"accuracy": np.array([96.0, 100.0])}) == b"task,accuracy\n0,96.0\n1,100.0\n"


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        ({}, "found scores of shapes {}"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "(2,)"),
        ({"a": np.zeros((2, 2))}, "(2, 2)"),
    ],
)
def test_uneven_scores_are_refused(scores: dict[str, np.ndarray], found: str) -> None:
    with pytest.raises(HarnessError) as e:
        scores_csv(scores)
    assert found in str(e.value)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "wanted a header"),
        (b"\n", "wanted a header"),
        (b"task,a\n0\n", "equal length"),
        (b"iteration,a\n0,1\n", "found columns iteration,a"),
        (b"task\n0\n", "wanted task,<metric>"),
        (b"task,a\n1,1\n", "in order"),
        (b"task,a\n0,x\n", "wanted a number"),
    ],
)
def test_broken_scores_are_one_sentence(data: bytes, found: str) -> None:
    with pytest.raises(HarnessError, match=r"^scores\.csv: ") as e:
        parse_scores(data, "scores.csv")
    assert found in str(e.value)


def test_broken_curves_are_one_sentence() -> None:
    with pytest.raises(HarnessError, match="found columns a,b"):
        parse_curve(b"a,b\n", "curve.csv")
    with pytest.raises(HarnessError, match="wanted numbers"):
        parse_curve(b"iteration,training_loss,validation\nx,,\n", "curve.csv")


def test_no_tasks_at_all() -> None:
    found = parse_scores(b"task,a,b\n", "")
    assert found["b"].shape == (0,)
    assert not math.isnan(found["a"].sum())
