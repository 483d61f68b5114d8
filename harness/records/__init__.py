"""Records: one immutable JSON file per run, beside its scores, learning curve and weights."""
