import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.errors import HarnessError
from harness.records.scores_file import parse_scores, scores_bytes

NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=8)


@settings(max_examples=40)
@given(arrays(np.float64, (3, 2)), NAMES)
def test_scores_come_back_bit_for_bit(values: np.ndarray, name: str) -> None:
    given_scores = {f"{name}@0": values[:, 0], f"{name}@1": values[:, 1]}
    parsed = parse_scores(scores_bytes(given_scores), "scores")
    assert set(parsed) == set(given_scores)
    for metric, x in given_scores.items():
        np.testing.assert_array_equal(parsed[metric], x)


def test_float32_scores_take_four_bytes_each() -> None:
    rng = np.random.default_rng(0)
    wide = rng.random(1000)
    narrow = wide.astype(np.float32)
    small, large = scores_bytes({"mse": narrow}), scores_bytes({"mse": wide})
    assert len(large) - len(small) == 4 * 1000
    assert (parse_scores(small, "")["mse"] == narrow).all()
    assert (parse_scores(large, "")["mse"] == wide).all()


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({}, "found scores of shapes {}"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "(2,)"),
        ({"a": np.zeros((2, 2))}, "(2, 2)"),
    ],
)
def test_uneven_scores_are_refused(scores: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(HarnessError) as e:
        scores_bytes(scores)
    assert words in str(e.value)


@pytest.mark.parametrize("data", [b"", b"task,a\n0,1\n", scores_bytes({"a": np.zeros(9)})[:-1]])
def test_broken_scores_are_one_sentence(data: bytes) -> None:
    with pytest.raises(HarnessError, match=r"^scores: not a readable safetensors file"):
        parse_scores(data, "scores")
