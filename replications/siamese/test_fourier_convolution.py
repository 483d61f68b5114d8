from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from replications.siamese.fourier_convolution import fourier_convolution, transform, transform_back


@pytest.mark.parametrize(
    ("size", "kernel", "channels", "filters", "images"),
    [(12, 3, 2, 3, 2), (11, 4, 3, 2, 2), (9, 9, 1, 2, 1), (7, 1, 2, 2, 3), (48, 7, 2, 3, 1)],
)
def test_it_is_the_librarys_convolution_and_so_are_its_gradients(
    size: int, kernel: int, channels: int, filters: int, images: int
) -> None:
    torch.manual_seed(size)
    x = torch.randn(size, size, images, channels, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(filters, channels, kernel, kernel, dtype=torch.float64, requires_grad=True)
    convolved = fourier_convolution(x, weight)
    wanted = F.conv2d(x.permute(2, 3, 0, 1), weight).permute(2, 3, 0, 1)
    torch.testing.assert_close(convolved, wanted, rtol=1e-12, atol=1e-12)
    arrived = torch.randn_like(convolved)
    a = torch.autograd.grad(convolved, (x, weight), arrived)
    b = torch.autograd.grad(wanted, (x, weight), arrived)
    torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_in_float32_it_is_as_exact_as_float32_is() -> None:
    torch.manual_seed(0)
    x, weight = torch.rand(48, 48, 2, 16), torch.randn(8, 16, 7, 7)
    wanted = F.conv2d(x.double().permute(2, 3, 0, 1), weight.double()).permute(2, 3, 0, 1)
    off = (fourier_convolution(x, weight) - wanted).abs().max()
    assert off < 2e-5 * wanted.abs().max()


@pytest.mark.parametrize("size", [6, 7])
def test_the_spectrum_is_that_of_numpy_and_leads_back(size: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 5, 2, 1, dtype=torch.float64)
    real, imaginary = transform(x, size)
    padded = F.pad(x[:, :, 1, 0], (0, size - 5, 0, size - 5))
    wanted = torch.fft.fft2(padded)[: size // 2 + 1].flatten()
    torch.testing.assert_close(torch.complex(real[:, 1, 0], imaginary[:, 1, 0]), wanted)
    torch.testing.assert_close(transform_back((real, imaginary), size, 5), x)


def test_only_what_is_needed_gets_a_gradient() -> None:
    x = torch.randn(5, 5, 1, 1)
    weight = torch.randn(1, 1, 2, 2, requires_grad=True)
    fourier_convolution(x, weight).sum().backward()
    assert x.grad is None
    assert weight.grad is not None
    # The sum of outputs: each tap sees the sum of a 4 x 4 corner.
    torch.testing.assert_close(weight.grad[0, 0, 1, 0], x[1:, :4].sum(), rtol=1e-4, atol=1e-4)
