"""Where one way of `batched` to convolve and to standardise overtakes the other, on this machine.

The thresholds `PLANES_FROM_BYTES` and `NATIVE_FROM_BYTES` were set by these ratios.
"""

from __future__ import annotations

import pytest
import torch

from harness.meta_gradient.batched.rules import batch_norm_standardised as standardised
from harness.meta_gradient.batched.rules.batch_norm_standardised import Standardised
from harness.meta_gradient.batched.rules.geometry import Geometry, pack_kernel
from harness.meta_gradient.batched.rules.planes import Planes
from harness.meta_gradient.batched.rules.rule import Wanted
from harness.meta_gradient.batched.rules.windows import Windows

WAYS = {"windows": Windows, "planes": Planes}
PLANES = [  # tasks, examples a task, image side, channels, filters, stride
    pytest.param(8, 5, 14, 64, 64, 2, id="omniglot-strided"),
    pytest.param(8, 5, 14, 64, 64, 1, id="omniglot-pooled"),
    pytest.param(4, 5, 10, 32, 32, 1, id="mini-support-10px"),
    pytest.param(4, 5, 21, 32, 32, 1, id="mini-support-21px"),
    pytest.param(4, 5, 42, 32, 32, 1, id="mini-support-42px"),
    pytest.param(1, 75, 42, 32, 32, 1, id="mini-query-42px"),
]
EXAMPLES = [  # tasks, examples a task, image side, channels
    pytest.param(12, 5, 7, 64, id="omniglot-7px"),
    pytest.param(12, 5, 14, 64, id="omniglot-14px"),
    pytest.param(4, 5, 42, 32, id="mini-support-42px"),
    pytest.param(1, 75, 84, 32, id="mini-query-84px"),
]


@pytest.mark.parametrize(("tasks", "examples", "side", "channels", "filters", "stride"), PLANES)
def test_convolve(tasks, examples, side, channels, filters, stride, device, compare, request):
    generator = torch.Generator().manual_seed(0)
    geometry = Geometry((3, 3), (stride, stride), (1, 1, 1, 1))
    x = torch.randn(tasks, examples, side, side, channels, generator=generator).to(device)
    kernels = torch.randn(tasks, filters, channels, 3, 3, generator=generator)
    w = torch.stack([pack_kernel(k) for k in kernels]).to(device)
    given = {}

    def work(name):
        def run():
            images = WAYS[name].of(geometry, x)
            y = images.times(w)
            given[name] = y, images.across(y, False), images.back([(y, w)])

        return run

    case = request.node.callspec.id.removesuffix("-cpu")
    size = windows_mib(geometry, x)
    title = f"convolve, three products: {case}, {size:.2f} MiB of windows a task"
    compare(f"convolve-{case}", title, {name: work(name) for name in WAYS}, "planes", device)
    for mine, theirs in zip(*given.values(), strict=True):
        assert (mine - theirs).abs().max() <= 1e-3 * theirs.abs().max()


def windows_mib(geometry, x):
    kh, kw = geometry.kernel
    oh, ow = geometry.out(x.shape)
    return x.shape[1] * oh * ow * kh * kw * x.shape[-1] * x.element_size() / 2**20


@pytest.mark.parametrize(("tasks", "examples", "side", "channels"), EXAMPLES)
def test_standardise(tasks, examples, side, channels, device, compare, request, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x, g = torch.randn(2, tasks, examples * side**2, channels, generator=generator).to(device)
    offset = torch.zeros(channels, device=device)
    wanted = Wanted([False, True], [], True)
    given = {}

    def work(name, threshold):
        def run():
            monkeypatch.setattr(standardised, "NATIVE_FROM_BYTES", threshold)
            y, kept = Standardised.of(x, 1e-5, None, offset)
            given[name] = y, kept.back(g, None, wanted)[0]

        return run

    case = request.node.callspec.id.removesuffix("-cpu")
    title = f"standardise, forward and back: {case}, {x[0].nbytes / 2**10:.0f} KiB a task"
    ways = {"written out": work("written out", 2**62), "native": work("native", 1)}
    compare(f"standardise-{case}", title, ways, "native", device)
    for mine, theirs in zip(*given.values(), strict=True):
        assert (mine - theirs).abs().max() <= 1e-3 * theirs.abs().max()
