"""The command line: parses arguments, calls the library, prints. Nothing else happens here.

Modules that take long to import are imported by the commands that need them.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.errors import MlpsearchError

if TYPE_CHECKING:
    from rich.console import Console

    from search.status import StudyStatus
    from studies.record import StudyRecord

_INTERRUPTED = 130

storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Where the studies are: a file or sqlite:///FILE.  [default: MLPSEARCH_STORAGE, else mlpsearch.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
data_option = click.option(
    "--data", metavar="PATH", help="A folder or archive of images, or a folder in torchvision's layout."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mlpsearch")
def cli() -> None:
    """Search the hyperparameters of fully-connected nets, in NumPy and PyTorch.

    STUDY is a name that `mlpsearch list` shows, or the path of a study file (TOML).
    """


@cli.command("list")
@storage_option
@json_option
def list_command(storage: str | None, as_json: bool) -> None:
    """Show the studies of the catalog and those in the storage."""
    from studies import catalog
    from studies.storage import exists, storage_url

    url = storage_url(storage)
    stored: list[str] = []
    if exists(url):
        from studies.record import study_names
        from studies.storage import open_storage

        stored = study_names(open_storage(url))
    ready = [catalog.find(name) for name in catalog.names()]
    if as_json:
        _print_json({"catalog": [spec.to_json() for spec in ready], "storage": {"url": url, "studies": stored}})
        return
    click.echo("Catalog:")
    for spec in ready:
        click.echo(f"  {spec.name:22} {spec.net:6} {spec.dataset:14} {spec.budget.trials} trials × {spec.budget.epochs} epochs")
    click.echo(f"In {url}: {', '.join(stored) or 'none yet'}")


@cli.command()
@click.argument("study")
@click.option("--trials", type=click.IntRange(min=1), help="How many trials the study shall have in all.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Worker processes.")
@click.option("--no-evaluate", is_flag=True, help="Do not open the test split at the end.")
@data_option
@storage_option
@json_option
def run(
    study: str,
    trials: int | None,
    workers: int,
    no_evaluate: bool,
    data: str | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Make the study or go on with it; evaluate its best trial on the test split when its budget is spent."""
    console = _stderr()
    record = _submit(study, trials, data, storage, console)
    record.set("stopped", False)
    complete, stops = _supervise(record, workers, console)
    if not complete:
        _say_how_to_go_on(record, stops, console)
        if stops:
            sys.exit(_INTERRUPTED)
        return
    if not no_evaluate:
        from search.finalize import evaluate as evaluate_best

        evaluate_best(record, f"mlpsearch run {study}")
    _show(record, as_json)
    console.print(
        f"Next: mlpsearch dashboard, or mlpsearch export {record.name} -o best.toml", highlight=False
    )


def _submit(
    study: str, trials: int | None, data: str | None, storage: str | None, console: "Console"
) -> "StudyRecord":
    """Return the study, made or found; its images are decoded now, so that mistakes show before it is made."""
    from search.worker import load_spec_data
    from studies.record import create_or_resume, find_spec
    from studies.storage import storage_url

    url = storage_url(storage)
    spec, known_source = find_spec(study, url)
    path = str(Path(data).absolute()) if data else spec.data or known_source
    with console.status(f"reading the images of {spec.dataset}"):
        images = load_spec_data(spec, path)
    return create_or_resume(
        url, spec, trials=trials, source={"data": path, "fingerprint": images.fingerprint}
    )


def _supervise(record: "StudyRecord", workers: int, console: "Console") -> tuple[bool, int]:
    """Run the workers; return whether the budget is spent, and how often the user asked to stop."""
    from search.display import SearchProgress
    from search.status import study_status
    from search.supervisor import Supervisor
    from search.trial_queue import TrialQueue

    queue, stops = TrialQueue(record), 0
    with SearchProgress(console).shown() as progress:
        supervisor = Supervisor(record, workers, lambda: progress.update(study_status(record, queue)))

        def stop(*_: Any) -> None:
            nonlocal stops
            stops += 1
            supervisor.stop()
            if stops == 1:
                console.print("ending after the running epochs; once more ends now", highlight=False)

        with _signals(stop):
            return supervisor.run(), stops


def _say_how_to_go_on(record: "StudyRecord", stops: int, console: "Console") -> None:
    from search.trial_queue import TrialQueue

    ended, total = TrialQueue(record).ended(), record.budget.trials
    what, command = ("interrupted", "run") if stops else ("stopped", "resume")
    console.print(
        f"{what}: {ended} of {total} trials are done and kept; `mlpsearch {command} {record.name}` goes on",
        highlight=False,
        soft_wrap=True,
    )


@cli.command()
@click.argument("study", required=False)
@storage_option
@json_option
def status(study: str | None, storage: str | None, as_json: bool) -> None:
    """Show how one study stands, or all of the storage."""
    from studies.record import open_study, study_names
    from studies.storage import open_storage, storage_url

    url = storage_url(storage)
    if study is not None:
        _show(open_study(url, study), as_json)
        return
    records = [open_study(url, name) for name in study_names(open_storage(url))]
    if as_json:
        _print_json([_status_json(record) for record in records])
    else:
        from search.display import studies_table

        _stdout().print(studies_table([_status(record) for record in records]))


@cli.command()
@click.argument("study")
@storage_option
@json_option
def evaluate(study: str, storage: str | None, as_json: bool) -> None:
    """Evaluate the best trial on the test split; every opening of it is recorded."""
    from search.finalize import evaluate as evaluate_best
    from studies.record import open_study
    from studies.storage import storage_url

    record = open_study(storage_url(storage), study)
    evaluate_best(record, f"mlpsearch evaluate {study}")
    _show(record, as_json)


@cli.command()
@click.argument("study")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The TOML file to write.")
@click.option("--weights", type=click.Path(path_type=Path), help="Also write the weights (safetensors).")
@storage_option
def export(study: str, output: Path, weights: Path | None, storage: str | None) -> None:
    """Write the best configuration, with all that training it again needs."""
    from search.export import export_winner, write_export, write_weights
    from search.finalize import load_winner
    from studies.record import open_study
    from studies.storage import storage_url

    winner = load_winner(record := open_study(storage_url(storage), study))
    write_export(export_winner(record, winner), output)
    if weights is not None:
        write_weights(winner, weights)
    _stderr().print(f"wrote {output}; `mlpsearch train {output}` trains it again", highlight=False)


@cli.command()
@click.argument("export", type=click.Path(path_type=Path))
@data_option
@json_option
def train(export: Path, data: str | None, as_json: bool) -> None:
    """Train an exported configuration again, and compare its validation accuracy."""
    from search.display import percent
    from search.export import read_export, train_export

    exported = read_export(export)
    reached, console = 0.0, _stderr()
    for result in train_export(exported, data):
        reached = result.validation_accuracy
        console.print(f"epoch {result.epoch}: loss {result.loss:.4f}, validation {percent(reached)}", highlight=False)
    wanted = exported.accuracy.validation
    if as_json:
        _print_json({"validation_accuracy": reached, "exported": wanted, "same": reached == wanted})
    else:
        verdict = "the same as exported" if reached == wanted else f"exported: {percent(wanted)}"
        click.echo(f"validation accuracy {percent(reached)}, {verdict}")


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@storage_option
def dashboard(port: int, storage: str | None) -> None:
    """Browse the studies in optuna-dashboard, on 127.0.0.1."""
    from search.dashboard import serve
    from studies.storage import open_storage, storage_url

    serve(
        open_storage(storage_url(storage)).optuna,
        port,
        lambda address: _stderr().print(f"dashboard at {address} (Ctrl-C ends it)", highlight=False),
    )


@cli.command("check-gradients")
@json_option
def check_gradients(as_json: bool) -> None:
    """Compare the NumPy net's gradients with numeric ones and with torch's autograd."""
    from dataclasses import asdict

    from models.gradient_check import check_all

    checks = check_all()
    if as_json:
        _print_json([asdict(check) | {"passed": check.passed} for check in checks])
    else:
        for against in dict.fromkeys(check.against for check in checks):
            mine = [check for check in checks if check.against == against]
            worst = max(mine, key=lambda check: check.error)
            click.echo(
                f"{'ok' if all(check.passed for check in mine) else 'FAILED':6} against {against:20} "
                f"{len(mine):3} comparisons, largest relative error {worst.error:.1e} "
                f"({worst.parameter}, depth {worst.depth}, λ {worst.regularization:g}), "
                f"allowed {worst.tolerance:.0e}"
            )
    if not all(check.passed for check in checks):
        sys.exit(1)


@cli.command()
@click.argument("study")
@click.option("--supervised", is_flag=True, hidden=True, help="End when standard input does.")
@click.option("--threads", type=click.IntRange(min=1), hidden=True, help="Of matrix products.")
@storage_option
def worker(study: str, supervised: bool, threads: int | None, storage: str | None) -> None:
    """Work on a study beside other workers."""
    from models.threads import use_threads
    from search.worker import Worker, load_study_data
    from studies.record import open_study
    from studies.storage import storage_url

    if threads is not None:
        use_threads(threads)
    asked = threading.Event()

    def stop(*_: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    with _signals(stop):
        if supervised:
            threading.Thread(target=lambda: (sys.stdin.read(), asked.set()), daemon=True).start()
        record = open_study(storage_url(storage), study)
        Worker(record, load_study_data(record), asked.is_set).run()
    if asked.is_set() and not supervised:
        sys.exit(_INTERRUPTED)


# ---- printing ------------------------------------------------------------------------------------------------


def _show(record: "StudyRecord", as_json: bool) -> None:
    if as_json:
        _print_json(_status_json(record))
        return
    from search.display import details, studies_table

    now = _status(record)
    console = _stdout()
    console.print(studies_table([now]))
    for line in details(now):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _status(record: "StudyRecord") -> "StudyStatus":
    from search.status import study_status
    from search.trial_queue import TrialQueue

    return study_status(record, TrialQueue(record))


def _status_json(record: "StudyRecord") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(_status(record)) | {"storage": record.url}


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _stderr() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def _stdout() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


class _signals:  # noqa: N801 - reads as a statement
    """Call `handler` for Ctrl-C and SIGTERM while the body runs."""

    def __init__(self, handler: Callable[..., None]):
        self._handler = handler

    def __enter__(self) -> None:
        self._kept = [(number, signal.signal(number, self._handler)) for number in (signal.SIGINT, signal.SIGTERM)]

    def __exit__(self, *_: object) -> None:
        for number, handler in self._kept:
            signal.signal(number, handler)


def main() -> None:
    """Run the command line; errors that a user can mend become one line on stderr and exit code 1."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MlpsearchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
