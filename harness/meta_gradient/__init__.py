"""How meta-gradients are computed, and the contract that holds for every way."""
