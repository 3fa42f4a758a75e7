"""The winner of a study, with its trained net as it was kept."""

from dataclasses import dataclass, fields
from math import prod
from typing import Any

from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import MlpsearchError, StorageError, StudyError, WeightsError
from mlpsearch.models.inputs.pixels import PixelPreprocessing
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.inputs.tables import TABLE_ARRAYS
from mlpsearch.models.net import Net
from mlpsearch.models.prediction import Layout, prediction_shapes, statistics, trained_net
from mlpsearch.models.weights import check_shapes
from mlpsearch.search.results.confirmation import Confirmation, last_confirmation, runs_of
from mlpsearch.search.results.no_winner import no_winner
from mlpsearch.search.trials.checkpoints import load_kept, weights_name
from mlpsearch.search.trials.ledger import Ledger, net_scores
from mlpsearch.search.trials.seeds import trial_seed
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.record import OF_TRIAL, PLANNED_FOLD, StudyRecord, confirmation_of
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.study_data import load_study_data


@dataclass(frozen=True, slots=True)
class Choice:
    """What training a study's winner again needs.

    trial: of the search.  run: of its confirmation, None where the net is the search's own.
    validation_score, validation_accuracy: that this very net reached, the first by the study's metric.
    data: split as it was for this net.  fold: of a study with folds, that which is its validation, from 0.
    threads: that its matrix products used.  compiled_steps: whether all of its steps were compiled.
    """

    trial: int
    run: int | None
    validation_score: float
    validation_accuracy: float
    config: TrainConfig
    data: TrainingData
    threads: int
    compiled_steps: bool
    fold: int | None


@dataclass(frozen=True, slots=True)
class Winner(Choice):
    """The winner of a study, with one trained net."""

    net: Net
    preprocessing: Preprocessing

    @property
    def first_layer(self) -> Floats | None:
        """The first layer's weights as weights of the pixels, (pixels, hidden units); None for a table."""
        pixels = self.preprocessing
        return pixels.seen_from_pixels(self.net.weights[0]) if isinstance(pixels, PixelPreprocessing) else None


class MissingWeightsError(WeightsError):
    """The winner is known, but its weights cannot be read."""

    def __init__(self, why: MlpsearchError, study: str, choice: Choice):
        trial = choice.trial if choice.run is None else choice.run
        super().__init__(str(why), study=study, trial=trial, path=why.path, url=why.url)
        self.choice = choice


def load_winner(record: StudyRecord) -> Winner:
    """Return the winner and its net: the best of the reported runs on validation, else the best of the search.

    Raises StudyError where no trial is finished, WeightsError where its weights are gone.
    """
    _, net = winner_net(record)
    return with_net(record, net, load_study_data(record), last_confirmation(record))


def reported_nets(record: StudyRecord, confirmation: Confirmation) -> list[Winner]:
    """Return the nets that a confirmation reports of its winner, in the order of their seeds.

    It need not be on record yet, but its runs must be done. Raises WeightsError where weights are gone.
    """
    data = load_study_data(record)
    return [with_net(record, run, data, confirmation) for run in runs_of(record, confirmation)]


def winner_net(record: StudyRecord) -> tuple[StudyRecord, FrozenTrial]:
    """Return the trial, or run, whose net is the winner's, and the study that it is of.

    Raises StudyError where no trial is finished.
    """
    confirmation, runs = last_confirmation(record), confirmation_of(record)
    if confirmation is None or runs is None:
        return record, best_of_search(record)
    reported = runs_of(record, confirmation)
    return runs, min(reported, key=lambda run: record.metric.rank(run.value or 0.0))


def best_of_search(record: StudyRecord) -> FrozenTrial:
    """The search's finished trial of the best validation score. Raises StudyError where there is none."""
    ledger = Ledger(record)
    best = ledger.best()
    if best is None:
        raise no_winner(record, ledger)
    return best


def with_net(
    record: StudyRecord, trial: FrozenTrial, data: TrainingData, confirmation: Confirmation | None = None
) -> Winner:
    """Load the net of a trial; confirmation: where it is one of its runs.

    Of the nets that a trial of the search has with folds it is the first: the best would be the luckiest.
    """
    assert trial.value is not None  # noqa: S101 - as do all finished trials
    fold = None if record.spec.folds is None else int(trial.user_attrs.get(PLANNED_FOLD, 0))
    data = data if fold is None else data.fold(fold)
    own_score, own_accuracy = net_scores(trial, record.metric)
    choice = Choice(
        trial=trial.number if confirmation is None else int(trial.user_attrs[OF_TRIAL]),
        run=None if confirmation is None else trial.number,
        validation_score=own_score,
        validation_accuracy=own_accuracy,
        config=suggest(trial, record.spec, seed=trial_seed(record.spec, trial)),
        data=data,
        threads=trial.user_attrs.get("threads", 1),
        compiled_steps=trial.user_attrs.get("compiled_steps", False),
        fold=fold,
    )
    home = record if confirmation is None else confirmation_of(record)
    assert home is not None  # noqa: S101 - whoever has a run has its study
    try:
        arrays = _weights(home, trial.number, choice)
    except (WeightsError, StudyError, StorageError) as error:
        raise MissingWeightsError(error, home.name, choice) from error
    net, preprocessing = trained_net(record.spec.net, arrays, choice.config, data.training.columns)
    known = {one.name: getattr(choice, one.name) for one in fields(choice)}
    return Winner(**known, net=net, preprocessing=preprocessing)


def _weights(home: StudyRecord, number: int, choice: Choice) -> dict[str, NDArray[Any]]:
    training, config = choice.data.training, choice.config
    name, shapes = weights_name(number), prediction_shapes(Layout.of(training), len(choice.data.classes), config)
    arrays, _ = load_kept(home.files, name, sum(8 * prod(shape) for shape in shapes.values()))
    if training.columns is None and not arrays.keys() & {"offset", "scale"}:  # older files have none
        arrays |= statistics(training).preprocessing(config).arrays()
    check_shapes(f"{home.files.where}/{name}", arrays, shapes, TABLE_ARRAYS)
    return arrays
