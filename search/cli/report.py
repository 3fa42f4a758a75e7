"""Commands that show what studies found: report, compare."""

import webbrowser
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlpsearch.search.cli.common import (
    PathType,
    artifacts_option,
    find_study,
    json_option,
    own_data_option,
    print_table,
    print_versioned,
    step,
    storage_option,
    tell,
)
from mlpsearch.search.cli.completion import StudyName, study_argument

if TYPE_CHECKING:
    from rich.table import Table

    from mlpsearch.search.report.comparison import Comparison


@click.command()
@study_argument
@click.option("-o", "--output", type=PathType(), help="The HTML file to write.  [default: STUDY.html]")
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@storage_option
@artifacts_option
@own_data_option
@json_option
def report(study: str, output: Path | None, open_it: bool, storage: str | None, as_json: bool) -> None:
    """Write a study's report: one HTML file with its plots, its winner and all openings of the test split."""
    with step("making the report"):  # before all else: it is what takes time
        record = find_study(study, storage, read_only=True)
        path = output or Path(f"{record.name}.html")
        from mlpsearch.search.report.study_report import write_report

        write_report(record, path)
    tell(f"wrote {path}")
    if as_json:
        print_versioned({"study": record.name, "path": str(path)})
    if open_it:
        webbrowser.open(path.absolute().as_uri())


@click.command()
@click.argument("studies", type=StudyName(), nargs=-1, required=True, metavar="STUDY STUDY...")
@click.option("-o", "--output", type=PathType(), help="Also write an HTML file, with the curves.")
@storage_option
@json_option
def compare(studies: tuple[str, ...], output: Path | None, storage: str | None, as_json: bool) -> None:
    """Show studies side by side, and what their test accuracies allow to say."""
    from mlpsearch.search.report.comparison import compare as compared
    from mlpsearch.search.report.comparison import write_comparison

    comparison = compared([find_study(study, storage, read_only=True) for study in studies])
    if output is not None:
        write_comparison(comparison, output)
        tell(f"wrote {output}")
    if as_json:
        print_versioned(asdict(comparison))
        return
    for sentence in [*comparison.findings, *comparison.warnings]:
        click.echo(sentence)
    click.echo()
    print_table(_table(comparison))


def _table(comparison: "Comparison") -> "Table":
    """The best value of a row is bold, and a row of equal values is dim."""
    from rich.table import Table
    from rich.text import Text

    from mlpsearch.search.report.side_by_side import curves, rows

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for study in comparison.studies:
        table.add_column(Text(study.name))
    for row in rows(comparison.studies):
        cells = [Text(value, "bold" if place in row.best else "") for place, value in enumerate(row.values)]
        table.add_row(Text(row.name), *cells, style="dim" if row.is_same else "")
    name, bars = curves(comparison.studies)
    table.add_row(Text(name), *map(Text, bars))
    return table


COMMANDS = (report, compare)
