"""A trained model as files that other runtimes run, verified against the model itself."""
