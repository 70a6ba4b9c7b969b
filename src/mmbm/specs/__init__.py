"""Base classes of all options of a config, and the options of encoders and fusions."""
