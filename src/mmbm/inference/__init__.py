"""A bundle's graphs run on rows: predictor, runners, generation, long audio, evaluation, drift."""
