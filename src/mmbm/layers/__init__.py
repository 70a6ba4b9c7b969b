"""PyTorch parts that kinds and models share: batches of tensors, layers, fixed representations."""
