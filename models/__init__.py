"""Nets and how they are trained: arrays in, arrays out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.config import TrainConfig
    from models.net import Net

NETS = ("numpy", "torch")


def build_net(name: str, *, inputs: int, classes: int, config: "TrainConfig") -> "Net":
    """Return the net of that name, one of NETS, freshly initialised; torch is imported only for its own."""
    if name == "numpy":
        from models.numpy_net import NumpyNet

        return NumpyNet(inputs=inputs, classes=classes, config=config)
    if name != "torch":
        raise ValueError(f"net {name!r}: must be one of {', '.join(NETS)}")
    from models.torch_mlp import TorchNet

    return TorchNet(inputs=inputs, classes=classes, config=config)
