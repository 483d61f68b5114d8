"""What the methods of several replications have in common."""
