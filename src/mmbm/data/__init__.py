"""The table and its readers, splits, fitting, decoding once, quarantine, batches, checks."""
