"""Inference on a bundle's graphs: predictor, runners, generation, long audio, evaluation, drift."""
