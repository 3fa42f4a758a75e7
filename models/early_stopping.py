"""The best epoch of a run, whose net is kept, and the end of runs that get no better.

Prechelt (2012, https://doi.org/10.1007/978-3-642-35289-8_5) compares such rules; this is the usual one. A run is
one net or, with folds, several that are trained side by side and judged by the mean of their scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.net import Net
from mlpsearch.models.scores import Metric
from mlpsearch.models.statistics import mean

_PREFIX = "best."  # of the names of its arrays


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of each net of a run after an epoch, from 1: (nets,) each."""

    epoch: int
    accuracies: list[float]
    scores: list[float]


class BestEpoch:
    """The best epoch so far, of equals the first, with a copy of all that its nets predict with.

    Without config.early_stopping nothing is copied, no run is over early, and the last epoch's net is kept.
    metric: by which scores are better.
    """

    def __init__(self, config: TrainConfig, metric: Metric):
        self._most, self._metric = config.early_stopping, metric
        self._best: Judged | None = None
        self._parameters: list[dict[str, NDArray[Any]]] = []

    def look(self, nets: Sequence[Net], judged: Judged) -> bool:
        """Take an epoch into account; return whether the run is over after it."""
        if not self._most:
            return False
        if self._best is None or self._metric.better(mean(judged.scores), mean(self._best.scores)):
            self._best, self._parameters = judged, [net.parameters() for net in nets]
        return judged.epoch - self._best.epoch >= self._most

    def restore(self, nets: Sequence[Net]) -> Judged | None:
        """Give the nets back what they had after the best epoch; return what was said of them; None without."""
        for net, parameters in zip(nets, self._parameters, strict=False):  # of nothing where nothing was kept
            net.load_parameters(parameters)
        return self._best

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that it knows, by name."""
        if self._best is None:
            return {}
        known: dict[str, Any] = {
            "epoch": np.array(self._best.epoch),
            "accuracies": np.array(self._best.accuracies, np.float64),
            "scores": np.array(self._best.scores, np.float64),
        }
        for place, parameters in enumerate(self._parameters):
            known |= {f"{place}.{name}": array for name, array in parameters.items()}
        return {f"{_PREFIX}{name}": array for name, array in known.items()}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, beside which there may be other arrays."""
        known = {name.removeprefix(_PREFIX): array for name, array in state.items() if name.startswith(_PREFIX)}
        if not known:
            self._best, self._parameters = None, []
            return
        accuracies, scores = (known.pop(name).tolist() for name in ("accuracies", "scores"))
        self._best = Judged(int(known.pop("epoch")), accuracies, scores)
        self._parameters = [_of_net(place, known) for place in range(len(scores))]


def _of_net(place: int, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    prefix = f"{place}."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
