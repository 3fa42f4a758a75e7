"""The layers of TorchNet, and how an image passes them."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.normalization import EPSILON


class MLP(nn.Module):
    """Linear layers with ReLU between them, and batch normalisation before the ReLU if it is asked for.

    sizes: units from the input to the output.
    """

    def __init__(self, sizes: list[int], dtype: torch.dtype, *, normalized: bool):
        super().__init__()
        hidden = sizes[1:-1] if normalized else []
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, *fans, dtype=dtype)  # type: ignore[no-untyped-call]
            for fans in pairwise(sizes)
        )
        self.linears: list[nn.Linear] = list(self.layers)  # type: ignore[arg-type]
        self.gammas = nn.ParameterList(torch.ones(size, dtype=dtype) for size in hidden)
        self.means = nn.ParameterList(torch.zeros(size, dtype=dtype) for size in hidden).requires_grad_(False)
        self.variances = nn.ParameterList(torch.ones(size, dtype=dtype) for size in hidden).requires_grad_(False)

    def forward(self, images: Tensor, masks: list[Tensor | None]) -> Tensor:
        """Return the logits, (N, classes), of images (N, inputs) in a training step with these dropout masks."""
        activations = images if masks[0] is None else images * masks[0]
        for layer, mask in enumerate(masks[1:]):
            activations = torch.relu(self._hidden(layer, activations))
            if mask is not None:
                activations = activations * mask
        return self.linears[-1](activations)  # type: ignore[no-any-return]

    def predict(self, images: Tensor, *, measuring: bool = False) -> Tensor:
        """Return the logits, (N, classes), of images (N, inputs), with fixed means and variances.

        measuring: take those from these images first.
        """
        activations = images
        for layer in range(len(self.linears) - 1):
            if measuring and self.gammas:
                outputs = nn.functional.linear(activations, self.linears[layer].weight)
                variance, mean = torch.var_mean(outputs, 0, correction=0)
                self.means[layer].copy_(mean)
                self.variances[layer].copy_(variance)
            activations = torch.relu(self._hidden(layer, activations, fixed=True))
        return self.linears[-1](activations)  # type: ignore[no-any-return]

    def _hidden(self, layer: int, activations: Tensor, *, fixed: bool = False) -> Tensor:
        """What goes into the ReLU of a hidden layer."""
        linear = self.linears[layer]
        if not self.gammas:
            return linear(activations)  # type: ignore[no-any-return]
        outputs = nn.functional.linear(activations, linear.weight)
        # nn.functional.batch_norm would refuse a batch of one image, which may be all that an epoch has left.
        return torch.batch_norm(
            outputs,
            self.gammas[layer],
            linear.bias,
            self.means[layer] if fixed else None,
            self.variances[layer] if fixed else None,
            not fixed,
            0.0,  # of running statistics, which are measured instead
            EPSILON,
            torch.backends.cudnn.enabled,
        )

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
