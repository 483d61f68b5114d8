from __future__ import annotations

import pytest
import torch

from harness.errors import HarnessError
from harness.models.batch_statistics import BatchStatistics


@pytest.mark.parametrize("scale", [False, True])
def test_a_single_value_of_each_channel_is_one_sentence(scale):
    norm = BatchStatistics(3, scale=scale)
    for lone in (torch.ones(1, 3), torch.ones(1, 3, 1, 1)):
        with pytest.raises(HarnessError, match="found one value of each channel, wanted two"):
            norm(lone)
    assert norm(torch.ones(2, 3)).tolist() == norm(torch.ones(1, 3, 2)).mT[0].tolist()
    norm.given = torch.zeros(3), torch.ones(3)
    torch.testing.assert_close(norm(torch.ones(1, 3)), torch.ones(1, 3), rtol=1e-3, atol=0.0)
