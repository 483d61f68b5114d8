"""Records: one immutable JSON file a run, beside its scores, learning curve and weights."""
