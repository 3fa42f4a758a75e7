"""Exporting several nets of a study's confirmation, whose probabilities are averaged."""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from mlpsearch.models.ensemble import average_log_probabilities
from mlpsearch.models.errors import ExportError, StudyError
from mlpsearch.models.metrics import split_logits
from mlpsearch.models.prediction import prediction_arrays
from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.models.weights import digest
from mlpsearch.search.export.document import EnsembleExport, ExportedMember, first_mistake, write_export
from mlpsearch.search.export.exported_figures import ExportedAverage, ExportedAverageTest, ExportedSelection
from mlpsearch.search.export.exporting import ONNX, Exported, exported_data_set, exported_origin, write_nets
from mlpsearch.search.export.greedy import choose
from mlpsearch.search.export.parameters import arrays_together, write_parameters
from mlpsearch.search.export.versions import versions
from mlpsearch.search.results.confirmation import Confirmation, last_confirmation
from mlpsearch.search.results.headline import headline
from mlpsearch.search.results.openings import TestReport, report_of
from mlpsearch.search.results.winner import Winner, reported_nets, with_net
from mlpsearch.search.results.wording import difference, items, score
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.study_data import load_study_data

Kind = Literal["winner", "greedy"]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Nets of a confirmation that are averaged.

    kind: all reported nets of the confirmed winner, or some of all candidates' by greedy selection.
    weights: of each in the average; they add up to 1.  selection: what a greedy choice is worth.
    """

    kind: Kind
    confirmation: Confirmation
    nets: list[Winner]
    weights: list[float]
    selection: ExportedSelection | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object (documents.commands.Ensemble)."""
        return {
            "kind": self.kind,
            "members": [
                {"trial": one.trial, "run": one.run, "seed": one.config.seed, "weight": weight}
                for one, weight in zip(self.nets, self.weights, strict=True)
            ],
            "selection": None if self.selection is None else self.selection.model_dump(),
        }


def find_ensemble(record: StudyRecord, kind: Kind) -> Ensemble:
    """Return the nets of a study's ensemble.

    Raises ExportError for another kind, StudyError where the study is not confirmed, WeightsError where the
    weights of one of the nets are gone.
    """
    if kind not in get_args(Kind):
        raise ExportError(f"ensemble: must be 'winner' or 'greedy', is {kind!r}", study=record.name)
    confirmation = last_confirmation(record)
    if confirmation is None:
        raise _not_confirmed(record)
    if kind == "winner":
        nets = reported_nets(record, confirmation)
        return Ensemble(kind, confirmation, nets, [1 / len(nets)] * len(nets))
    data = load_study_data(record)
    chosen = choose(record, confirmation, data)
    nets = [with_net(record, run, data, confirmation) for run in chosen.runs]
    return Ensemble(kind, confirmation, nets, chosen.weights, chosen.selection)


def _not_confirmed(record: StudyRecord) -> StudyError:
    way = f"`{record.command('confirm')}` trains them"
    if not Ledger(record).is_complete():
        way = f"its search is not over, `{record.command('run')}` goes on"
    if not record.spec.has_test:
        way = "test = 0 holds no row out, without which there is no confirmation"
    return StudyError(
        f"study {record.name}: not confirmed, and an ensemble is made of the nets of a confirmation; {way}",
        study=record.name,
    )


def export_ensemble(record: StudyRecord, ensemble: Ensemble, path: Path, *, onnx: bool = False) -> Exported:
    """Export the nets into a folder with their weights, or, where `path` has a suffix, as a document alone.

    Raises ExportError for what cannot be written, or may not stand in a document.
    """
    try:
        document = _document(record, ensemble, path)
    except ValidationError as error:
        raise ExportError(
            f"study {record.name}: cannot be exported ({first_mistake(error)})", study=record.name, path=path
        ) from error
    if path.suffix:
        write_export(document, path)
        return Exported(document.taken)
    model_goes = not onnx and (path / ONNX).exists()  # with the earlier export, whose net it is
    write_nets(document, ensemble.nets, path, onnx=onnx)
    return Exported(document.taken, removed=path / ONNX if model_goes else None)


def write_ensemble_weights(ensemble: Ensemble, path: Path) -> None:
    """Write the weights of all nets into one file, as write_parameters does."""
    write_parameters(
        arrays_together([prediction_arrays(one.net, one.preprocessing) for one in ensemble.nets]), path
    )


def taken_together(record: StudyRecord, ensemble: Ensemble) -> str:
    """Return which nets of the study an ensemble averages, and what is to be said of them."""
    count, selection = len(ensemble.nets), ensemble.selection
    what = f"the {count} reported nets of trial {ensemble.confirmation.winner}, the confirmed winner, averaged"
    if selection is not None:
        *others, last = map(str, sorted({one.trial for one in ensemble.nets}))
        which = f"trials {', '.join(others)} and {last}" if others else f"trial {last}"
        what = f"{count} of the confirmation's {selection.nets} nets, of {which}, averaged with weights"
    first = headline(record, Ledger(record))
    return f"{what}; {first.remark}" if first is not None and first.remark else what


def worth(selection: ExportedSelection, metric: Metric, dataset: str) -> str:
    """Return what a greedy choice is worth, as a sentence."""
    what, title = items(dataset), f"validation {metric.title}"
    said = (
        f"its {title} of {score(selection.score, metric)} flatters it, for the {selection.rows:,} {what} chose it"
    )
    if selection.unseen is not None and selection.selection_bias is not None:
        bias = difference(selection.selection_bias, metric)
        said += (
            f"; chosen on one half of them and scored on the other it is {score(selection.unseen, metric)} "
            f"(selection bias {bias})"
        )
    return f"{said}; the winner's reported nets averaged have {score(selection.winner, metric)}"


def _document(record: StudyRecord, ensemble: Ensemble, path: Path) -> EnsembleExport:
    confirmation = ensemble.confirmation
    report = report_of(record, confirmation.winner, confirmation.result.seeds)
    return EnsembleExport(
        study=record.name,
        taken=taken_together(record, ensemble),
        net=record.spec.net,
        command=shlex.join(["mlpsearch", "train", path.name]),
        ensemble=ensemble.kind,
        metric=record.spec.metric,
        data=exported_data_set(record, ensemble.nets[0].data),
        average=_average(record, ensemble, report),
        selection=ensemble.selection,
        members=[
            _member(record, one, weight, report if one.trial == confirmation.winner else None)
            for one, weight in zip(ensemble.nets, ensemble.weights, strict=True)
        ],
        versions=versions(),
    )


def _member(record: StudyRecord, one: Winner, weight: float, report: TestReport | None) -> ExportedMember:
    assert one.run is not None  # noqa: S101 - all are of the confirmation
    place = report.seeds.index(one.config.seed) if report and one.config.seed in report.seeds else None
    by_metric = record.metric is not ACCURACY
    return ExportedMember(
        trial=one.trial,
        run=one.run,
        origin=exported_origin(record, one.trial),
        weight=weight,
        fold=one.fold,
        validation=one.validation_accuracy,
        validation_score=one.validation_score if by_metric else None,
        test=report.accuracies[place] if report and place is not None else None,
        test_score=report.scores[place] if report and place is not None and by_metric and report.scores else None,
        threads=one.threads,
        compiled_steps=one.compiled_steps,
        weights_digest=digest(prediction_arrays(one.net, one.preprocessing)),
        config=asdict(one.config),
    )


def _average(record: StudyRecord, ensemble: Ensemble, report: TestReport | None) -> ExportedAverage:
    """What the nets reach together; report: of the winner's nets."""
    test = _test(report) if report is not None and ensemble.kind == "winner" else None
    if record.spec.folds is not None:
        return ExportedAverage(test=test)
    validation, metric = ensemble.nets[0].data.validation, record.metric
    logits = (split_logits(one.net, validation, one.preprocessing) for one in ensemble.nets)
    together, labels = average_log_probabilities(logits, ensemble.weights), validation.labels[validation.rows]
    return ExportedAverage(
        validation=ACCURACY.score(together, labels),
        validation_score=None if metric is ACCURACY else metric.score(together, labels),
        test=test,
    )


def _test(report: TestReport) -> ExportedAverageTest | None:
    average = report.average
    if average is None:
        return None
    by_metric = report.metric != ACCURACY.name
    return ExportedAverageTest(
        accuracy=average.accuracy,
        interval=average.interval,
        score=average.score if by_metric else None,
        score_interval=average.score_interval if by_metric else None,
        images=report.images,
        also_in_training=report.also_in_training,
        opening=report.opening,
    )
