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
from mlpsearch.models.net import Net
from mlpsearch.models.prediction import statistics
from mlpsearch.models.scores import ACCURACY, METRICS, Metric
from mlpsearch.models.statistics import mean
from mlpsearch.models.threads import fitting_threads, limited_threads, threads, use_threads
from mlpsearch.search.strategy.history import DIVERGED, SECONDS
from mlpsearch.search.strategy.pruners import pruned_when_asked_again
from mlpsearch.search.trials.checkpoints import Checkpoint, Progress
from mlpsearch.search.trials.fold_nets import FoldNet, FoldNets
from mlpsearch.search.trials.ledger import FOLD_ACCURACIES, FOLD_SCORES, VALIDATION_ACCURACY
from mlpsearch.search.trials.seeds import trial_seed
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.files.base import Files
from mlpsearch.studies.record import PLANNED_FOLD
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import StudySpec


class Interrupted(Exception):  # noqa: N818 - an event, not a mistake
    """The trial was asked to end early; its checkpoint is written."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended.

    net, preprocessing: with folds those of the first, which no score chose.
    score: by the study's metric, on validation images after the last epoch, or the best one where that is kept;
        with folds the mean over them.
    pruned: by the pruner, or because it diverged.
    facts: short values for people, kept as the trial's user attributes.
    """

    net: Net
    preprocessing: Preprocessing
    config: TrainConfig
    score: float
    pruned: bool
    facts: dict[str, Any]


class Objective:
    """Trains the trials of one study.

    data: training and validation images; the test images are out of its reach.
    files: the study's, for checkpoints.
    """

    def __init__(self, spec: StudySpec, data: TrainingData, files: Files):
        self._spec = spec
        self._files = files
        self._metric = METRICS[spec.metric]
        self._data = [data] if spec.folds is None else [data.fold(fold) for fold in range(spec.folds)]
        self._statistics = [statistics(one.training) for one in self._data]

    def __call__(self, trial: optuna.Trial, check: Callable[[], bool] = lambda: False) -> Outcome:
        """Run one trial, going on from its checkpoint if it has one.

        check: called after each epoch; true means write a checkpoint and raise Interrupted. It may raise.
        """
        config = suggest(trial, self._spec, seed=trial_seed(self._spec, trial))
        with limited_threads(fitting_threads(self._data[0].training.inputs, config, threads())):
            return self._train(trial, config, check)

    def _train(self, trial: optuna.Trial, config: TrainConfig, check: Callable[[], bool]) -> Outcome:
        nets = self._nets(trial, config)
        checkpoint = Checkpoint(self._files, trial.number, config)
        progress = checkpoint.restore(nets)
        # Threads and steps are those of its first attempt: with others it would be another net.
        use_threads(progress.threads)
        if progress.accuracies and nets.compiled != progress.compiled_steps:
            nets = self._rebuilt(nets, trial, config, compiled=bool(progress.compiled_steps))
        progress.compiled_steps = nets.compiled
        report = _Reporter(trial, progress)
        done = len(progress.accuracies)
        pruned, diverged = False, ""
        for result in nets.train(epochs_done=done):
            progress.add(result)
            diverged = f"loss {result.loss:g} in epoch {result.epoch}" if result.diverged else ""
            is_behind = report(result.epoch, result.validation_score)
            pruned = result.diverged or (is_behind and not nets.is_over)  # nothing is pruned after its last epoch
            if pruned or nets.is_over or result.epoch == config.epochs:
                break
            if check():
                checkpoint.save(nets, progress)
                raise Interrupted
            checkpoint.save_if_due(nets, progress)
        if not pruned:
            nets.keep_best()
        facts = _facts(nets, config, progress, self._metric)
        if config.early_stopping and not pruned:
            facts["best_epoch"] = nets.judged.epoch
        if diverged:
            facts[DIVERGED] = diverged
        first = nets.nets[0]
        score = progress.scores[nets.judged.epoch - 1]
        return Outcome(first.net, first.preprocessing, config, score, pruned, facts)

    def _rebuilt(self, nets: FoldNets, trial: optuna.Trial, config: TrainConfig, *, compiled: bool) -> FoldNets:
        """Return nets in the same state, whose steps are compiled where they can be, or are not."""
        others = self._nets(trial, config, compiled=compiled)
        others.load_state(nets.state())
        return others

    def _nets(self, trial: optuna.Trial, config: TrainConfig, *, compiled: bool = True) -> FoldNets:
        """One for each fold; of a run that confirms, which trains one net, for its own."""
        planned = trial.user_attrs.get(PLANNED_FOLD)
        folds = range(len(self._data)) if planned is None else [int(planned)]
        return FoldNets([self._net(fold, config, compiled=compiled) for fold in folds], config)

    def _net(self, fold: int, config: TrainConfig, *, compiled: bool) -> FoldNet:
        data, preprocessing = self._data[fold], self._statistics[fold].preprocessing(config)
        inputs, classes = preprocessing.inputs, len(data.classes)
        net = build_net(self._spec.net, inputs=inputs, classes=classes, config=config, compiled=compiled)
        return FoldNet(net, preprocessing, data, self._metric)


def _facts(nets: FoldNets, config: TrainConfig, progress: Progress, metric: Metric) -> dict[str, Any]:
    first, epochs = nets.nets[0], len(progress.accuracies)
    shapes = trained_shapes(first.preprocessing.inputs, len(first.data.classes), config)
    images = epochs * sum(len(one.data.training) for one in nets.nets)
    facts: dict[str, Any] = {
        "training_accuracy": round(mean([one.training_accuracy() for one in nets.nets]), 4),
        "epochs": epochs,
        SECONDS: round(progress.seconds, 2),
        "images_per_second": round(images / max(progress.seconds, 1e-9)),
        "parameters": sum(math.prod(shape) for shape in shapes.values()),
        "seed": config.seed,
        "threads": threads(),
        "compiled_steps": progress.compiled_steps,
    }
    judged = nets.judged
    if len(nets.nets) > 1:
        facts[FOLD_ACCURACIES] = judged.accuracies
    if metric is not ACCURACY:
        facts[VALIDATION_ACCURACY] = progress.accuracies[judged.epoch - 1]
        if len(nets.nets) > 1:
            facts[FOLD_SCORES] = judged.scores
    return facts


class _Reporter:
    """Reports each epoch once, also when a trial does again what it had reported before it was cut off."""

    def __init__(self, trial: optuna.Trial, progress: Progress):
        self._trial = trial
        self._before = dict(trial.storage.get_trial(trial._trial_id).intermediate_values)
        for epoch, value in enumerate(progress.scores, start=1):
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
