"""The objective, for both nets: suggest, train, report each epoch, let the pruner stop it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna

from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import trained_shapes
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.metrics import accuracy, predict_split
from mlpsearch.models.net import Net
from mlpsearch.models.prediction import statistics
from mlpsearch.models.threads import fitting_threads, limited_threads, threads, use_threads
from mlpsearch.models.training import train
from mlpsearch.search.strategy.pruners import pruned_when_asked_again
from mlpsearch.search.trials.checkpoints import Checkpoint, Progress
from mlpsearch.search.trials.seeds import trial_seed
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.files.base import Files
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import StudySpec


class Interrupted(Exception):  # noqa: N818 - an event, not a mistake
    """The trial was asked to end early; its checkpoint is written."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended.

    accuracy: validation accuracy after the last epoch, 0 to 1.  pruned: by the pruner, or because it diverged.
    facts: short values for people, kept as the trial's user attributes.
    """

    net: Net
    preprocessing: Preprocessing
    config: TrainConfig
    accuracy: float
    pruned: bool
    facts: dict[str, Any]


class Objective:
    """Trains the trials of one study.

    data: training and validation images; the test images are out of its reach.
    files: the study's, for checkpoints.
    """

    def __init__(self, spec: StudySpec, data: TrainingData, files: Files):
        self._spec = spec
        self._data = data
        self._files = files
        self._statistics = statistics(data.training)

    def __call__(self, trial: optuna.Trial, check: Callable[[], bool] = lambda: False) -> Outcome:
        """Run one trial, going on from its checkpoint if it has one.

        check: called after each epoch; true means write a checkpoint and raise Interrupted. It may raise.
        """
        config = suggest(trial, self._spec, seed=trial_seed(self._spec, trial))
        with limited_threads(fitting_threads(self._data.training.inputs, config, threads())):
            return self._train(trial, config, check)

    def _train(self, trial: optuna.Trial, config: TrainConfig, check: Callable[[], bool]) -> Outcome:
        preprocessing = self._statistics.preprocessing(config)
        inputs, classes = preprocessing.inputs, len(self._data.classes)
        net = build_net(self._spec.net, inputs=inputs, classes=classes, config=config)
        checkpoint = Checkpoint(self._files, trial.number, config)
        progress = checkpoint.restore(net)
        use_threads(progress.threads)  # those of its first attempt: with others it would be another net
        report = _Reporter(trial, progress)
        done = len(progress.accuracies)
        pruned, diverged = False, ""
        for result in train(
            net, self._data.training, self._data.validation, config, preprocessing, epochs_done=done
        ):
            progress.add(result)
            diverged = f"loss {result.loss:g} in epoch {result.epoch}" if result.diverged else ""
            pruned = report(result.epoch, result.validation_accuracy) or result.diverged
            if pruned or result.epoch == config.epochs:
                break
            if check():
                checkpoint.save(net, progress)
                raise Interrupted
            checkpoint.save_if_due(net, progress)
        facts = self._facts(net, config, preprocessing, progress)
        if diverged:
            facts["diverged"] = diverged
        return Outcome(net, preprocessing, config, progress.accuracies[-1], pruned, facts)

    def _facts(
        self, net: Net, config: TrainConfig, preprocessing: Preprocessing, progress: Progress
    ) -> dict[str, Any]:
        sample = self._data.training.sample(len(self._data.validation))  # an accuracy as sure as the validation's
        shapes = trained_shapes(preprocessing.inputs, len(self._data.classes), config)
        images = len(progress.accuracies) * len(self._data.training)
        return {
            "training_accuracy": round(accuracy(predict_split(net, sample, preprocessing), sample), 4),
            "epochs": len(progress.accuracies),
            "seconds": round(progress.seconds, 2),
            "images_per_second": round(images / max(progress.seconds, 1e-9)),
            "parameters": sum(math.prod(shape) for shape in shapes.values()),
            "seed": config.seed,
            "threads": threads(),
        }


class _Reporter:
    """Reports each epoch once, also when a trial does again what it had reported before it was cut off."""

    def __init__(self, trial: optuna.Trial, progress: Progress):
        self._trial = trial
        self._before = dict(trial.storage.get_trial(trial._trial_id).intermediate_values)
        for epoch, value in enumerate(progress.accuracies, start=1):
            self(epoch, value)

    def __call__(self, epoch: int, value: float) -> bool:
        """Return whether the pruner wants the trial to end here."""
        last = max(self._before, default=0)
        if epoch < last:  # it is known that the trial went on
            return False
        if epoch == last:
            return pruned_when_asked_again(self._trial)
        self._trial.report(value, epoch)
        return self._trial.should_prune()
