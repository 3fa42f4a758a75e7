"""The nets that a trial trains: one or, in the search of a study with folds, one a fold, side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.metrics import accuracy, predict_split
from mlpsearch.models.net import Net
from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.models.statistics import mean
from mlpsearch.models.training import EpochResult, train
from mlpsearch.studies.data.training import TrainingData


@dataclass(frozen=True, slots=True)
class FoldNet:
    """One net with the data and the metric that it is judged by; its preprocessing is of its training rows."""

    net: Net
    preprocessing: Preprocessing
    data: TrainingData
    metric: Metric = ACCURACY

    def train(self, config: TrainConfig, epochs_done: int) -> Iterator[EpochResult]:
        """Train it as models.training.train does."""
        training, validation = self.data.training, self.data.validation
        return train(
            self.net,
            training,
            validation,
            config,
            self.preprocessing,
            epochs_done=epochs_done,
            metric=self.metric,
        )

    def training_accuracy(self) -> float:
        """On as many training rows as there are for validation, 0 to 1: an accuracy as sure as that one."""
        sample = self.data.training.sample(len(self.data.validation))
        return accuracy(predict_split(self.net, sample, self.preprocessing), sample)


class FoldNets:
    """The nets of a trial, all of one configuration and seed, which are checkpointed as one.

    results: of each net, from its last epoch.
    """

    def __init__(self, nets: Sequence[FoldNet]):
        self.nets = nets
        self.results: tuple[EpochResult, ...] = ()

    @property
    def compiled(self) -> bool:
        """Whether their steps are compiled."""
        return all(one.net.compiled for one in self.nets)

    def train(self, config: TrainConfig, *, epochs_done: int) -> Iterator[EpochResult]:
        """Train all nets for an epoch, yield the mean of their results, and so on; a diverged one is the last."""
        runs = [one.train(config, epochs_done) for one in self.nets]
        for self.results in zip(*runs, strict=False):  # where one diverged, all end
            yield mean_result(self.results)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step of each net depends on, by name."""
        states = enumerate(one.net.state() for one in self.nets)
        return {f"{place}.{name}": array for place, state in states for name, array in state.items()}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of nets of the same configuration."""
        for place, one in enumerate(self.nets):
            prefix = f"{place}."
            own = {name: array for name, array in state.items() if name.startswith(prefix)}
            one.net.load_state({name.removeprefix(prefix): array for name, array in own.items()})


def mean_result(results: Sequence[EpochResult]) -> EpochResult:
    """Return what an epoch came to in the mean over its nets, with their seconds together.

    It diverged where one of them did, and has the loss of that one.
    """
    diverged = next((one for one in results if one.diverged), None)
    return replace(
        results[0],
        loss=diverged.loss if diverged else mean([one.loss for one in results]),
        validation_accuracy=mean([one.validation_accuracy for one in results]),
        validation_score=mean([one.validation_score for one in results]),
        seconds=sum(one.seconds for one in results),
        diverged=diverged is not None,
    )
