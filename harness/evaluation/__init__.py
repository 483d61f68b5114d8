"""Models that were made elsewhere, tested on the same episodes by the same statistics."""
