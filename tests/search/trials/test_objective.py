"""One trial: what it reports, how it ends, and that it goes on after an interruption as if there had been none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_info

from mlpsearch.models import build_net
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.metrics import accuracy, predict_split
from mlpsearch.models.prediction import prediction_arrays
from mlpsearch.models.threads import threads, use_threads
from mlpsearch.models.training import train
from mlpsearch.models.weights import digest, load_arrays, save_arrays
from mlpsearch.search.strategy.pruners import make_pruner
from mlpsearch.search.trials import objective
from mlpsearch.search.trials.checkpoints import Checkpoint
from mlpsearch.search.trials.objective import Interrupted, Objective, Outcome
from mlpsearch.search.trials.seeds import derived_seed, trial_seed
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.files.base import FolderFiles
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import StudySpec
from tests.models.compiled import needs_compiled_steps
from tests.search.makers import NETS
from tests.search.trials.makers import after, ask, comparable, study_of
from tests.studies.stores import spec

EPOCHS = 4


class Noting(BasePruner):
    """Prunes at one epoch, and notes which ones it was asked of."""

    def __init__(self, prune_at: int | None = None):
        self.asked: list[int] = []
        self._prune_at = prune_at

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        assert trial.last_step is not None
        self.asked.append(trial.last_step)
        return trial.last_step == self._prune_at


class Reports:
    """Notes what is reported to a study's storage."""

    def __init__(self, study: Study, monkeypatch: pytest.MonkeyPatch):
        self.values: list[tuple[int, float]] = []
        self._report = study._storage.set_trial_intermediate_value
        monkeypatch.setattr(study._storage, "set_trial_intermediate_value", self._note)

    def _note(self, trial_id: int, step: int, value: float) -> None:
        self.values.append((step, value))
        self._report(trial_id, step, value)


def spec_of(net: str, **changes: Any) -> StudySpec:
    settings: dict[str, Any] = {"net": net, "epochs": EPOCHS, "fixed": NETS[net]} | changes
    return spec(**settings)


def assert_same_parameters(one: Outcome, other: Outcome) -> None:
    for mine, theirs in zip(
        [*one.net.weights, *one.net.biases], [*other.net.weights, *other.net.biases], strict=True
    ):
        np.testing.assert_array_equal(mine, theirs, strict=True)


@pytest.mark.parametrize("net", NETS)
def test_a_trial_is_the_training_run_of_its_configuration(
    net: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification = spec_of(net)
    study = study_of(specification)
    reports = Reports(study, monkeypatch)
    outcome = Objective(specification, data, FolderFiles(tmp_path))(ask(study))

    config = suggest(study.trials[0], specification, seed=trial_seed(specification, study.trials[0]))
    own = build_net(net, inputs=12, classes=3, config=config)
    preprocessing = PixelStatistics(data.training).preprocessing(config)
    results = list(train(own, data.training, data.validation, config, preprocessing))
    assert outcome.config == config
    assert (outcome.score, outcome.pruned) == (results[-1].validation_accuracy, False)
    assert reports.values == [(result.epoch, result.validation_accuracy) for result in results]
    for mine, theirs in zip(outcome.net.weights, own.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a C compiler."""
    monkeypatch.setattr(objective, "build_net", lambda name, **how: build_net(name, **how | {"compiled": False}))


def in_two_parts(net: str, data: TrainingData, folder: Path, between: Callable[[], object]) -> Outcome:
    """A trial that is interrupted after two epochs, and goes on."""
    specification = spec_of(net)
    study = study_of(specification)
    trial = ask(study)
    with pytest.raises(Interrupted):
        Objective(specification, data, FolderFiles(folder))(trial, after(2))
    between()
    return Objective(specification, data, FolderFiles(folder))(optuna.Trial(study, trial._trial_id))


def whole(net: str, data: TrainingData, folder: Path) -> Outcome:
    specification = spec_of(net)
    return Objective(specification, data, FolderFiles(folder))(ask(study_of(specification)))


@needs_compiled_steps
@pytest.mark.parametrize("net", NETS)
def test_a_trial_that_began_without_compiled_steps_goes_on_without(
    net: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        uncompiled(elsewhere)
        expected = whole(net, data, tmp_path / "whole")
        outcome = in_two_parts(net, data, tmp_path / "parts", elsewhere.undo)
    assert digest_of(outcome) == digest_of(expected)
    assert comparable(outcome) == comparable(expected)
    assert outcome.facts["compiled_steps"] is False


@needs_compiled_steps
def test_so_does_one_that_a_version_without_them_began(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose checkpoint does not say."""

    def forget() -> None:
        (path,) = (tmp_path / "parts").rglob("*.safetensors")
        arrays, metadata = load_arrays(path)
        progress = {key: it for key, it in json.loads(metadata["progress"]).items() if key != "compiled_steps"}
        save_arrays(path, arrays, metadata | {"progress": json.dumps(progress)})
        elsewhere.undo()

    with monkeypatch.context() as elsewhere:
        uncompiled(elsewhere)
        expected = whole("torch", data, tmp_path / "whole")
        assert digest_of(in_two_parts("torch", data, tmp_path / "parts", forget)) == digest_of(expected)


@needs_compiled_steps
def test_a_trial_goes_on_where_there_are_no_compiled_steps_and_says_so(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = in_two_parts("torch", data, tmp_path / "parts", lambda: uncompiled(monkeypatch))
    assert (outcome.facts["epochs"], outcome.facts["compiled_steps"]) == (EPOCHS, False)
    monkeypatch.undo()
    expected = whole("torch", data, tmp_path / "whole")
    assert expected.facts["compiled_steps"] is True
    for mine, theirs in zip(outcome.net.weights, expected.net.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-3)


def test_the_facts_of_a_trial(data: TrainingData, tmp_path: Path) -> None:
    specification = spec_of("numpy")
    outcome = Objective(specification, data, FolderFiles(tmp_path))(ask(study_of(specification)))
    facts, config = outcome.facts, outcome.config
    assert facts["epochs"] == EPOCHS
    assert facts["parameters"] == 12 * config.hidden_size + config.hidden_size * 3 + config.hidden_size + 3
    assert (facts["seed"], facts["threads"]) == (config.seed, 1)
    assert 0 <= facts["seconds"] < 60
    assert facts["images_per_second"] > EPOCHS * len(data.training) / 60
    preprocessing = PixelStatistics(data.training).preprocessing(config)
    labels = data.training.labels[data.training.rows]
    right = predict_split(outcome.net, data.training, preprocessing) == labels
    half_of_each_class = np.argsort(labels, kind="stable")[::2]  # as many as there are for validation
    assert facts["training_accuracy"] == round(float(np.mean(right[half_of_each_class])), 4)
    assert "diverged" not in facts
    assert accuracy(predict_split(outcome.net, data.validation, preprocessing), data.validation) == outcome.score


def test_seeds_of_trials_differ_and_never_change() -> None:
    seeds = [derived_seed(spec(seed=seed), number) for seed in (0, 1, 2**63 - 1) for number in range(300)]
    assert len(set(seeds)) == len(seeds)
    assert [derived_seed(spec(seed=0), number) for number in (0, 1)] == [2968811710, 3964924996]


# ---- interrupted ----


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("epochs", range(1, EPOCHS))
def test_an_interrupted_trial_goes_on_bit_by_bit(
    net: str, epochs: int, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification = spec_of(net)
    whole = study_of(specification)
    expected = Objective(specification, data, FolderFiles(tmp_path / "whole"))(ask(whole))

    study = study_of(specification)
    reports = Reports(study, monkeypatch)
    trial = ask(study)
    with pytest.raises(Interrupted):
        Objective(specification, data, FolderFiles(tmp_path / "parts"))(trial, after(epochs))
    assert len(reports.values) == epochs
    outcome = Objective(specification, data, FolderFiles(tmp_path / "parts"))(optuna.Trial(study, trial._trial_id))
    assert comparable(outcome) == comparable(expected)
    assert_same_parameters(outcome, expected)
    assert [step for step, _ in reports.values] == [1, 2, 3, 4]
    assert study.trials[0].intermediate_values == whole.trials[0].intermediate_values


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_epochs_since_the_last_checkpoint_are_done_again_and_reported_once(
    kept: int, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off in epoch 4 with no warning; the checkpoint is from an earlier epoch, or there is none."""
    specification = spec_of("numpy")
    expected = Objective(specification, data, FolderFiles(tmp_path / "whole"))(ask(study_of(specification)))
    study = study_of(specification, pruner := Noting())
    reports = Reports(study, monkeypatch)
    trial = ask(study)

    def save(checkpoint: Checkpoint, net: Any, progress: Any) -> None:
        if len(progress.accuracies) == kept:
            checkpoint.save(net, progress)

    def cut_off() -> bool:
        if len(reports.values) == 3:
            raise ConnectionError
        return False

    monkeypatch.setattr(Checkpoint, "save_if_due", save)
    with pytest.raises(ConnectionError):
        Objective(specification, data, FolderFiles(tmp_path))(trial, cut_off)
    pruner.asked.clear()
    outcome = Objective(specification, data, FolderFiles(tmp_path))(optuna.Trial(study, trial._trial_id))
    assert comparable(outcome) == comparable(expected)
    assert_same_parameters(outcome, expected)
    assert [step for step, _ in reports.values] == [1, 2, 3, 4]
    assert pruner.asked == [3, 4]  # of 1 and 2 it is known that the trial went on


def test_a_check_after_the_last_epoch_comes_too_late(data: TrainingData, tmp_path: Path) -> None:
    specification = spec_of("numpy", epochs=1)
    outcome = Objective(specification, data, FolderFiles(tmp_path))(ask(study_of(specification)), lambda: True)
    assert (outcome.facts["epochs"], outcome.pruned) == (1, False)


def test_an_error_of_the_check_ends_the_trial(data: TrainingData, tmp_path: Path) -> None:
    specification = spec_of("numpy")

    def lost() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        Objective(specification, data, FolderFiles(tmp_path))(ask(study_of(specification)), lost)


# ---- pruned ----


@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_the_pruner_ends_a_trial(epoch: int, data: TrainingData, tmp_path: Path) -> None:
    specification = spec_of("numpy")
    study = study_of(specification, pruner := Noting(prune_at=epoch))
    outcome = Objective(specification, data, FolderFiles(tmp_path))(ask(study))
    assert outcome.pruned
    assert pruner.asked == [*study.trials[0].intermediate_values] == [*range(1, epoch + 1)]
    assert outcome.facts["epochs"] == epoch
    assert outcome.score == study.trials[0].intermediate_values[epoch]


@pytest.mark.parametrize("net", NETS)
def test_a_diverged_trial_is_pruned_and_says_so(net: str, data: TrainingData, tmp_path: Path) -> None:
    fixed = NETS[net] | {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1e3}
    search = {"hidden_size": {"low": 4, "high": 16}}
    specification = spec_of(net, fixed=fixed, search=search)
    study = study_of(specification)
    outcome = Objective(specification, data, FolderFiles(tmp_path))(ask(study))
    assert outcome.pruned
    assert outcome.facts["epochs"] == len(study.trials[0].intermediate_values) < EPOCHS
    assert outcome.facts["diverged"].startswith("loss ")
    assert outcome.facts["diverged"].endswith(f" in epoch {outcome.facts['epochs']}")
    assert 0 <= outcome.score < 1


@pytest.mark.parametrize("pruner", ["leader", "hyperband"])
def test_a_trial_cut_off_while_it_is_pruned_is_pruned_when_it_goes_on(
    pruner: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification = spec_of("numpy", epochs=9, pruner=pruner)
    study = study_of(specification, make_pruner(specification))
    objective, epochs = Objective(specification, data, FolderFiles(tmp_path)), []
    for number in range(10):
        trial = ask(study)
        with monkeypatch.context() as patch:
            # Where a trial is that is over, but not yet ended.
            patch.setattr("mlpsearch.search.trials.objective._facts", cut_off)
            with pytest.raises(KeyboardInterrupt):
                objective(trial)
        epochs.append(len(study.trials[number].intermediate_values))
        outcome = objective(optuna.Trial(study, trial._trial_id))
        assert outcome.facts["epochs"] == epochs[number]
        study.tell(trial, *((None, TrialState.PRUNED) if outcome.pruned else (outcome.score,)))
    assert min(epochs) < 9


def cut_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_small_net_of_one_study_leaves_the_threads_to_a_large_one_of_another(
    data: TrainingData, tmp_path: Path
) -> None:
    """As in a worker that serves several studies."""
    use_threads(2)
    small = spec_of("numpy", epochs=1)
    assert Objective(small, data, FolderFiles(tmp_path))(ask(study_of(small))).facts["threads"] == 1
    large = spec_of("numpy", epochs=1, search={"hidden_size": {"low": 900, "high": 901}})
    assert Objective(large, data, FolderFiles(tmp_path))(ask(study_of(large))).facts["threads"] == 2


def large(net: str) -> StudySpec:
    """A specification whose nets have use for two threads."""
    return spec_of(net, search={"hidden_size": {"low": 900, "high": 901}}, fixed=NETS[net] | {"depth": 3})


def digest_of(outcome: Outcome) -> str:
    return digest(prediction_arrays(outcome.net, outcome.preprocessing))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("first", "second"), [(2, 1), (1, 2)])
def test_a_trial_goes_on_with_the_threads_it_began_with(
    net: str, first: int, second: int, data: TrainingData, tmp_path: Path
) -> None:
    """In a worker that has another number of them, and has that number back afterwards."""
    specification = large(net)
    use_threads(first)
    expected = Objective(specification, data, FolderFiles(tmp_path / "whole"))(ask(study_of(specification)))

    study = study_of(specification)
    trial = ask(study)
    with pytest.raises(Interrupted):
        Objective(specification, data, FolderFiles(tmp_path / "parts"))(trial, after(2))
    use_threads(second)
    outcome = Objective(specification, data, FolderFiles(tmp_path / "parts"))(optuna.Trial(study, trial._trial_id))
    assert digest_of(outcome) == digest_of(expected)
    assert comparable(outcome) == comparable(expected)
    assert outcome.facts["threads"] == first
    assert threads() == second
    assert {pool["num_threads"] for pool in threadpool_info()} == {second}
