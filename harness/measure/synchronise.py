"""Waiting for a device: without it a clock reads when work was asked for, not when it was done."""

from __future__ import annotations

import torch


def synchronise(device: torch.device) -> None:
    """Wait until `device` has done all it was asked; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
