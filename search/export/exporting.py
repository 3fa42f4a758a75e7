"""Exporting the winner of a study: the document about it, and a folder with its weights."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from mlpsearch.models.errors import ExportError
from mlpsearch.models.paths import folder_written_atomically, write_atomically
from mlpsearch.models.prediction import prediction_arrays
from mlpsearch.models.scores import ACCURACY
from mlpsearch.models.statistics import deviation, mean
from mlpsearch.models.weights import digest
from mlpsearch.search.export.document import DOCUMENT, AnyExport, Export, first_mistake, write_export
from mlpsearch.search.export.exported_data import ExportedData, ExportedDataSet, ExportedImages, ExportedTable
from mlpsearch.search.export.exported_figures import (
    ExportedAccuracy,
    ExportedConfirmation,
    ExportedScore,
    ExportedTest,
)
from mlpsearch.search.export.parameters import WEIGHTS, arrays_together, write_parameters
from mlpsearch.search.export.versions import versions
from mlpsearch.search.results.confirmation import Confirmation, last_confirmation
from mlpsearch.search.results.headline import headline
from mlpsearch.search.results.openings import TestReport, report_of
from mlpsearch.search.results.winner import Choice, MissingWeightsError, Winner, load_winner
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.next_trial import origin_of
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.image_options import ImageOptions

ONNX = "model.onnx"  # in an exported folder


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    taken: which net of the study it is, and what is to be said of it.
    missing: why the document lacks the weights' digest; empty where it has it.
    removed: the ONNX model of an earlier export, which was of another net; None where there was none.
    """

    taken: str
    missing: str = ""
    removed: Path | None = None


def export_study(record: StudyRecord, path: Path, *, onnx: bool = False) -> Exported:
    """Export the winner into a folder with its weights, or, where `path` has a suffix, as a document alone.

    A document needs no weights; where they are gone it lacks their digest. Raises StudyError where no trial is
    finished, WeightsError for a folder where the weights are gone, ExportError for what cannot be written.
    """
    try:
        winner = load_winner(record)
    except MissingWeightsError as error:
        if not path.suffix:
            raise
        write_export(export_winner(record, error.choice, path), path)
        return Exported(taken(record, error.choice), missing=str(error))
    document = export_winner(record, winner, path)
    if path.suffix:
        write_export(document, path)
        return Exported(taken(record, winner))
    model_goes = not onnx and (path / ONNX).exists()  # with the earlier export, whose net it is
    write_folder(document, winner, path, onnx=onnx)
    return Exported(taken(record, winner), removed=path / ONNX if model_goes else None)


def export_winner(record: StudyRecord, winner: Choice, path: Path) -> Export:
    """Return the export of a study's winner; where its weights are missing, so is their digest.

    path: where it will be; the command that trains it again names it.
    Raises ExportError where a name or a value of the study, or the path, may not stand in a document.
    """
    try:
        return _export(record, winner, path)
    except ValidationError as error:
        raise ExportError(
            f"study {record.name}: cannot be exported ({first_mistake(error)})", study=record.name, path=path
        ) from error


def _export(record: StudyRecord, winner: Choice, path: Path) -> Export:
    arrays = prediction_arrays(winner.net, winner.preprocessing) if isinstance(winner, Winner) else None
    return Export(
        study=record.name,
        taken=taken(record, winner),
        trial=winner.trial,
        run=winner.run,
        origin=exported_origin(record, winner.trial),
        net=record.spec.net,
        threads=winner.threads,
        compiled_steps=winner.compiled_steps,
        command=shlex.join(["mlpsearch", "train", path.name]),
        weights_digest=None if arrays is None else digest(arrays),
        config=asdict(winner.config),
        data=ExportedData(**dict(exported_data_set(record, winner.data)), fold=winner.fold),
        accuracy=_accuracy(record, winner),
        metric=record.spec.metric,
        score=None if record.metric is ACCURACY else _score(record, winner),
        versions=versions(),
    )


def exported_origin(record: StudyRecord, number: int) -> str:
    """Return where the point of a trial of the search is from (search/trials/next_trial.py)."""
    storage = record.storage.optuna
    trial_id = storage.get_trial_id_from_study_id_trial_number(record.study_id, number)
    return origin_of(storage.get_trial(trial_id), record.starts)


def exported_data_set(record: StudyRecord, data: TrainingData) -> ExportedDataSet:
    """Return what an export says of a study's data; data: as they were split for a net."""
    return ExportedDataSet(
        dataset=record.spec.dataset,
        source=record.attributes()["source"]["data"],
        validation=len(data.validation),
        validation_folder=data.validation_folder,
        split_seed=record.spec.seed,
        folds=record.spec.folds,
        fingerprint=data.fingerprint,
        classes=list(data.classes),
        shape=data.shape,
        table=_table(record, data),
        images=_images(record, data),
    )


def _table(record: StudyRecord, data: TrainingData) -> ExportedTable | None:
    options, schema = record.spec.table_options, data.table
    if options is None or schema is None:
        return None
    return ExportedTable(
        label=options.label,
        test=options.test,
        validation=record.spec.validation,
        group=options.group,
        order=options.order,
        options=options.columns,
        described=schema,
    )


def _images(record: StudyRecord, data: TrainingData) -> ExportedImages | None:
    options = record.spec.data_options
    if options is None or data.table is not None or options == ImageOptions():
        return None
    if isinstance(options, ImageOptions):
        return ExportedImages(**asdict(options))
    return None if isinstance(options.test, str) else ExportedImages(test=options.test)  # of images in arrays


def write_folder(export: Export, winner: Winner, folder: Path, *, onnx: bool = False) -> None:
    """Do what write_nets does, for one net."""
    write_nets(export, [winner], folder, onnx=onnx)


def write_nets(export: AnyExport, nets: Sequence[Winner], folder: Path, *, onnx: bool = False) -> None:
    """Write a folder with the document, the weights and, if asked for, an ONNX model; all of it or nothing.

    nets: those of the document.  It takes the place of an earlier export. Raises ExportError for any other folder
    that is there, and for a model that gives other probabilities than the nets.
    """
    arrays = [prediction_arrays(one.net, one.preprocessing) for one in nets]
    model = None
    if onnx:
        from mlpsearch.search.export.onnx_check import check_onnx
        from mlpsearch.search.export.onnx_model import onnx_model

        model = onnx_model(export, arrays)
        check_onnx(model, export, nets)
    try:
        _refuse_other_content(folder)
        with folder_written_atomically(folder) as new:
            write_export(export, new / DOCUMENT)
            write_parameters(arrays[0] if isinstance(export, Export) else arrays_together(arrays), new / WEIGHTS)
            if model is not None:
                write_atomically(new / ONNX, model)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be written ({error.strerror})", path=folder) from error


def _refuse_other_content(folder: Path) -> None:
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ExportError(f"{folder}: is the current folder, or one above it; name a new folder", path=folder)
    found = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    others = found - {DOCUMENT, WEIGHTS, ONNX}
    if others or (found and DOCUMENT not in found):
        raise ExportError(
            f"{folder}: is there and is no export (it has {min(others or found)!r}); name a new folder",
            path=folder,
        )


def taken(record: StudyRecord, winner: Choice) -> str:
    """Return which net of the study it is, and what is to be said of it."""
    first = headline(record, Ledger(record))
    if first is not None and winner.run is not None:
        which = f"the one of the {record.metric.extreme} validation {record.metric.title}"
        nets = f"of its {len(first.seeds)} reported nets {which}"
        what = f"trial {winner.trial}, the confirmed winner: {nets}"
    else:
        what = f"trial {winner.trial}, the best of the search"
        what += "" if winner.fold is None else f", and of its nets, one a fold, the first of {record.spec.folds}"
    return f"{what}; {first.remark}" if first is not None and first.remark else what


def _accuracy(record: StudyRecord, winner: Choice) -> ExportedAccuracy:
    confirmation, report = _said(record, winner)
    return ExportedAccuracy(
        validation=winner.validation_accuracy,
        this_net_on_test=_own(report, winner, report.accuracies or [report.accuracy]) if report else None,
        test=_test(report) if report else None,
        confirmation=_confirmation(confirmation) if confirmation else None,
    )


def _score(record: StudyRecord, winner: Choice) -> ExportedScore:
    confirmation, report = _said(record, winner)
    result = confirmation.result if confirmation else None
    return ExportedScore(
        validation=winner.validation_score,
        this_net_on_test=_own(report, winner, report.scores) if report and report.scores else None,
        test=report.score if report else None,
        test_deviation=report.score_deviation if report else None,
        test_interval=report.score_interval if report else None,
        tests=report.scores if report else [],
        confirmation=result.mean if result else None,
        confirmation_deviation=result.deviation if result else None,
        confirmations=result.scores if result else [],
        choice_mean=confirmation.candidates[0].mean if confirmation else None,
        selection_bias=confirmation.selection_bias if confirmation else None,
    )


def _said(record: StudyRecord, winner: Choice) -> tuple[Confirmation | None, TestReport | None]:
    """The confirmation and the test of a net's study. A run is tested with its others."""
    confirmation = last_confirmation(record) if winner.run is not None else None
    return confirmation, report_of(record, winner.trial, confirmation.result.seeds if confirmation else [])


def _own(report: TestReport, winner: Choice, values: list[float]) -> float:
    return values[report.seeds.index(winner.config.seed)] if report.seeds else values[0]


def _test(report: TestReport) -> ExportedTest:
    return ExportedTest(
        accuracy=report.accuracy,
        interval=report.interval,
        images=report.images,
        also_in_training=report.also_in_training,
        opening=report.opening,
        seeds=report.seeds,
        accuracies=report.accuracies or [report.accuracy],  # older studies have none
        deviation=report.deviation,
        confusion=report.confusion,
    )


def _confirmation(confirmation: Confirmation) -> ExportedConfirmation:
    best, result = confirmation.candidates[0], confirmation.result
    by_accuracy = confirmation.metric == ACCURACY.name
    return ExportedConfirmation(
        seeds=result.seeds,
        accuracies=result.accuracies,
        mean=mean(result.accuracies),
        deviation=deviation(result.accuracies),
        candidates=len(confirmation.candidates),
        choice_seeds=confirmation.seeds if confirmation.reported else [],
        choice_mean=best.mean if confirmation.reported and by_accuracy else None,
        selection_bias=confirmation.selection_bias if by_accuracy else None,
        chance=confirmation.chance,
    )
