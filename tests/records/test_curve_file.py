import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.records.curve_file import CurveRow, curve_csv, parse_curve


@given(st.lists(st.tuples(st.integers(0, 10**9), st.none() | st.floats(), st.none() | st.floats())))
def test_curves_come_back(rows: list[tuple[int, float | None, float | None]]) -> None:
    parsed = parse_curve(curve_csv(rows), "curve.csv")
    assert repr(parsed) == repr([CurveRow(*row) for row in rows])


def test_broken_curves_are_one_sentence() -> None:
    with pytest.raises(HarnessError, match="found columns a,b"):
        parse_curve(b"a,b\n", "curve.csv")
    with pytest.raises(HarnessError, match="wanted numbers"):
        parse_curve(b"iteration,training_loss,validation\nx,,\n", "curve.csv")
    for data in (b"", b"\n", b"iteration,training_loss,validation\n1\n"):
        with pytest.raises(HarnessError, match="wanted a header and rows of equal length"):
            parse_curve(data, "curve.csv")
