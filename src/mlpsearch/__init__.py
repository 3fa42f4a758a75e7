"""Hyperparameter search for fully-connected nets, in NumPy and PyTorch, with honest test results."""
