"""The layers of TorchNet, and how an image passes them."""

from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from mlpsearch.models.arrays import Floats
from mlpsearch.models.numpy_net.activations import LEAK
from mlpsearch.models.numpy_net.normalization import EPSILON

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky-relu": partial(nn.functional.leaky_relu, negative_slope=LEAK),
    "gelu": partial(nn.functional.gelu, approximate="tanh"),
    "silu": nn.functional.silu,
    "tanh": torch.tanh,
}


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Leave them as they are: others are copied into them. With skip_init torch loads half of its compiler."""


class MLP(nn.Module):
    """Linear layers with activations between them, and batch normalisation before these if it is asked for.

    sizes: units from the input to the output.  activation: as TrainConfig names it.
    rounded: whether training steps multiply numbers of 8 significant bits (see TrainConfig.precision).
    """

    def __init__(
        self,
        sizes: list[int],
        dtype: torch.dtype,
        *,
        normalized: bool,
        rounded: bool = False,
        activation: str = "relu",
    ):
        super().__init__()
        self._activation = _ACTIVATIONS[activation]
        self._product = _RoundedProduct.apply if rounded else nn.functional.linear
        hidden = sizes[1:-1] if normalized else []
        self.layers = nn.ModuleList(_Linear(*fans, dtype=dtype) for fans in pairwise(sizes))
        self.linears: list[nn.Linear] = list(self.layers)  # type: ignore[arg-type]
        self.gammas = nn.ParameterList(torch.ones(size, dtype=dtype) for size in hidden)
        self.means = nn.ParameterList(torch.zeros(size, dtype=dtype) for size in hidden).requires_grad_(False)
        self.variances = nn.ParameterList(torch.ones(size, dtype=dtype) for size in hidden).requires_grad_(False)

    def forward(self, images: Tensor, masks: list[Tensor | None]) -> Tensor:
        """Return the logits, (N, classes), of images (N, inputs) in a training step with these dropout masks."""
        activations = images if masks[0] is None else images * masks[0]
        for layer, mask in enumerate(masks[1:]):
            activations = self._activation(self._hidden(layer, activations))
            if mask is not None:
                activations = activations * mask
        return self._product(activations, self.linears[-1].weight, self.linears[-1].bias)

    def predict(self, images: Tensor, *, measuring: bool = False) -> Tensor:
        """Return the logits, (N, classes), of images (N, inputs), with fixed means and variances.

        measuring: take those from these images first.
        """
        activations = images
        for layer in range(len(self.linears) - 1):
            activations = self._activation(self._hidden(layer, activations, fixed=True, measuring=measuring))
        return _exact_product(activations, self.linears[-1].weight, self.linears[-1].bias)

    def _hidden(self, layer: int, activations: Tensor, *, fixed: bool = False, measuring: bool = False) -> Tensor:
        """What goes into the activation of a hidden layer.

        fixed: exact products, and the means and variances of predictions, which measuring takes first.
        """
        linear = self.linears[layer]
        product = _exact_product if fixed else self._product
        if not self.gammas:
            return product(activations, linear.weight, linear.bias)
        outputs = product(activations, linear.weight, None)
        mean, variance = self.means[layer], self.variances[layer]
        if measuring:
            measured = torch.var_mean(outputs, 0, correction=0)
            variance.copy_(measured[0])
            mean.copy_(measured[1])
        # nn.functional.batch_norm would refuse a batch of one image, which may be all that an epoch has left.
        return torch.batch_norm(
            outputs,
            self.gammas[layer],
            linear.bias,
            mean if fixed else None,
            variance if fixed else None,
            not fixed,
            0.0,  # of running statistics, which are measured instead
            EPSILON,
            torch.backends.cudnn.enabled,
        )

    def lie_in(self, arrays: dict[str, Floats]) -> None:
        """Keep all parameters and statistics in these arrays of the CPU, by the names that files give them.

        What is written there from now on is what the module has, and the other way round.
        """
        for i, layer in enumerate(self.linears):
            layer.weight.data = torch.from_numpy(arrays[f"weight.{i}"]).t()
            layer.bias.data = torch.from_numpy(arrays[f"bias.{i}"])
        for kind, parameters in (("gamma", self.gammas), ("mean", self.means), ("variance", self.variances)):
            for i, parameter in enumerate(parameters):
                parameter.data = torch.from_numpy(arrays[f"{kind}.{i}"])

    def trained(self) -> dict[str, Tensor]:
        """The tensors that training changes, weights as (inputs, outputs), by the names that files give them."""
        named = {f"weight.{i}": layer.weight.data.t() for i, layer in enumerate(self.linears)}
        named |= {f"bias.{i}": layer.bias.data for i, layer in enumerate(self.linears)}
        return named | {f"gamma.{i}": gamma.data for i, gamma in enumerate(self.gammas)}

    def of_kind(self, kind: str) -> dict[str, Tensor]:
        """Those of `trained` whose names begin with "weight", "bias" or "gamma"."""
        return {name: tensor for name, tensor in self.trained().items() if name.startswith(kind)}

    def statistics(self) -> dict[str, Tensor]:
        """The means and variances of batch normalisation in predictions, by the names that files give them."""
        named = {f"mean.{i}": mean.data for i, mean in enumerate(self.means)}
        return named | {f"variance.{i}": variance.data for i, variance in enumerate(self.variances)}


def _exact_product(activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """nn.functional.linear with weights of one order in memory, on which its bits depend."""
    return nn.functional.linear(activations, weight.contiguous(), bias)


class _RoundedProduct(torch.autograd.Function):
    """nn.functional.linear, and its gradients, of numbers rounded to bfloat16; products are rounded once more.

    Sums within a product are float32; a CUDA device may round those of a part of it.
    """

    @staticmethod
    def forward(ctx: Any, activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.dtypes = activations.dtype, weight.dtype
        activations, weight = activations.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(activations, weight)
        outputs = _multiply(activations, weight.t())
        return outputs if bias is None else outputs + bias

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        activations, weight = ctx.saved_tensors
        rounded = gradient.bfloat16()
        by_activations, by_weight, by_bias = ctx.needs_input_grad
        return (
            _multiply(rounded, weight).to(ctx.dtypes[0]) if by_activations else None,
            _multiply(rounded.t(), activations).to(ctx.dtypes[1]) if by_weight else None,
            gradient.sum(0) if by_bias else None,
        )


def _multiply(one: Tensor, other: Tensor) -> Tensor:
    """Return the product of two bfloat16 matrices, bfloat16."""
    if _multiplies_bfloat16(one.device.type):
        return one @ other
    return (one.float() @ other.float()).bfloat16()


@cache
def _multiplies_bfloat16(device: str) -> bool:
    """Whether a device has instructions for it: without, torch's own way is many times slower than float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # torch before 2.11 does not tell
    can = capabilities() if capabilities else {}
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))
