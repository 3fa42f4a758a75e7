"""The same net as a PyTorch module: the same initial weights, loss, batches and steps as NumpyNet.

The only module of the package that computes with torch.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import TrainConfig
from models.initialization import initial_parameters, layer_sizes
from models.net import Floats, Labels
from models.numpy_net import named_parameters
from models.threads import threads

_DTYPES = {np.float32: torch.float32, np.float64: torch.float64}


class MLP(nn.Module):
    """Linear layers with ReLU between them.

    sizes: units from the input to the output.
    """

    def __init__(self, sizes: list[int], dtype: torch.dtype):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, *fans, dtype=dtype)  # type: ignore[no-untyped-call]
            for fans in pairwise(sizes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (N, classes), of images (N, inputs)."""
        activations = images
        for layer in self.layers[:-1]:
            activations = torch.relu(layer(activations))
        return self.layers[-1](activations)  # type: ignore[no-any-return]


class TorchNet:
    """The module and its optimiser.

    inputs: pixels of an image. classes: size of the output layer.
    dtype: of all arithmetic, np.float32 or np.float64.
    It runs on CUDA where there is a device, else on the CPU.
    """

    def __init__(self, *, inputs: int, classes: int, config: TrainConfig, dtype: type[np.floating] = np.float32):
        torch.set_num_threads(threads())
        self._dtype = dtype
        self._regularization = config.regularization
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = MLP(layer_sizes(inputs, classes, config), _DTYPES[dtype]).to(self._device)
        self._linears: list[nn.Linear] = list(self.module.layers)  # type: ignore[arg-type]
        self.weights, self.biases = initial_parameters(inputs, classes, config, dtype)
        self._optimizer = _optimizer(self._linears, config)

    @property
    def learning_rate(self) -> float:
        """Of the next steps."""
        return float(self._optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = value

    @property
    def weights(self) -> list[Floats]:
        """Copies of each layer's weights, (inputs, outputs). Setting copies values of the same shapes."""
        return [layer.weight.detach().t().cpu().numpy().copy() for layer in self._linears]

    @weights.setter
    def weights(self, values: list[Floats]) -> None:
        _copy_into([layer.weight.data.t() for layer in self._linears], values)

    @property
    def biases(self) -> list[Floats]:
        """Copies of each layer's biases, (outputs,). Setting copies values of the same shapes."""
        return [layer.bias.detach().cpu().numpy().copy() for layer in self._linears]

    @biases.setter
    def biases(self, values: list[Floats]) -> None:
        _copy_into([layer.bias.data for layer in self._linears], values)

    def logits(self, images: Floats) -> Floats:
        """Return z(L), (N, classes), of images (N, inputs)."""
        with torch.inference_mode():
            return self.module(self._tensor(images)).cpu().numpy()  # type: ignore[no-any-return]

    def predict(self, images: Floats) -> Labels:
        """Return the most probable class of each image, (N,)."""
        labels: Labels = self.logits(images).argmax(axis=1)
        return labels

    def loss_and_gradients(self, images: Floats, labels: Labels) -> tuple[float, list[Floats], list[Floats]]:
        """Return J and its gradients by weights and biases, by autograd, the penalty included."""
        self._optimizer.zero_grad()
        logits = self.module(self._tensor(images))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels).to(self._device))
        for layer in self._linears:
            loss = loss + self._regularization * layer.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        weights = [_gradient(layer.weight).t().cpu().numpy().copy() for layer in self._linears]
        return loss.item(), weights, [_gradient(layer.bias).cpu().numpy().copy() for layer in self._linears]

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        self._optimizer.zero_grad()
        logits = self.module(self._tensor(images))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels).to(self._device))
        loss.backward()  # type: ignore[no-untyped-call]
        penalty = self._penalty()
        self._optimizer.step()
        return loss.item() + penalty

    def _penalty(self) -> float:
        """λ · Σ‖W‖²; its gradient 2λW is the optimiser's weight decay, so autograd never sees it."""
        if not self._regularization:
            return 0.0
        with torch.no_grad():
            flat = [layer.weight.view(-1) for layer in self._linears]
            return self._regularization * sum(torch.dot(weight, weight).item() for weight in flat)

    def _tensor(self, images: Floats) -> Tensor:
        return torch.from_numpy(np.asarray(images, self._dtype)).to(self._device)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of weights, biases and optimiser state, by name."""
        kept = named_parameters(self.weights, self.biases)
        for i, entries in self._optimizer.state_dict()["state"].items():
            for key, value in entries.items():
                if value is not None:  # SGD without momentum keeps an empty slot
                    kept[f"optimizer.{key}.{i}"] = value.cpu().numpy().copy()
        return kept

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
        self.weights = [state[f"weight.{i}"] for i in range(len(self._linears))]
        self.biases = [state[f"bias.{i}"] for i in range(len(self._linears))]
        entries: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("optimizer."):
                _, key, i = name.split(".")
                entries.setdefault(int(i), {})[key] = torch.from_numpy(np.array(value))
        whole = self._optimizer.state_dict()
        self._optimizer.load_state_dict({"state": entries, "param_groups": whole["param_groups"]})


def _optimizer(layers: list[nn.Linear], config: TrainConfig) -> torch.optim.Optimizer:
    """Weights decay by 2λ (the gradient of λ‖W‖²), biases do not."""
    groups = [
        {"params": [layer.weight for layer in layers], "weight_decay": 2 * config.regularization},
        {"params": [layer.bias for layer in layers], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, fused=True)
    return torch.optim.Adam(groups, lr=config.learning_rate, fused=True)


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None  # noqa: S101 - backward() has just filled it
    return parameter.grad


def _copy_into(tensors: list[Tensor], values: list[Floats]) -> None:
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if shapes != [np.shape(value) for value in values]:
        raise ValueError(f"shapes {[np.shape(value) for value in values]}: must be {shapes}")
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(value)))
