import pytest

from harness.compare.numbers import axis_label, number, p_value, published, span, width


@pytest.mark.parametrize(
    ("metric", "value", "wanted"),
    [
        ("accuracy@3", 98.6789, "98.68"),
        ("accuracy", 100.0, "100.00"),
        ("mse@1", 0.67213, "0.6721"),
        ("mse@1", 4.0, "4.000"),
        ("loss", 1234.0, "1234"),
        ("loss", 123456.0, "1.235e+05"),
        ("loss", None, ""),
    ],
)
def test_numbers(metric: str, value: float | None, wanted: str) -> None:
    assert number(metric, value) == wanted


def test_signs_widths_and_intervals() -> None:
    assert number("accuracy", 0.5, sign=True) == "+0.50"
    assert width("accuracy", 0.456) == "0.46"
    assert width("mse@1", 0.03312) == "0.0331"
    assert width("mse@1", None) == ""
    assert span("accuracy", -1, 0.25) == "[-1.00, +0.25]"


@pytest.mark.parametrize(
    ("metric", "value", "interval", "wanted"),
    [
        ("accuracy", 98.7, 0.4, "98.7 ± 0.4"),
        ("accuracy", 48.7, 1.84, "48.7 ± 1.84"),
        ("accuracy", 49.42, 0.78, "49.42 ± 0.78"),
        ("accuracy", 90.0, None, "90.0"),
        ("mse@1", 0.67, None, "0.67"),
        ("mse@1", None, None, ""),
    ],
)
def test_published_numbers_read_as_printed(
    metric: str, value: float | None, interval: float | None, wanted: str
) -> None:
    assert published(metric, value, interval) == wanted


def test_p_values_and_axes() -> None:
    assert (p_value(1e-9), p_value(0.0312)) == ("<0.001", "0.031")
    assert axis_label("accuracy@3") == "accuracy (%)"
    assert axis_label("mse@3") == "mean squared error"
    assert axis_label("bits@20") == "bits"
