"""A model as a graph of rules: read from what torch runs, simplified, differentiated."""
