"""The inner loop over chunks of tasks, and the way back through it: memory that stays flat."""
