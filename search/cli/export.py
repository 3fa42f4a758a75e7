"""Commands about taking results away: export, train, predict."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.search.cli.common import (
    PathType,
    artifacts_option,
    data_option,
    find_study,
    is_ascii,
    json_option,
    out,
    own_data_option,
    print_versioned,
    storage_option,
    tell,
)
from mlpsearch.search.cli.completion import study_argument

if TYPE_CHECKING:
    from rich.table import Table

    from mlpsearch.search.export.exporting import Exported
    from mlpsearch.search.export.prediction import Prediction
    from mlpsearch.search.export.retraining import Comparison
    from mlpsearch.studies.record import StudyRecord

_PATH = PathType()


@click.command()
@study_argument
@click.option("-o", "--output", type=_PATH, help="The .toml or .json file to write, or a folder with the weights.")
@click.option("--weights", type=_PATH, help="Also write the weights (safetensors).")
@click.option("--onnx", is_flag=True, help="Also put an ONNX model into the folder.")
@click.option("--trials", type=_PATH, help="Write all trials (CSV).")
@storage_option
@artifacts_option
@own_data_option
@json_option
def export(
    study: str,
    output: Path | None,
    weights: Path | None,
    onnx: bool,
    trials: Path | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Write the best configuration, with all that training it again needs, or all trials."""
    if output is None and weights is None and trials is None:
        raise click.UsageError("nothing to write: name it with -o, --weights or --trials")
    if onnx and (output is None or output.suffix):
        raise click.UsageError("--onnx needs -o FOLDER, a name without a suffix")
    record = find_study(study, storage, read_only=True)
    net = {"taken": None, "missing": "", "removed": None}
    if trials is not None:
        from mlpsearch.search.export.trial_table import write_trials

        write_trials(record, trials)
        tell(f"wrote {trials}")
    if weights is not None:  # first: where they are gone, nothing is written
        net["taken"] = _write_weights(record, weights, telling_which=output is None)
    if output is not None:
        exported = _export_winner(record, output, onnx)
        removed = None if exported.removed is None else str(exported.removed)
        net = {"taken": exported.taken, "missing": exported.missing, "removed": removed}
    if as_json:
        written = [str(path) for path in (trials, weights, output) if path is not None]
        print_versioned({"study": study, "written": written, **net})


def _export_winner(record: "StudyRecord", output: Path, onnx: bool) -> "Exported":
    from mlpsearch.search.export.exporting import export_study
    from mlpsearch.search.results.wording import items

    exported = export_study(record, output, onnx=onnx)
    if exported.removed is not None:
        tell(f"removed {exported.removed} of the earlier export; --onnx writes that of this one")
    what = items(record.spec.dataset)
    file = "FILE" if record.spec.dataset == "arrays" else "TABLE" if what == "rows" else "IMAGE…"
    predict = "" if output.suffix else f"; `mlpsearch predict {output} {file}` classifies {what} with it"
    tell(f"wrote {output}; `mlpsearch train {output}` trains it again{predict}")
    tell(f"taken: {exported.taken}")
    if exported.missing:
        tell(f"it lacks the weights' digest, so train cannot tell whether they are the same: {exported.missing}")
    return exported


def _write_weights(record: "StudyRecord", path: Path, *, telling_which: bool) -> str:
    from mlpsearch.models.prediction import prediction_arrays
    from mlpsearch.search.export.exporting import taken
    from mlpsearch.search.export.parameters import write_parameters
    from mlpsearch.search.results.winner import load_winner

    winner = load_winner(record)
    write_parameters(prediction_arrays(winner.net, winner.preprocessing), path)
    tell(f"wrote {path}")
    which = taken(record, winner)
    if telling_which:
        tell(f"taken: {which}")
    return which


@click.command()
@click.argument("export", type=_PATH)
@data_option
@json_option
def train(export: Path, data: str | None, as_json: bool) -> None:
    """Train an exported configuration again, and say whether it is the same bit for bit."""
    from mlpsearch.search.export.document import read_export
    from mlpsearch.search.export.retraining import Retraining
    from mlpsearch.search.results.wording import percent

    exported = read_export(export)
    retraining = Retraining(exported, data)
    for result in retraining.epochs():
        tell(f"epoch {result.epoch}: loss {result.loss:.4f}, validation {percent(result.validation_accuracy)}")
    comparison = retraining.comparison()
    if as_json:
        print_versioned({**asdict(comparison), "same": comparison.same})
    else:
        click.echo(_comparison_text(comparison))


@click.command()
@click.argument("export", type=_PATH)
@click.argument("files", type=_PATH, nargs=-1, required=True)
@click.option(
    "-o", "--output", type=_PATH, help="The .csv, .json or .jsonl file to write, for the rows of a table."
)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many classes to show.")
@json_option
def predict(export: Path, files: tuple[Path, ...], output: Path | None, top: int, as_json: bool) -> None:
    """Classify image files, or the rows of a table or of an array, with the net of an exported folder.

    An image file or a row that cannot be used is named, the others are classified; the exit code is then 1.
    """
    from mlpsearch.search.export.document import read_export
    from mlpsearch.search.export.table_prediction import is_of_arrays

    if read_export(export).data.table is not None or is_of_arrays(files[0]):
        _predict_rows(export, files, output, as_json)
        return
    if output is not None:
        raise click.UsageError("-o is for the rows of a table or of an array")
    _predict_images(export, files, top, as_json)


def _predict_rows(export: Path, files: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    from mlpsearch.search.documents.base import VERSION
    from mlpsearch.search.export.prediction import load_classifier
    from mlpsearch.search.export.table_prediction import classify_file, prediction_texts, write_predictions

    if len(files) > 1:
        raise click.UsageError("name one file of rows")
    classified = classify_file(load_classifier(export), files[0], tell)
    if output is not None:
        write_predictions(classified, output)
        missing = f", {classified.unanswered:,} of them without an answer" if classified.unanswered else ""
        tell(f"wrote {output}: {classified.rows:,} rows{missing}")
    else:
        texts = prediction_texts(classified, ".json" if as_json else ".csv", ascii_only=is_ascii())
        for number, text in enumerate(texts):  # a table may be long: it is printed as it is read
            if as_json and number == 0:
                click.echo(f'{{"schema_version": {VERSION}, "errors": [], "predictions": ', nl=False)
            click.echo(text, nl=False)
        if as_json:
            click.echo("}")
    if classified.unanswered:
        sys.exit(1)


def _predict_images(export: Path, images: tuple[Path, ...], top: int, as_json: bool) -> None:
    from mlpsearch.search.documents.base import error_of
    from mlpsearch.search.export.prediction import classify

    errors: list[MlpsearchError] = []

    def refuse(error: MlpsearchError) -> None:
        errors.append(error)
        tell(f"error: {error}")

    predictions = classify(export, images, top, refuse)
    if as_json:
        found = [asdict(prediction) for prediction in predictions]
        print_versioned({"predictions": found, "errors": [error_of(error) for error in errors]})
    elif predictions:
        out().print(_predictions_table(predictions), highlight=False)
    if len(predictions) < len(images):
        sys.exit(1)


def _comparison_text(comparison: "Comparison") -> str:
    from mlpsearch.search.results.wording import percent

    accuracy = f"validation accuracy {percent(comparison.validation_accuracy)}"
    accuracy += ", the same as exported" if comparison.same else f", exported was {percent(comparison.exported)}"
    if comparison.same_weights:
        return f"{accuracy}; the same weights bit for bit, and so the same test accuracy"
    if comparison.same_weights is None:
        return f"{accuracy}; the export does not say what its weights were"
    unknown = "no version (is it another device, or did the trial go on without its compiled steps?)"
    reasons = ", ".join(comparison.differences) or unknown
    return f"{accuracy}; other weights; changed since: {reasons}"


def _predictions_table(predictions: "list[Prediction]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from mlpsearch.search.results.wording import percent

    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right")
    for prediction in predictions:
        for place, guess in enumerate(prediction.classes):
            file = prediction.file if place == 0 else ""
            table.add_row(Text(file), Text(guess.name), percent(guess.probability))  # Text: [red] is no markup
    return table


COMMANDS = (export, train, predict)
