"""What every option of a config is made of, and the options of encoders and fusions."""
