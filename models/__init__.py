"""Nets and how they are trained: arrays in, arrays out."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpsearch.models.config import TrainConfig
    from mlpsearch.models.net import Net

NETS = ("numpy", "torch")

# Read as NumPy loads its OpenBLAS, whose threads, once idle, spin for long on cores that torch's threads want:
# torch's steps on whitened batches then take up to 1.8 times as long. 2^12 cycles cost NumPy nothing that shows.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "12")


def build_net(name: str, *, inputs: int, classes: int, config: "TrainConfig", compiled: bool = True) -> "Net":
    """Return the net of that name, one of NETS, freshly initialised; torch is imported only for its own.

    compiled: whether its steps shall be compiled where they can be.
    """
    if name == "numpy":
        from mlpsearch.models.numpy_net.compiled_net import numpy_net

        return numpy_net(inputs=inputs, classes=classes, config=config, compiled=compiled)
    if name != "torch":
        raise ValueError(f"net {name!r}: must be one of {', '.join(NETS)}")
    from mlpsearch.models.torch_net.compiled_net import torch_net

    return torch_net(inputs=inputs, classes=classes, config=config, compiled=compiled)
