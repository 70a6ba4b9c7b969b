"""The model: torch from here on."""
