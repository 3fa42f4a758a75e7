"""What training, evaluation and checkpoints need of a net; NumpyNet and TorchNet both satisfy it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, SupportsFloat

from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats

if TYPE_CHECKING:
    from mlpsearch.models.config import TrainConfig
    from mlpsearch.models.inputs.data import Split
    from mlpsearch.models.inputs.preprocessing import Preprocessing


class EpochBatches(Protocol):
    """The training images of a run, batch by batch, in a net's own kind of arrays."""

    def __len__(self) -> int:
        """Batches of an epoch."""

    def epoch(self, epoch: int) -> Iterator[tuple[Any, Any]]:
        """Yield (images, labels) of each batch of an epoch, from 1."""

    def sample(self) -> Any:
        """Return some thousand training images, not augmented."""


class Net(Protocol):
    """A fully-connected net with a softmax output, and the optimiser that trains it.

    learning_rate: of the next step; the epoch loop sets it.
    class_weights: factor on the loss of the rows of each class number; None for 1. The epoch loop sets it.
    compiled: whether its steps are those of numpy_net/step.c. The NumPy net's have the same bits; the torch net's
        round otherwise than autograd's.
    weights: of each layer, (inputs, outputs), as trained; settable.
    biases: of each layer, (outputs,), as trained; settable.
    """

    learning_rate: float
    class_weights: Floats | None
    compiled: bool
    weights: list[Floats]
    biases: list[Floats]

    def batches(self, training: "Split", config: "TrainConfig", preprocessing: "Preprocessing") -> EpochBatches:
        """Return the training images as the net wants them."""

    def train_batch(self, images: Any, labels: Any) -> SupportsFloat:
        """Take one optimiser step on a batch, images (N, inputs) and labels (N,); return J before the step.

        To look at J may mean to wait for the device that computes it.
        """

    def train_batches(self, batches: Iterator[tuple[Any, Any]], rates: Sequence[float]) -> Sequence[SupportsFloat]:
        """Take a step on each of the next batches, one for each learning rate; return J before each.

        batches: what EpochBatches.epoch gave, to go on with. The last rate stays the learning_rate.
        """

    def measure(self, images: Any) -> None:
        """Take from images (N, inputs) the means and variances that batch normalisation uses in predictions."""

    def logits(self, images: Floats) -> Floats:
        """Return z(L), (N, classes), of images (N, inputs): softmax makes probabilities of them."""

    def parameters(self) -> dict[str, Floats]:
        """Return copies of the arrays that predictions need, by the names of initialization.parameter_shapes."""

    def load_parameters(self, parameters: dict[str, Floats]) -> None:
        """Take over what `parameters` returned, of a net of the same configuration, to predict."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step and the next prediction depend on."""

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""


def step_by_step(net: Net, batches: Iterator[tuple[Any, Any]], rates: Sequence[float]) -> list[SupportsFloat]:
    """Do what Net.train_batches says, by train_batch."""
    losses = []
    for net.learning_rate, (images, labels) in zip(rates, batches, strict=False):  # may leave batches for later
        losses.append(net.train_batch(images, labels))
    return losses
