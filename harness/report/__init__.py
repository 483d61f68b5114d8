"""Tables, pages and plots, all rendered from the same rows."""
