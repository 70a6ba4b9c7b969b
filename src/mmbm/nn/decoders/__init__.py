"""What writes a text after a prefix, one file per kind."""
