"""The same net in PyTorch: the same initial weights, loss, batches and steps as NumpyNet."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, SupportsFloat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.averaging import new_share
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import DropoutMasks
from mlpsearch.models.initialization import initial_parameters, layer_sizes
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.net import EpochBatches, step_by_step
from mlpsearch.models.threads import threads
from mlpsearch.models.torch_net.device_batches import DeviceBatches, to_device
from mlpsearch.models.torch_net.optimizers import gradient, make_optimizer
from mlpsearch.models.torch_net.torch_module import MLP

_DTYPES = {np.float32: torch.float32, np.float64: torch.float64}
_MOMENT = "optimizer."  # what names of its moments begin with in a state


class TorchNet:
    """The module and its optimiser.

    inputs: what it gets of an image, all pixels or fewer components. classes: size of the output layer.
    dtype: of all arithmetic, np.float32 or np.float64.
    It runs on CUDA where there is a device, else on the CPU.
    """

    compiled = False

    def __init__(self, *, inputs: int, classes: int, config: TrainConfig, dtype: type[np.floating] = np.float32):
        torch.set_num_threads(threads())
        sizes = layer_sizes(inputs, classes, config)
        self._dtype = dtype
        self._config = config
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = MLP(
            sizes,
            _DTYPES[dtype],
            normalized=config.batch_normalization,
            rounded=config.precision == "bfloat16",
            activation=config.activation,
        ).to(self._device)
        _copy_into(self.module.trained(), initial_parameters(inputs, classes, config, dtype).named())
        self._predicting = deepcopy(self.module) if config.averaging else self.module
        self._optimizer = make_optimizer(self.module, config)
        self._masks = DropoutMasks(config, sizes, dtype)
        self._steps = 0
        self._class_weights: Tensor | None = None

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return self._optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._optimizer.learning_rate = value

    @property
    def class_weights(self) -> Floats | None:
        """Factor on the loss of the rows of each class number; None for 1."""
        return None if self._class_weights is None else self._class_weights.cpu().numpy()

    @class_weights.setter
    def class_weights(self, value: Floats | None) -> None:
        self._class_weights = None if value is None else self._tensor(value)

    @property
    def weights(self) -> list[Floats]:
        """Copies of each layer's weights, (inputs, outputs). Setting copies values; an average starts there."""
        return self._list("weight")

    @weights.setter
    def weights(self, values: list[Floats]) -> None:
        self._set("weight", values)

    @property
    def biases(self) -> list[Floats]:
        """Copies of each layer's biases, (outputs,). Setting copies values; an average starts there."""
        return self._list("bias")

    @biases.setter
    def biases(self, values: list[Floats]) -> None:
        self._set("bias", values)

    def logits(self, images: Floats) -> Floats:
        """Return z(L), (N, classes), of images (N, inputs)."""
        with torch.inference_mode():
            return self._predicting.predict(self._tensor(images)).cpu().numpy()

    def measure(self, images: Floats | Tensor) -> None:
        """Take from images (N, inputs) the means and variances that batch normalisation uses in predictions."""
        with torch.no_grad():
            self._predicting.predict(self._tensor(images), measuring=True)

    def loss_and_gradients(self, images: Floats, labels: Labels) -> tuple[float, dict[str, Floats]]:
        """Return J and its gradients by each array that is trained, by name, by autograd, the penalty included."""
        self._optimizer.zero_grad()
        loss = self._cross_entropy(images, labels)
        linears = self.module.linears
        for layer in linears:
            loss = loss + self._config.regularization * layer.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {f"weight.{i}": gradient(layer.weight).t() for i, layer in enumerate(linears)}
        gradients |= {f"bias.{i}": gradient(layer.bias) for i, layer in enumerate(linears)}
        gradients |= {f"gamma.{i}": gradient(gamma) for i, gamma in enumerate(self.module.gammas)}
        return loss.item(), _arrays(gradients)

    def batches(self, training: Split, config: TrainConfig, preprocessing: Preprocessing) -> EpochBatches:
        """Return the training images as the net wants them: made on the device, if that is not the CPU."""
        if self._device.type == "cpu":
            return Batches(training, config, preprocessing)
        return DeviceBatches(training, config, preprocessing, self._device)

    def train_batch(self, images: Floats | Tensor, labels: Labels | Tensor) -> SupportsFloat:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        self._optimizer.zero_grad()
        loss = self._cross_entropy(images, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        penalty = self._penalty()
        self._optimizer.step()
        self._steps += 1
        if self._config.averaging:
            self._average()
        return loss.detach() + penalty  # a number would have to wait for the device

    def train_batches(self, batches: Iterator[tuple[Any, Any]], rates: Sequence[float]) -> Sequence[SupportsFloat]:
        """Take a step on each of the next batches, one for each learning rate; return J before each."""
        losses = [torch.as_tensor(loss) for loss in step_by_step(self, batches, rates)]
        return torch.stack(losses).tolist() if losses else []  # waits for the device once, not once for each

    def _cross_entropy(self, images: Floats | Tensor, labels: Labels | Tensor) -> Tensor:
        """Of a training step, as a tensor to differentiate."""
        masks = [mask if mask is None else self._tensor(mask) for mask in self._masks(self._steps, len(images))]
        logits, classes = self.module(self._tensor(images), masks), torch.as_tensor(labels, device=self._device)
        smoothing, weights = self._config.label_smoothing, self._class_weights
        if weights is None:
            return nn.functional.cross_entropy(logits, classes, label_smoothing=smoothing)
        # torch's own `weight` divides by the batch's weights, and weighs each class of a smooth target by its own.
        losses = nn.functional.cross_entropy(logits, classes, label_smoothing=smoothing, reduction="none")
        return (weights[classes] * losses).mean()

    def _penalty(self) -> Tensor | float:
        """λ · Σ‖W‖²; its gradient 2λW is the optimiser's weight decay, AdamW's excepted: not for autograd."""
        strength = self._config.regularization
        if not strength:
            return 0.0
        with torch.no_grad():
            if self._config.optimizer == "adamw":
                for layer in self.module.linears:
                    gradient(layer.weight).add_(layer.weight, alpha=2 * strength)
            flat = [layer.weight.view(-1) for layer in self.module.linears]
            return strength * torch.stack([torch.dot(weight, weight) for weight in flat]).sum()

    @torch.no_grad()
    def _average(self) -> None:
        share = new_share(self._config, self._steps)
        averages = self._predicting.trained()
        for name, trained in self.module.trained().items():
            averages[name].lerp_(trained, share)

    def _tensor(self, images: Floats | Tensor) -> Tensor:
        return to_device(torch.as_tensor(images, dtype=_DTYPES[self._dtype]), self._device)

    def _list(self, kind: str) -> list[Floats]:
        return list(_arrays(self.module.of_kind(kind)).values())

    def _set(self, kind: str, values: list[Floats]) -> None:
        for module in (self.module, self._predicting):
            _copy_into_all(module.of_kind(kind), values)

    def parameters(self) -> dict[str, Floats]:
        """Return copies of the arrays that predictions need, by the names of initialization.parameter_shapes."""
        return _arrays(self._predicting.trained() | self._predicting.statistics())

    def load_parameters(self, parameters: dict[str, Floats]) -> None:
        """Take over what `parameters` returned, of a net of the same configuration, to predict."""
        for module in (self.module, self._predicting):
            _copy_into(module.trained() | module.statistics(), parameters)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step and the next prediction depend on, by name."""
        moments = {f"{_MOMENT}{name}": moment for name, moment in self._optimizer.state().items()}
        return _arrays(self._tensors() | moments) | {"steps": np.array(self._steps)}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
        _copy_into(self._tensors(), state)
        self._steps = int(state["steps"])
        moments = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        self._optimizer.load_state(
            {name.removeprefix(_MOMENT): moment for name, moment in moments.items() if name.startswith(_MOMENT)}
        )

    def _tensors(self) -> dict[str, Tensor]:
        tensors = self.module.trained() | self._predicting.statistics()
        if self._config.averaging:
            tensors |= {f"average.{name}": tensor for name, tensor in self._predicting.trained().items()}
        return tensors


def _arrays(tensors: dict[str, Tensor]) -> dict[str, Floats]:
    return {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}


def _copy_into(tensors: dict[str, Tensor], values: dict[str, NDArray[Any]]) -> None:
    _copy_into_all(tensors, [values[name] for name in tensors])


def _copy_into_all(tensors: dict[str, Tensor], values: list[Floats]) -> None:
    shapes = [tuple(tensor.shape) for tensor in tensors.values()]
    if shapes != [np.shape(value) for value in values]:
        raise ValueError(f"shapes {[np.shape(value) for value in values]}: must be {shapes}")
    for tensor, value in zip(tensors.values(), values, strict=True):
        tensor.copy_(torch.from_numpy(np.ascontiguousarray(value)))
