"""Commands that look: list, status, check-gradients."""

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlpsearch.search.cli.common import (
    find_study,
    json_option,
    out,
    print_studies,
    print_versioned,
    show_study,
    status_of,
    step,
    storage_option,
)
from mlpsearch.search.cli.completion import StudyName

if TYPE_CHECKING:
    from mlpsearch.search.results.status import StudyStatus
    from mlpsearch.studies.record import StudyRecord

_WATCH_SECONDS = 1.0


@click.command("list")
@storage_option
@json_option
def list_studies(storage: str | None, as_json: bool) -> None:
    """Show the studies of the catalog and those in the storage."""
    from mlpsearch.studies.spec import catalog
    from mlpsearch.studies.storage.opening import exists, storage_url, stored_names, without_password

    url = storage_url(storage)
    stored = stored_names(url) if exists(url) else []
    ready = [catalog.find(name) for name in catalog.names()]
    if as_json:
        in_storage = {"url": without_password(url), "studies": stored}
        print_versioned({"catalog": [spec.to_json() for spec in ready], "storage": in_storage})
        return
    click.echo("Catalog:")
    for spec in ready:
        budget = f"{spec.budget.trials} trials × {spec.budget.epochs} epochs"
        click.echo(f"  {spec.name:24} {spec.net:6} {spec.dataset:14} {budget}")
    click.echo(f"In {without_password(url)}: {', '.join(stored) or 'none yet'}")


@click.command()
@click.argument("study", type=StudyName(), required=False)
@click.option("--watch", is_flag=True, help="Show it anew every second until Ctrl-C.")
@click.option("--confusion", is_flag=True, help="Of one study: its whole confusion matrix.")
@storage_option
@json_option
def status(study: str | None, watch: bool, confusion: bool, storage: str | None, as_json: bool) -> None:
    """Show how one study stands, or all of the storage."""
    if watch and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--watch needs a terminal and goes without --json")
    if confusion and (watch or as_json or study is None):
        raise click.UsageError("--confusion needs STUDY, and goes without --watch and --json, which has it anyway")
    names = [study] if study else _stored(storage)
    records = [find_study(name, storage, read_only=True) for name in names]
    if watch:
        _watch(records)
    elif confusion:
        _show_confusion(records[0])
    elif study:
        show_study(records[0], as_json)
    elif as_json:
        print_studies(records)
    else:
        from mlpsearch.search.cli.display import block
        from mlpsearch.search.cli.layout import width

        blocks = ["\n".join(block(status_of(record), width())) for record in records]
        click.echo("\n\n".join(blocks) or "no studies yet")


def _stored(storage: str | None) -> list[str]:
    from mlpsearch.studies.record import study_names
    from mlpsearch.studies.storage.opening import open_storage, storage_url

    return study_names(open_storage(storage_url(storage), read_only=True))


def _show_confusion(record: "StudyRecord") -> None:
    from mlpsearch.models.errors import StudyError
    from mlpsearch.search.cli.confusions import matrix_lines
    from mlpsearch.search.cli.layout import width
    from mlpsearch.search.results.openings import openings_of

    tests = openings_of(record)
    if not tests:
        raise StudyError(f"study {record.name}: was not tested yet", study=record.name)
    for line in matrix_lines(tests[-1], width()):
        click.echo(line)


def _watch(records: "list[StudyRecord]") -> None:
    from rich.live import Live
    from rich.text import Text

    from mlpsearch.search.cli.display import block, detail_lines

    if not records:
        raise click.UsageError("there is no study to watch")
    console = out()
    with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False) as live:
        while True:
            now, columns = [status_of(record) for record in records], console.width
            if len(now) == 1:
                blocks = [[*block(now[0], columns), "", *detail_lines(now[0], columns)]]
            else:
                blocks = [block(status, columns) for status in sorted(now, key=_is_over)]
            lines = fitting(blocks, console.height)
            live.update(Text.from_ansi("\n".join(lines)), refresh=True)
            time.sleep(_WATCH_SECONDS)


def _is_over(status: "StudyStatus") -> bool:
    return status.state == "complete"


def fitting(blocks: list[list[str]], height: int) -> list[str]:
    """Return the lines of as many whole blocks as fit a screen, with a line between them, and what is left out."""
    lines, left = blocks[0], len(blocks) - 1
    for block in blocks[1:]:
        if len(lines) + 1 + len(block) + (left > 1) > height:
            break
        lines, left = [*lines, "", *block], left - 1
    if not left and len(lines) <= height:
        return lines
    return [*lines[: height - 1], f"… and {left} more" if left else "… `mlpsearch status STUDY` shows all"]


@click.command("check-gradients")
@json_option
def check_gradients(as_json: bool) -> None:
    """Compare the NumPy net's gradients with numeric ones and with torch's autograd."""
    from mlpsearch.models.gradient_check import check_all
    from mlpsearch.models.threads import use_threads

    use_threads(1)  # the nets are tiny
    with step("checking gradients"):
        checks = check_all()
    if as_json:
        print_versioned({"comparisons": [asdict(check) | {"passed": check.passed} for check in checks]})
    else:
        for against in dict.fromkeys(check.against for check in checks):
            mine = [check for check in checks if check.against == against]
            worst = max(mine, key=lambda check: check.error)
            option = f", {worst.option}" if worst.option else ""
            click.echo(
                f"{'ok' if all(check.passed for check in mine) else 'FAILED'}: {len(mine)} comparisons against "
                f"{against}, largest relative error {worst.error:.1e} of {worst.tolerance:.0e} allowed "
                f"({worst.parameter}, depth {worst.depth}, λ {worst.regularization:g}{option})"
            )
    if not all(check.passed for check in checks):
        sys.exit(1)


COMMANDS = (list_studies, status, check_gradients)
