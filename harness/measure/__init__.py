"""What a record says beside its numbers: environment, code state, memory, time."""
