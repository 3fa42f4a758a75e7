"""The net in NumPy, with back-propagation written out; backpropagation.md derives it."""
