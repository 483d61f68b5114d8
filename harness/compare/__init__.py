"""From records to verdicts: statistics, verdicts, rows and paired comparisons."""
