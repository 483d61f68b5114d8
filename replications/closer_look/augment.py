"""Random crops, flips and colour jitter of whole batches: what plain classifiers are trained with.

The laws are those of torchvision's `RandomResizedCrop` of 2019 (0.2) and of an `ImageJitter` by
Pillow's enhancers, as few-shot repositories of that time use them. Here they act on float images in
[0, 1], so that nothing is rounded to whole pixel values in between.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

TRIES = 10
RATIO = (3 / 4, 4 / 3)
GRAY = (0.299, 0.587, 0.114)  # Pillow's mode L


def random_boxes(generator: np.random.Generator, count: int, size: int, least: float) -> np.ndarray:
    """Draw `count` boxes (left, top, width, height) in whole pixels, int64 [count, 4].

    Area uniform from `least` to 1 of the image (size x size), width by height uniform in 3/4 to 4/3
    and turned by 90 degrees in half of the draws; the first of ten draws that fits, the whole
    image where none does; the place uniform.
    """
    area = generator.uniform(least, 1, (count, TRIES)) * size**2
    ratio = generator.uniform(*RATIO, (count, TRIES))
    turn = generator.random((count, TRIES)) < 0.5
    sides = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], -1).round().astype(np.int64)
    sides = np.where(turn[..., None], sides[..., ::-1], sides)
    fits: np.ndarray = np.all(sides <= size, axis=-1)
    chosen = sides[np.arange(count), fits.argmax(1)]
    chosen = np.where(np.any(fits, axis=1)[:, None], chosen, size).clip(1)
    place = (generator.random((count, 2)) * (size - chosen + 1)).astype(np.int64)
    return np.concatenate([place, chosen], 1)


def centre_box(size: int, share: float) -> np.ndarray:
    """Return the box in the middle that has `share` of each side, float64 [1, 4]."""
    edge = (1 - share) * size / 2
    return np.array([[edge, edge, share * size, share * size]])


def crop(x: Tensor, boxes: Tensor, flip: Tensor) -> Tensor:
    """Scale the box of each image of x [B, C, size, size] to the whole, bilinear; mirror left and
    right where `flip` [B] is true. `boxes` is [B, 4] as above, in pixels."""
    size = x.shape[-1]
    left, top, width, height = boxes.to(x.dtype).unbind(1)
    zero = torch.zeros_like(left)
    across = torch.where(flip, -width, width) / size
    theta = torch.stack(
        [
            torch.stack([across, zero, (2 * left + width) / size - 1], 1),
            torch.stack([zero, height / size, (2 * top + height) / size - 1], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jitter(x: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast and colour of x [B, 3, H, W] in [0, 1], in this order.

    `factors` [B, 3]: 1 leaves the image as it is, 0 gives black, the image's mean gray and the
    image in gray. What leaves [0, 1] is clipped after each.
    """
    brightness, contrast, color = (f.view(-1, 1, 1, 1) for f in factors.to(x.dtype).unbind(1))
    x = (x * brightness).clamp_(0, 1)
    mean = gray(x).mean((2, 3), keepdim=True)
    x = (mean + contrast * (x - mean)).clamp_(0, 1)
    plain = gray(x)
    return (plain + color * (x - plain)).clamp_(0, 1)


def gray(x: Tensor) -> Tensor:
    """Return the luma of x [B, 3, H, W]: [B, 1, H, W]."""
    weights = torch.tensor(GRAY, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    return (x * weights).sum(1, keepdim=True)
