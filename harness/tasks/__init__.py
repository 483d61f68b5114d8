"""Task sources: what gives task i, as a pure function of (seed, split, i)."""
