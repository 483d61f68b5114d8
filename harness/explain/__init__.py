"""What each switch of the test is worth, measured on one trained checkpoint."""
