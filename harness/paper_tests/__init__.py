"""What the tests of several papers have in common: here, because a paper imports `harness` only."""
