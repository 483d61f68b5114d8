"""Products of float32 numbers on CUDA are rounded to TF32 only where that is asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from harness.measure.environment import environment
from harness.run import products
from harness.run.setup import choose_device


@pytest.fixture(autouse=True)
def as_before():
    """Put torch's settings back."""
    kinds = products.kinds_of_products().values()
    before = [kind.fp32_precision for kind in kinds]
    yield
    for kind, precision in zip(kinds, before, strict=True):
        kind.fp32_precision = precision


@pytest.mark.parametrize("tf32", [False, True])
def test_matrix_products_and_convolutions_are_set_together(tf32: bool) -> None:
    choose_device("auto", tf32)
    settings = environment()
    assert settings["tf32_matmul"] is tf32
    assert settings["tf32_convolution"] is tf32
    assert torch.backends.cudnn.rnn.fp32_precision == ("tf32" if tf32 else "ieee")


def test_a_device_is_chosen_without_tf32() -> None:
    products.use_tf32(True)
    choose_device("cpu")
    assert environment()["tf32_convolution"] is False


def test_older_settings_are_set_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    older = SimpleNamespace(allow_tf32=True)
    monkeypatch.setattr(products, "kinds_of_products", lambda: {"convolutions": older})
    products.use_tf32(False)
    assert older.allow_tf32 is False


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("tf32", [False, True])
def test_a_convolution_has_the_digits_that_were_asked_for(tf32: bool) -> None:
    choose_device("cuda", tf32)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(64, 64, 14, 14, generator=generator).cuda()
    weights = torch.randn(64, 64, 3, 3, generator=generator).cuda()
    exact = torch.nn.functional.conv2d(images.double(), weights.double())
    convolved = torch.nn.functional.conv2d(images, weights)
    error = float((convolved - exact).norm() / exact.norm())
    assert (error > 1e-5) is tf32
