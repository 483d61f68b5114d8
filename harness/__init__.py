"""The harness in which a published meta-learning number is reproduced, or its gap explained."""

__version__ = "0.1.0"
