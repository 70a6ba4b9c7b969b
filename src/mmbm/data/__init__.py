"""Data: table and readers, splits, column fitting, decoding, quarantine, batches, checks."""
