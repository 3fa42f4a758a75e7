"""The nets that a trial trains: one or, in the search of a study with folds, one a fold, side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.early_stopping import BestEpoch, Judged
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

    judged: what was said of each net after its last epoch; once the best is kept, after that one.
    is_over: whether config.early_stopping ends the run after that epoch.
    """

    def __init__(self, nets: Sequence[FoldNet], config: TrainConfig):
        self.nets = nets
        self.judged = Judged(0, [], [])
        self.is_over = False
        self._config = config
        self._best = BestEpoch(config, nets[0].metric)

    @property
    def compiled(self) -> bool:
        """Whether their steps are compiled."""
        return all(one.net.compiled for one in self.nets)

    def train(self, *, epochs_done: int = 0) -> Iterator[EpochResult]:
        """Train all nets for an epoch, yield the mean of their results, and so on; a diverged one is the last.

        So is one after which it is over.
        """
        runs = [one.train(self._config, epochs_done) for one in self.nets]
        for results in zip(*runs, strict=False):  # where one diverged, all end
            result = mean_result(results)
            accuracies, scores = zip(
                *((one.validation_accuracy, one.validation_score) for one in results), strict=True
            )
            self.judged = Judged(result.epoch, list(accuracies), list(scores))
            self.is_over = not result.diverged and self._best.look([one.net for one in self.nets], self.judged)
            yield result
            if self.is_over:
                return

    def keep_best(self) -> None:
        """Have the nets predict as after the best epoch, where config.early_stopping asks for that."""
        self.judged = self._best.restore([one.net for one in self.nets]) or self.judged

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step of each net depends on, by name."""
        states = enumerate(one.net.state() for one in self.nets)
        mine = {f"{place}.{name}": array for place, state in states for name, array in state.items()}
        return mine | self._best.state()

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of nets of the same configuration."""
        self._best.load_state(state)
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
