"""The same net in PyTorch."""
