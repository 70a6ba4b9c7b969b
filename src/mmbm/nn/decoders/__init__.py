"""Text decoders, conditioned on a prefix, one file per kind."""
