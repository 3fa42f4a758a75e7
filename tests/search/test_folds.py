"""A study with folds: its trials, its confirmation and its exports, from the file to the test."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
import pytest
from pydantic import ValidationError

from mlpsearch.models import build_net
from mlpsearch.models.errors import DataError, SpecError, StudyError
from mlpsearch.models.prediction import prediction_arrays, statistics
from mlpsearch.models.scores import METRICS
from mlpsearch.models.training import EpochResult, train
from mlpsearch.models.weights import digest
from mlpsearch.search.dashboard.note import note
from mlpsearch.search.export.document import Export
from mlpsearch.search.export.exporting import export_winner, write_folder
from mlpsearch.search.export.retraining import Retraining
from mlpsearch.search.results.confirming import confirmed
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.service import confirm
from mlpsearch.search.trials import fold_nets
from mlpsearch.search.trials.checkpoints import Checkpoint
from mlpsearch.search.trials.fold_nets import FoldNet, FoldNets, mean_result
from mlpsearch.search.trials.objective import Interrupted, Objective
from mlpsearch.search.trials.seeds import trial_seed
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.folds import stratified_folds
from mlpsearch.studies.data.training import TrainingData, load_training
from mlpsearch.studies.files.base import FolderFiles
from mlpsearch.studies.record import confirmation_of, open_study
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions
from mlpsearch.studies.study_data import load_spec_data, load_study_data, source_of
from tests.search.conftest import Command
from tests.search.export.reading import read_export
from tests.search.makers import NETS, confirmation_runs, never
from tests.search.shop import STUDY, shop
from tests.search.trials.makers import after, ask, comparable, study_of
from tests.studies import image_makers as make
from tests.studies.specs import MINIMAL
from tests.studies.stores import new_storage, spec

FOLDS, EPOCHS = 3, 3

OPTIONS = {"averaging": 0.9, "batch_normalization": True, "dropout": 0.2, "class_weights": "balanced"}


def spec_of(net: str, **changes: Any) -> StudySpec:
    settings: dict[str, Any] = {"net": net, "epochs": EPOCHS, "fixed": NETS[net] | OPTIONS, "folds": FOLDS}
    return spec(**settings | changes)


@pytest.fixture(scope="module")
def in_folds(data: TrainingData) -> TrainingData:
    """The data, with the validation rows among those that are dealt out."""
    return replace(data, folds=stratified_folds(data.training.labels, FOLDS, seed=0)).fold(0)


def alone(specification: StudySpec, data: TrainingData, config: Any) -> tuple[list[EpochResult], str]:
    """One training, with nothing of folds in it: its results, and a digest of what predictions need."""
    preprocessing = statistics(data.training).preprocessing(config)
    inputs, classes = preprocessing.inputs, len(data.classes)
    net = build_net(specification.net, inputs=inputs, classes=classes, config=config)
    metric = METRICS[specification.metric]
    results = [*train(net, data.training, data.validation, config, preprocessing, metric=metric)]
    return results, digest(prediction_arrays(net, preprocessing))


# ---- the data ----


def test_folds_share_the_images_and_hold_every_row_out_once(in_folds: TrainingData) -> None:
    parts = [in_folds.fold(number) for number in range(FOLDS)]
    rows = np.concatenate([part.validation.rows for part in parts])
    assert sorted(rows) == list(range(180))
    for part in parts:
        assert part.training.images is part.validation.images is in_folds.training.images
        assert sorted([*part.training.rows, *part.validation.rows]) == list(range(180))


def test_the_rows_of_a_data_set_are_dealt_out_but_for_its_test() -> None:
    plain = load_training("digits", None, validation=250, split_seed=3)
    folds = load_training("digits", None, validation=None, split_seed=3, folds=4)
    assert folds.fingerprint == plain.fingerprint
    assert folds.folds is not None
    np.testing.assert_array_equal(folds.folds, stratified_folds(plain.training.labels, 4, 3))
    np.testing.assert_array_equal(np.flatnonzero(folds.folds == 0), folds.validation.rows)
    assert len(folds.training) + len(folds.validation) == len(plain.training) + len(plain.validation)


def test_rows_of_a_group_of_a_table_are_in_one_fold(tmp_path: Path) -> None:
    shop().with_columns(who=shop()["spent"].fill_null(0).round(0)).write_csv(tmp_path / "shop.csv")
    table = TableOptions("bought", 0.2, "who", None, ColumnOptions())
    data = load_training("table", tmp_path / "shop.csv", validation=None, split_seed=0, options=table, folds=5)
    assert data.table is not None
    assert data.folds is not None
    assert set(data.folds.tolist()) == set(range(5))
    place = [column.name for column in data.table.columns].index("spent")
    spent = np.nan_to_num(np.asarray(data.training.images[:, place])).round(0)
    for who in np.unique(spent):
        assert len(np.unique(data.folds[spent == who])) == 1


def test_folds_of_images_with_a_validation_folder_are_refused(tmp_path: Path) -> None:
    path = make.write_any(tmp_path / "images", make.image_files(train=4, val=2))
    with pytest.raises(DataError) as caught:
        load_training("images", path, validation=None, split_seed=0, folds=2)
    assert "and folds = 2 asks for images of train: leave that out, or take the folder away" in str(caught.value)
    assert caught.value.key == "folds"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folds = 1\n", "folds = 1: must be a whole number from 2 to 20"),
        ("folds = 21\n", "folds = 21: must be a whole number from 2 to 20"),
        ("folds = 2.5\n", "folds = 2.5: must be a whole number from 2 to 20"),
        (
            "folds = 5\nvalidation = 10\n",
            "folds: cannot go with validation: each fold is the validation split once",
        ),
        (
            'folds = 5\norder = "day"\n',
            "folds: cannot go with order: older rows would judge what was learnt from newer ones",
        ),
    ],
)
def test_mistakes_in_a_study_file_with_folds(text: str, message: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(text + MINIMAL, "a.toml")
    assert message in str(error.value)


# ---- a trial ----


@pytest.mark.parametrize(("net", "metric"), [("numpy", "accuracy"), ("torch", "accuracy"), ("numpy", "log-loss")])
def test_a_trial_is_the_mean_of_one_training_a_fold(
    net: str, metric: str, in_folds: TrainingData, tmp_path: Path
) -> None:
    specification = spec_of(net, metric=metric)
    study = study_of(specification)
    outcome = Objective(specification, in_folds, FolderFiles(tmp_path))(ask(study))
    trial = study.trials[0]
    config = suggest(trial, specification, seed=trial_seed(specification, trial))
    runs = [alone(specification, in_folds.fold(fold), config) for fold in range(FOLDS)]
    reached = [[result.validation_score for result in results] for results, _ in runs]
    assert trial.intermediate_values == {
        epoch: pytest.approx(np.mean(values), abs=1e-12)
        for epoch, values in enumerate(zip(*reached, strict=True), start=1)
    }
    assert outcome.score == trial.intermediate_values[EPOCHS]
    accuracies = [results[-1].validation_accuracy for results, _ in runs]
    assert outcome.facts["fold_accuracies"] == accuracies
    if metric != "accuracy":
        assert outcome.facts["fold_scores"] == [values[-1] for values in reached]
        assert outcome.facts["validation_accuracy"] == pytest.approx(np.mean(accuracies))
    assert digest(prediction_arrays(outcome.net, outcome.preprocessing)) == runs[0][1], "the first net is kept"
    assert 0.3 < outcome.facts["training_accuracy"] <= 1


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("epochs", range(1, EPOCHS))
def test_an_interrupted_trial_goes_on_bit_by_bit(
    net: str, epochs: int, in_folds: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specification, made = spec_of(net), list[FoldNets]()

    def noted(objective: Objective, *arguments: Any) -> FoldNets:
        made.append(nets_of(objective, *arguments))
        return made[-1]

    nets_of = Objective._nets
    monkeypatch.setattr(Objective, "_nets", noted)
    whole = study_of(specification)
    expected = Objective(specification, in_folds, FolderFiles(tmp_path / "whole"))(ask(whole))
    study = study_of(specification)
    trial = ask(study)
    parts = Objective(specification, in_folds, FolderFiles(tmp_path / "parts"))
    with pytest.raises(Interrupted):
        parts(trial, after(epochs))
    outcome = parts(optuna.Trial(study, trial._trial_id))
    assert comparable(outcome) == comparable(expected)
    assert study.trials[0].intermediate_values == whole.trials[0].intermediate_values
    first, _, last = ({name: array.tobytes() for name, array in nets.state().items()} for nets in made)
    assert first == last, "of all nets"


def test_a_checkpoint_that_lacks_a_net_is_not_used(in_folds: TrainingData, tmp_path: Path) -> None:
    specification = spec_of("numpy")
    objective, trial = Objective(specification, in_folds, FolderFiles(tmp_path)), ask(study_of(specification))
    config = suggest(trial, specification, seed=0)
    nets = objective._nets(trial, config)
    checkpoint = Checkpoint(FolderFiles(tmp_path), 0, config)
    progress = checkpoint.restore(nets)
    progress.add(next(nets.train()))
    checkpoint.save(FoldNets(nets.nets[:2], config), progress)
    fresh = objective._nets(trial, config)
    assert checkpoint.restore(fresh).accuracies == []
    untouched = objective._nets(trial, config).state()
    assert all(array.tobytes() == untouched[name].tobytes() for name, array in fresh.state().items())
    checkpoint.save(nets, progress)
    assert len(checkpoint.restore(fresh).accuracies) == 1


def test_a_fold_that_diverges_ends_the_trial(
    in_folds: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = FoldNet.train

    def diverging(one: FoldNet, *arguments: Any) -> Any:
        for result in trained(one, *arguments):
            second = np.array_equal(one.data.validation.rows, in_folds.fold(1).validation.rows)
            yield replace(result, loss=1e9, diverged=True) if second and result.epoch == 2 else result

    monkeypatch.setattr(fold_nets.FoldNet, "train", diverging)
    specification = spec_of("numpy")
    outcome = Objective(specification, in_folds, FolderFiles(tmp_path))(ask(study_of(specification)))
    assert outcome.pruned
    assert (outcome.facts["diverged"], outcome.facts["epochs"]) == ("loss 1e+09 in epoch 2", 2)


def test_the_mean_of_one_result_is_that_result() -> None:
    result = EpochResult(
        3, loss=0.25, validation_accuracy=0.75, validation_score=1.0, seconds=0.75, diverged=False
    )
    assert mean_result([result]) == result
    both = mean_result([result, replace(result, validation_accuracy=0.25, validation_score=2.0, loss=0.5)])
    assert (both.validation_accuracy, both.validation_score) == (0.5, 1.5)
    assert (both.loss, both.seconds) == (0.375, 1.5)


def test_a_metric_that_a_fold_cannot_have_is_refused(tmp_path: Path) -> None:
    """All rows of a class are in one group."""
    yes = shop().filter(pl.col("bought") == "yes").with_columns(who=pl.lit("one"))
    no = shop().filter(pl.col("bought") == "no").with_columns(who=pl.int_range(pl.len()).cast(pl.String))
    pl.concat([yes, no]).write_csv(tmp_path / "shop.csv")
    table: dict[str, Any] = {"dataset": "table", "data": str(tmp_path / "shop.csv"), "label": "bought"}
    specification = spec(folds=3, metric="auc", group="who", **table)
    with pytest.raises(DataError, match="there is only 'yes'; choose another metric, or fewer folds"):
        load_spec_data(specification, specification.data)
    load_spec_data(specification.model_copy(update={"metric": "log-loss"}), specification.data)


# ---- a study ----


@pytest.fixture(scope="module")
def searched_in_folds(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Callable[[str], str]:
    """The URL of a storage whose study of the digits, with folds, is searched; made once for each net."""
    made: dict[str, str] = {}

    def get(net: str) -> str:
        if net not in made:
            fixed = NETS[net] | {"batch_size": 256}
            specification = spec(trials=2, epochs=2, net=net, fixed=fixed, folds=FOLDS)
            images = load_training("digits", None, validation=None, split_seed=0, folds=FOLDS)
            record = create_or_resume(
                new_storage(tmp_path_factory.mktemp(net)),
                specification,
                trials=None,
                source=source_of(images, None),
            )
            Worker(record, load_study_data(record), never).run()
            made[net] = record.url
        return made[net]

    return get


@pytest.mark.parametrize("net", NETS)
def test_runs_that_confirm_take_the_folds_in_turn(net: str, searched_in_folds: Callable[[str], str]) -> None:
    record = open_study(searched_in_folds(net), "mine")
    confirmation_runs(record, Confirm(top=2, seeds=4, report=2))
    runs = confirmation_of(record)
    assert runs is not None
    planned = runs.plan
    assert planned is not None
    assert [run.fold for run in planned] == [0, 1, 2, 0, 0, 1, 2, 0, 0, 1]
    data = load_study_data(record)
    done = {trial.user_attrs["planned_seed"]: trial for trial in runs.own_trials()}
    for run in planned[-2:]:
        trial = done[run.seed]
        config = suggest(trial, record.spec, seed=run.seed)
        assert run.fold is not None
        results, _ = alone(record.spec, data.fold(run.fold), config)
        assert trial.value == results[-1].validation_accuracy
        assert "fold_accuracies" not in trial.user_attrs


@pytest.mark.parametrize("net", NETS)
def test_exports_of_the_search_and_of_the_confirmation_are_trained_again_bit_by_bit(
    net: str, searched_in_folds: Callable[[str], str], tmp_path: Path
) -> None:
    record = open_study(searched_in_folds(net), "mine")
    exported = []
    for step in ("search", "confirmation"):
        if step == "confirmation":
            asked = Confirm(top=1, seeds=2, report=3)
            confirmation_runs(record, asked)
            confirm(record, confirmed(record, asked), "c")
        winner = load_winner(record)
        write_folder(export_winner(record, winner, tmp_path / step), winner, tmp_path / step)
        retraining = Retraining(read_export(tmp_path / step), None)
        reached = [result.validation_accuracy for result in retraining.epochs()][-1]
        assert retraining.comparison().same_weights
        assert reached == winner.validation_accuracy
        assert (winner.run is None) == (step == "search")
        exported.append(read_export(tmp_path / step))
        assert len(winner.data.validation) == exported[-1].data.validation
    assert (exported[0].data.folds, exported[0].data.fold) == (FOLDS, 0)
    best = record.optuna_study().best_trial
    assert exported[0].accuracy.validation == best.user_attrs["fold_accuracies"][0]
    assert exported[0].taken is not None
    assert ", the best of the search, and of its nets, one a fold, the first of 3; " in exported[0].taken
    runs = confirmation_of(record)
    assert runs is not None
    of_run = {trial.number: trial.user_attrs["planned_fold"] for trial in runs.own_trials()}
    assert exported[1].data.fold == of_run[exported[1].run or 0]
    (test,) = record.attributes()["tests"]
    assert len(test["accuracies"]) == 3
    assert "validation over 3 seeds, each on one of 3 folds" in note(record)
    assert "each of 3 folds in turn, about 479 images, drawn by seed 0" in note(record)


@pytest.fixture
def shop_in_folds(mlpsearch: Command) -> Callable[..., None]:
    """Searches a table in the current folder with these lines in its study file, and exports its net as `best`."""

    def run(more: str) -> None:
        shop().write_csv("shop.csv")
        Path("shop.toml").write_text(STUDY.format(net="numpy", preprocessing="standardize", more=more))
        for command in (("run", "shop.toml"), ("export", "shop", "-o", "best")):
            answer = mlpsearch(*command)
            assert answer.code == 0, answer.err

    return run


@pytest.mark.parametrize("changes", [{"fold": 3}, {"fold": None}, {"folds": None}])
def test_an_export_names_one_of_its_folds(
    searched_in_folds: Callable[[str], str], tmp_path: Path, changes: dict[str, Any]
) -> None:
    record = open_study(searched_in_folds("numpy"), "mine")
    document = export_winner(record, load_winner(record), tmp_path / "best").model_dump()
    document["data"] |= changes
    with pytest.raises(ValidationError, match="fold must be below folds"):
        Export.model_validate(document)


def test_from_the_file_of_a_table_to_its_test(shop_in_folds: Callable[..., None], mlpsearch: Command) -> None:
    shop_in_folds('folds = 4\ngroup = "day"')
    assert "the same weights bit for bit" in mlpsearch("train", "best").out
    text = mlpsearch("status", "shop").out
    assert "validation: of a trial the mean over 4 folds, of a net that confirms its own fold" in text
    document = json.loads(mlpsearch("status", "shop", "--json").out)
    assert document["folds"] == 4
    assert len(document["tests"]) == 1
    assert document["headline"]["test"]["accuracy"] > 0.7
    assert mlpsearch("report", "shop", "-o", "report.html").code == 0
    page = Path("report.html").read_text()
    assert "best validation accuracy of the search, the mean over 4 folds, trial" in page
    assert "over 2 seeds, of one of 4 folds each" in page
    assert "each of 4 folds in turn, of about 32 rows, seed 0" in page
    assert (
        "4 folds of about 32: each is the validation split once, all others train"
        in mlpsearch("check", "shop").out
    )
    check = json.loads(mlpsearch("check", "shop.toml", "--json").out)
    assert (check["training"], check["validation"]) == (96, 32)
    assert check["search_seconds"] == pytest.approx(2 * 4 * 12 * check["epoch_seconds"])
    assert check["confirm_seconds"] == pytest.approx(2 * 12 * check["epoch_seconds"])
    assert "folds = 5" not in " ".join(check["warnings"])
    (Path("plain.toml")).write_text(Path("shop.toml").read_text().replace("folds = 4", ""))
    assert "`folds = 5` judges them by all 128" in mlpsearch("check", "plain.toml").out


def test_folds_cannot_be_changed_later(searched_in_folds: Callable[[str], str]) -> None:
    record = open_study(searched_in_folds("numpy"), "mine")
    other, source = record.spec.model_copy(update={"folds": 4}), record.attributes()["source"]
    with pytest.raises(StudyError, match=r"was made from another specification \(folds: 3 → 4\)"):
        create_or_resume(record.url, other, trials=None, source=source)
