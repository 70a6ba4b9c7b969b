"""The neural network model, in torch."""
