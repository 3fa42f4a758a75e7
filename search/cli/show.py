"""Commands that look: list, status, check-gradients."""

import sys
import time
from dataclasses import asdict

import click

from mlpsearch.search.cli.common import (
    err,
    find_study,
    json_option,
    out,
    print_json,
    show_study,
    status_json,
    status_of,
    storage_option,
)

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
        print_json({"catalog": [spec.to_json() for spec in ready], "storage": in_storage})
        return
    click.echo("Catalog:")
    for spec in ready:
        budget = f"{spec.budget.trials} trials × {spec.budget.epochs} epochs"
        click.echo(f"  {spec.name:22} {spec.net:6} {spec.dataset:14} {budget}")
    click.echo(f"In {without_password(url)}: {', '.join(stored) or 'none yet'}")


@click.command()
@click.argument("study", required=False)
@click.option("--watch", is_flag=True, help="Show it anew every second until Ctrl-C.")
@storage_option
@json_option
def status(study: str | None, watch: bool, storage: str | None, as_json: bool) -> None:
    """Show how one study stands, or all of the storage."""
    if watch and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--watch needs a terminal and goes without --json")
    names = [study] if study else _stored(storage)
    records = [find_study(name, storage, read_only=True) for name in names]
    if watch:
        _watch([*records])
    elif study:
        show_study(records[0], as_json)
    elif as_json:
        print_json([status_json(record) for record in records])
    else:
        from mlpsearch.search.cli.display import studies_table

        out().print(studies_table([status_of(record) for record in records]))


def _stored(storage: str | None) -> list[str]:
    from mlpsearch.studies.record import study_names
    from mlpsearch.studies.storage.opening import open_storage, storage_url

    return study_names(open_storage(storage_url(storage), read_only=True))


def _watch(records: list) -> None:  # type: ignore[type-arg]
    from rich.console import Group
    from rich.live import Live

    from mlpsearch.search.cli.display import studies_table, study_lines

    with Live(console=out(), screen=True, auto_refresh=False) as live:
        while True:
            now = [status_of(record) for record in records]
            shown = Group(*study_lines(now[0])) if len(now) == 1 else studies_table(now)
            live.update(shown, refresh=True)
            time.sleep(_WATCH_SECONDS)


@click.command("check-gradients")
@json_option
def check_gradients(as_json: bool) -> None:
    """Compare the NumPy net's gradients with numeric ones and with torch's autograd."""
    from mlpsearch.models.gradient_check import check_all
    from mlpsearch.models.threads import use_threads

    use_threads(1)  # the nets are tiny
    with err().status("checking gradients"):
        checks = check_all()
    if as_json:
        print_json([asdict(check) | {"passed": check.passed} for check in checks])
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
