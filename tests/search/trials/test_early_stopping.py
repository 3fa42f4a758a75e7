"""Runs that get no better end, and the net of their best epoch is what is scored, kept and trained again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models import build_net
from mlpsearch.models.early_stopping import BestEpoch, Judged
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.metrics import accuracy, predict_split
from mlpsearch.models.prediction import prediction_arrays
from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.models.training import train
from mlpsearch.models.weights import digest
from mlpsearch.search.export.exporting import export_winner, write_folder
from mlpsearch.search.export.retraining import Retraining
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.strategy.halving import HalvingPruner
from mlpsearch.search.trials.objective import Interrupted, Objective, Outcome
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.folds import stratified_folds
from mlpsearch.studies.data.training import TrainingData, load_training
from mlpsearch.studies.files.base import FolderFiles
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_study_data
from tests.search.export.reading import read_export
from tests.search.makers import NETS, confirmation_runs, never
from tests.search.trials.makers import after, ask, comparable, study_of
from tests.studies.stores import new_storage, spec

EPOCHS, MOST = 20, 2
# Some that keep more than weights, and an average that predicts in place of the trained net.
OPTIONS = {"batch_normalization": True, "averaging": 0.5, "learning_rate": 0.02, "early_stopping": MOST}


def spec_of(net: str, **changes: Any) -> StudySpec:
    fixed = NETS[net] | OPTIONS | changes.pop("fixed", {})
    search = {"hidden_size": {"low": 6, "high": 9}}
    return spec(net=net, epochs=EPOCHS, fixed=fixed, search=search, **changes)


def trained(specification: StudySpec, data: TrainingData, folder: Path, study: Study | None = None) -> Outcome:
    return Objective(specification, data, FolderFiles(folder))(ask(study or study_of(specification)))


def curve_of(config: Any, net: str, data: TrainingData) -> tuple[list[float], list[str]]:
    """Without an early end: the accuracy after each epoch, and a digest of what the net predicts with then."""
    preprocessing = PixelStatistics(data.training).preprocessing(config)
    own = build_net(net, inputs=12, classes=3, config=config)
    curve, digests = [], []
    for result in train(own, data.training, data.validation, config, preprocessing):
        curve.append(result.validation_accuracy)
        digests.append(digest(prediction_arrays(own, preprocessing)))
    return curve, digests


def expected_end(curve: list[float], most: int) -> tuple[int, int]:
    """The best epoch of a run and its last one, both from 1, by the rule written out."""
    for last in range(1, len(curve) + 1):
        best = int(np.argmax(curve[:last])) + 1
        if last - best >= most:
            return best, last
    return int(np.argmax(curve)) + 1, len(curve)


@pytest.mark.parametrize("net", NETS)
def test_a_run_that_gets_no_better_ends_finished_with_its_best_net(
    net: str, data: TrainingData, tmp_path: Path
) -> None:
    outcome = trained(spec_of(net), data, tmp_path)
    curve, digests = curve_of(outcome.config, net, data)
    best, last = expected_end(curve, MOST)
    assert last < EPOCHS, "a sound test ends early"
    assert (outcome.pruned, outcome.score) == (False, curve[best - 1])
    assert (outcome.facts["epochs"], outcome.facts["best_epoch"]) == (last, best)
    assert digest(prediction_arrays(outcome.net, outcome.preprocessing)) == digests[best - 1]
    predicted = predict_split(outcome.net, data.validation, outcome.preprocessing)
    assert accuracy(predicted, data.validation) == outcome.score


def test_the_best_epoch_is_kept_of_a_run_that_reaches_its_last_one_too(data: TrainingData, tmp_path: Path) -> None:
    outcome = trained(spec_of("numpy", fixed={"early_stopping": EPOCHS}), data, tmp_path)
    curve, digests = curve_of(outcome.config, "numpy", data)
    best, last = expected_end(curve, EPOCHS)
    assert (last, outcome.facts["epochs"], outcome.facts["best_epoch"]) == (EPOCHS, EPOCHS, best)
    assert best < EPOCHS, "a sound test keeps an earlier one"
    assert digest(prediction_arrays(outcome.net, outcome.preprocessing)) == digests[best - 1]


def test_without_it_the_last_epoch_is_kept(data: TrainingData, tmp_path: Path) -> None:
    outcome = trained(spec_of("numpy", fixed={"early_stopping": 0}), data, tmp_path)
    curve, digests = curve_of(outcome.config, "numpy", data)
    assert (outcome.score, outcome.facts["epochs"]) == (curve[-1], EPOCHS)
    assert "best_epoch" not in outcome.facts
    assert digest(prediction_arrays(outcome.net, outcome.preprocessing)) == digests[-1]


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("net", NETS)
def test_an_interrupted_run_goes_on_bit_by_bit(
    net: str, folds: int | None, data: TrainingData, tmp_path: Path
) -> None:
    specification = spec_of(net, folds=folds, metric="macro-f1")
    if folds is not None:
        data = replace(data, folds=stratified_folds(data.training.labels, folds, seed=0)).fold(0)
    whole = trained(specification, data, tmp_path / "whole")
    assert whole.facts["epochs"] < EPOCHS, "a sound test ends early"
    for epochs in {1, whole.facts["best_epoch"], whole.facts["epochs"] - 1}:
        study = study_of(specification)
        trial = ask(study)
        parts = Objective(specification, data, FolderFiles(tmp_path / str(epochs)))
        with pytest.raises(Interrupted):
            parts(trial, after(epochs))
        outcome = parts(optuna.Trial(study, trial._trial_id))
        assert comparable(outcome) == comparable(whole)
        arrays = [digest(prediction_arrays(one.net, one.preprocessing)) for one in (outcome, whole)]
        assert arrays[0] == arrays[1]


class AtTheEnd(BasePruner):
    """Wants each trial to end after an epoch."""

    def __init__(self, epoch: int):
        self._epoch = epoch

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return trial.last_step == self._epoch


@pytest.mark.parametrize("earlier", [0, 1])
def test_what_ends_by_itself_is_not_pruned_and_what_is_pruned_keeps_its_last_score(
    earlier: int, data: TrainingData, tmp_path: Path
) -> None:
    specification = spec_of("numpy")
    whole = trained(specification, data, tmp_path / "whole")
    last = whole.facts["epochs"] - earlier
    outcome = trained(specification, data, tmp_path, study_of(specification, AtTheEnd(last)))
    assert outcome.facts["epochs"] == last
    if earlier:
        curve, _ = curve_of(outcome.config, "numpy", data)
        assert (outcome.pruned, outcome.score) == (True, curve[last - 1])
        assert "best_epoch" not in outcome.facts
    else:
        assert comparable(outcome) == comparable(whole)


def test_a_leader_that_ended_early_is_still_one_to_be_behind() -> None:
    study = optuna.create_study(direction="maximize")
    assert study.direction == StudyDirection.MAXIMIZE
    ended = dict.fromkeys(range(1, 13), 0.6) | {8: 0.9}
    study.add_trial(create_trial(state=TrialState.COMPLETE, value=0.9, intermediate_values=ended))

    def is_ended(after: int, value: float) -> bool:
        curve = dict.fromkeys(range(1, after + 1), value)
        study.add_trial(create_trial(state=TrialState.RUNNING, intermediate_values=curve))
        pruner = HalvingPruner(100, leader=True)
        return pruner.prune(study, study.get_trials(deepcopy=False)[-1])

    assert is_ended(13, 0.5)
    assert not is_ended(13, 0.7)  # three of the last four epochs it was better than the leader then
    assert is_ended(17, 0.7)  # the leader's net is that of 0.9
    assert not is_ended(17, 0.95)


@pytest.mark.parametrize("net", NETS)
def test_a_study_keeps_confirms_and_trains_again_the_best_epochs(net: str, tmp_path: Path) -> None:
    fixed = NETS[net] | {"batch_size": 128, "early_stopping": 1}
    specification = spec(trials=2, epochs=9, net=net, validation=250, fixed=fixed)
    images = load_training("digits", None, validation=250, split_seed=0)
    source = {"data": None, "fingerprint": images.fingerprint}
    record = create_or_resume(new_storage(tmp_path), specification, trials=None, source=source)
    Worker(record, load_study_data(record), never).run()
    winner = load_winner(record)
    split = winner.data.validation
    assert accuracy(predict_split(winner.net, split, winner.preprocessing), split) == winner.validation_accuracy
    confirmation_runs(record, Confirm(top=1, seeds=2, report=2))
    write_folder(export_winner(record, winner, tmp_path / "best"), winner, tmp_path / "best")
    retraining = Retraining(read_export(tmp_path / "best"), None)
    epochs = len(list(retraining.epochs()))
    trial = record.optuna_study().trials[winner.trial]
    assert epochs == trial.user_attrs["epochs"]
    found = retraining.comparison()
    assert (found.same, found.same_weights) == (True, True)


def test_of_equal_epochs_the_first_is_kept_and_less_may_be_better() -> None:
    class Net:
        def __init__(self) -> None:
            self.array = np.zeros(1)

        def parameters(self) -> dict[str, Any]:
            return {"weight.0": self.array.copy()}

        def load_parameters(self, parameters: dict[str, Any]) -> None:
            self.array = parameters["weight.0"]

    def run(metric: str, scores: list[float]) -> tuple[int, float]:
        config = suggest(ask(study_of(spec_of("numpy"))), spec_of("numpy"), seed=0)
        net, best = Net(), BestEpoch(config, METRICS[metric])
        for epoch, score in enumerate(scores, 1):
            net.array += 1
            kept = BestEpoch(config, METRICS[metric])
            over = best.look([net], Judged(epoch, [0.5], [score]))  # type: ignore[list-item]
            kept.load_state(best.state() | {"0.weight.0": np.zeros(1)})
            assert {name: array.tobytes() for name, array in kept.state().items()} == {
                name: array.tobytes() for name, array in best.state().items()
            }
            if over:
                break
        judged = kept.restore([net])  # type: ignore[list-item]
        assert judged is not None
        assert judged.epoch == net.array[0]
        return judged.epoch, epoch

    assert run(ACCURACY.name, [0.5, 0.7, 0.7, 0.6, 0.9]) == (2, 4)
    assert run("log-loss", [0.5, 0.7, 0.4, 0.6, 0.4, 0.1]) == (3, 5)
    assert run(ACCURACY.name, [0.1, 0.2, 0.3]) == (3, 3)
