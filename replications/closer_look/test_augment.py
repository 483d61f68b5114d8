from __future__ import annotations

import numpy as np
import torch

from replications.closer_look.augment import centre_box, crop, gray, jitter, random_boxes

SIZE = 12


def ramp() -> torch.Tensor:
    """One image [1, 3, 12, 12]: 10 * row + column in the first channel, its parts in the others."""
    row, column = torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float64)] * 2, indexing="ij")
    return torch.stack([10 * row + column, row, column])[None]


def no_flip(count: int = 1) -> torch.Tensor:
    return torch.zeros(count, dtype=torch.bool)


def test_the_whole_image_is_left_as_it_is() -> None:
    x = torch.rand(2, 3, SIZE, SIZE, dtype=torch.float64)
    whole = torch.tensor([[0, 0, SIZE, SIZE]]).expand(2, 4)
    torch.testing.assert_close(crop(x, whole, no_flip(2)), x)
    mirrored = crop(x, whole, torch.tensor([True, False]))
    torch.testing.assert_close(mirrored[0], x[0].flip(-1))
    torch.testing.assert_close(mirrored[1], x[1])


def test_a_box_is_scaled_to_the_whole() -> None:
    # A ramp is linear, so bilinear interpolation is exact: pixel (i, j) lies at
    # top + (i + 1/2) * height / size - 1/2, and likewise across.
    left, top, width, height = 2, 4, 6, 3
    cropped = crop(ramp(), torch.tensor([[left, top, width, height]]), no_flip())
    at = torch.arange(SIZE, dtype=torch.float64) + 0.5
    rows, columns = top + at * height / SIZE - 0.5, left + at * width / SIZE - 0.5
    torch.testing.assert_close(cropped[0, 1], rows[:, None].expand(SIZE, SIZE))
    torch.testing.assert_close(cropped[0, 2], columns[None].expand(SIZE, SIZE))
    torch.testing.assert_close(cropped[0, 0], 10 * cropped[0, 1] + cropped[0, 2])


def test_centre_box_is_in_the_middle() -> None:
    assert centre_box(96, 0.875).tolist() == [[6, 6, 84, 84]]
    assert centre_box(SIZE, 1.0).tolist() == [[0, 0, SIZE, SIZE]]


def test_random_boxes_follow_their_law() -> None:
    size = 84
    boxes = random_boxes(np.random.default_rng(0), 20000, size, 0.08)
    left, top, width, height = boxes.T
    assert boxes.min() >= 0
    assert ((left + width <= size) & (top + height <= size)).all()
    area, ratio = width * height / size**2, width / height
    assert area.min() > 0.07
    # Tall and wide boxes are alike, and no side is more than 4/3 of the other (but for rounding).
    assert abs(np.log(ratio).mean()) < 0.005
    assert 0.7 < ratio.min() < ratio.max() < 1.42
    # Small boxes always fit: below 9/16 of the area none is refused, so the area is uniform there.
    small = area[area < 0.5]
    assert abs(np.median(small) - 0.29) < 0.01
    # The place is uniform over what is left.
    room = size - width
    assert abs((left[room > 20] / room[room > 20]).mean() - 0.5) < 0.02


def test_where_no_box_fits_it_is_the_whole_image() -> None:
    class Widest:
        """Draws the widest box of full area, which never fits."""

        def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
            return np.full(shape, high)

        def random(self, shape: tuple[int, ...]) -> np.ndarray:
            return np.full(shape, 0.9)

    boxes = random_boxes(Widest(), 3, 84, 0.08)  # type: ignore[arg-type]
    assert boxes.tolist() == [[0, 0, 84, 84]] * 3


def test_jitter_by_its_ends() -> None:
    x = torch.rand(1, 3, 4, 4, dtype=torch.float64)

    def one(*factors: float) -> torch.Tensor:
        return jitter(x, torch.tensor([factors], dtype=torch.float64))

    torch.testing.assert_close(one(1, 1, 1), x)
    assert (one(0, 1, 1) == 0).all()
    torch.testing.assert_close(one(1, 0, 1), gray(x).mean().expand_as(x))
    torch.testing.assert_close(one(1, 1, 0), gray(x).expand_as(x))
    torch.testing.assert_close(one(0.5, 1, 1), x / 2)
    assert one(100, 1, 1).max() == 1
    r, g, b = x[0, :, 0, 0]
    torch.testing.assert_close(gray(x)[0, 0, 0, 0], 0.299 * r + 0.587 * g + 0.114 * b)
