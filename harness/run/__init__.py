"""The run loop: budgets, training, checkpoints, resume, test, record."""
