"""For networks that are made for one size of image."""

from __future__ import annotations

from torch import Tensor

from harness.errors import HarnessError


def check_image_shape(network: str, wanted: tuple[int, int, int], x: Tensor) -> None:
    """Refuse images x [B, …] whose shape is not `wanted` (channels, height, width)."""
    if tuple(x.shape[1:]) != wanted:
        raise HarnessError(
            f"{network}: found images of shape {tuple(x.shape[1:])}, wanted {wanted} (channels, "
            "height, width), for which it was made."
        )


def check_pools(pixels: int, pools: int) -> None:
    """Refuse images of which nothing is left after `pools` pools that halve a side (an odd row is
    dropped)."""
    if pixels < 2**pools:
        raise HarnessError(
            f"tasks.image_size: found {pixels}, wanted at least {2**pools}: each of {pools} pools "
            "halves the image."
        )
