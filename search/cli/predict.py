"""The command that classifies with what was exported."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.search.cli.common import PathType, is_ascii, json_option, print_table, print_versioned, tell

if TYPE_CHECKING:
    from rich.table import Table

    from mlpsearch.search.export.prediction import Prediction

_PATH = PathType()


@click.command()
@click.argument("export", type=_PATH)
@click.argument("files", type=_PATH, nargs=-1, required=True)
@click.option(
    "-o", "--output", type=_PATH, help="The .csv, .json or .jsonl file to write, for the rows of a table."
)
@click.option("--top", type=click.IntRange(min=1), default=3, show_default=True, help="How many classes to show.")
@json_option
def predict(export: Path, files: tuple[Path, ...], output: Path | None, top: int, as_json: bool) -> None:
    """Classify image files, or the rows of a table or of an array, with the net, or nets, of an exported folder.

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
        print_table(_predictions_table(predictions))
    if len(predictions) < len(images):
        sys.exit(1)


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


COMMANDS = (predict,)
