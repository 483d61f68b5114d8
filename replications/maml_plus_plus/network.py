"""The convnet of MAML++ (Antoniou et al. 2019; authors' `VGGReLUNormNetwork`)."""

from __future__ import annotations

from functools import partial

from torch.nn import functional as F

from harness.models.batch_statistics import BatchStatistics
from harness.models.max_pool_conv4 import MaxPoolConv4


class LeakyPoolConv4(MaxPoolConv4):
    """Images [B, C, size, size] → logits [B, ways].

    As `MaxPoolConv4`, with scale and offset in the batch norms, which start at 1 and 0 (ε 1e-5),
    and leaky ReLU of slope 0.01.
    """

    norm = partial(BatchStatistics, eps=1e-5, scale=True)
    activation = staticmethod(F.leaky_relu)
