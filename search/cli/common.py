"""What the commands share: options, and how they print."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlpsearch.search.results.status import StudyStatus
    from mlpsearch.studies.record import StudyRecord

INTERRUPTED = 130
MOMENT_SECONDS = 0.5  # what is over sooner needs no line


def _keep_place(_context: click.Context, _option: click.Parameter, given: str | None) -> None:
    """Keep it in the environment, so that worker processes know it too."""
    if given:
        from mlpsearch.studies.files.file_store import ENVIRONMENT
        from mlpsearch.studies.files.location import location_of

        os.environ[ENVIRONMENT] = location_of(given)


def _keep_data(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Keep it in the environment, so that worker processes know it too."""
    if given:
        from mlpsearch.models.paths import expanded
        from mlpsearch.studies.data.training import ENVIRONMENT

        os.environ[ENVIRONMENT] = str(expanded(given).absolute())
    return given


class PathType(click.Path):
    """A path; ~ at its beginning is the user's home, also behind `--option=`, where a shell leaves it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the Path."""
        from mlpsearch.models.paths import expanded

        return expanded(str(super().convert(value, param, ctx)))


storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Where the studies are: a file, sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.  "
    "[default: MLPSEARCH_STORAGE, else mlpsearch.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
artifacts_option = click.option(
    "--artifacts",
    metavar="PLACE",
    expose_value=False,
    callback=_keep_place,
    help="Where weights and checkpoints are: a folder or s3://BUCKET/PREFIX.  "
    "[default: MLPSEARCH_ARTIFACTS, else where the study's are]",
)
data_option = click.option(
    "--data",
    metavar="PATH",
    callback=_keep_data,
    help="Where the data are, if not where the study file says; of ready studies, in torchvision's layout.",
)
own_data_option = click.option(
    "--data",
    metavar="PATH",
    expose_value=False,
    callback=_keep_data,
    help="Where this machine has the data.  [default: MLPSEARCH_DATA, else where they were]",
)


def find_study(study: str, storage: str | None, *, read_only: bool = False) -> "StudyRecord":
    """Return a study of the storage. read_only: for a command that only looks."""
    from mlpsearch.studies.record import open_study
    from mlpsearch.studies.storage.opening import storage_url

    return open_study(storage_url(storage), study, read_only=read_only)


def status_of(record: "StudyRecord") -> "StudyStatus":
    """Return how a study stands now."""
    from mlpsearch.search.results.status import study_status
    from mlpsearch.search.trials.ledger import Ledger

    return study_status(record, Ledger(record))


def show_study(record: "StudyRecord", as_json: bool) -> None:
    """Print one study: its details and its block, or its JSON document."""
    if as_json:
        print_study(record)
        return
    from mlpsearch.search.cli.display import study_lines
    from mlpsearch.search.cli.layout import width

    for line in study_lines(status_of(record), width()):
        click.echo(line)


def show_result(record: "StudyRecord", as_json: bool) -> None:
    """Print the study that a command has worked on. That standard output fails does not undo the work."""
    from mlpsearch.models.errors import OutputError
    from mlpsearch.search.cli.streams import discard_output

    try:
        show_study(record, as_json)
    except OutputError as error:
        discard_output()
        tell(f"{error}; `{record.command('status')}` shows the result")
    except BrokenPipeError:
        discard_output()


def tell_if_nothing_was_opened(record: "StudyRecord", before: int) -> None:
    """Say when the winner was tested, where a command that could open the test split did not have to.

    before: how many openings there were before the command.
    """
    winner = status_of(record).headline
    if len(record.attributes()["tests"]) > before or winner is None or winner.test is None:
        return
    tested = f"tested at {winner.test['when']} by `{winner.test['command']}`"
    tell(f"nothing was opened: trial {winner.trial} was {tested}")


def print_study(record: "StudyRecord") -> None:
    """Print a study's document on stdout."""
    from mlpsearch.search.documents.study import study_document

    print_json(study_document(record))


def print_studies(records: "Sequence[StudyRecord]") -> None:
    """Print the document of all studies of a storage on stdout."""
    from mlpsearch.search.documents.study import study_part

    print_versioned({"studies": [study_part(record) for record in records]})


def print_versioned(keys: dict[str, Any]) -> None:
    """Print a document with these keys on stdout."""
    from mlpsearch.search.documents.base import VERSION

    print_json({"schema_version": VERSION, **keys})


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=is_ascii()))


def is_ascii() -> bool:
    """Whether stdout takes ASCII alone, as far as anybody knows."""
    return not (sys.stdout.encoding or "").lower().startswith("utf")


def print_failure(code: str, message: str, study: str | None = None) -> None:
    """Print on stdout, as a document, why a command has failed. code: one of documents.base.OTHER_CODES."""
    from mlpsearch.search.documents.base import error_object

    print_error(error_object(code, message, study))


def print_error(error: dict[str, Any]) -> None:
    """Print an error, as a document, on stdout; one that takes nothing more is left alone."""
    from mlpsearch.models.errors import OutputError
    from mlpsearch.search.cli.streams import discard_output

    try:
        print_versioned({"error": error})
    except (OutputError, BrokenPipeError):
        discard_output()


def tell(message: str) -> None:
    """Print a message for people on stderr, above what is shown there meanwhile (`step`)."""
    from mlpsearch.search.cli.layout import width, wrapped

    columns = width(sys.stderr)
    lines = "\n".join(part for line in message.split("\n") for part in wrapped(line, columns))
    click.echo(lines, file=sys.stderr)  # err=True would write past what rich puts in its place


@contextmanager
def step(message: str) -> Iterator[None]:
    """While the body runs, show on stderr what it does, and what it announces.

    A terminal shows it at once; elsewhere each thing that lasts gets a line, and an error stays alone in its line.
    """
    from mlpsearch.models.announcements import announcing_to

    if sys.stderr.isatty():
        with err().status(message) as shown, announcing_to(shown.update):
            yield
        return
    lasting = _Lasting()
    lasting.say(message)
    try:
        with announcing_to(lasting.say):
            yield
    finally:
        lasting.end()


class _Lasting:
    """Tells what goes on for longer than a moment."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def say(self, message: str) -> None:
        """Tell this in a moment, unless something else is said before."""
        self.end()
        self._timer = threading.Timer(MOMENT_SECONDS, tell, (message,))
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()


def out() -> "Console":
    """Return the console of stdout; where it is no terminal, lines may be long.

    Printing raises BrokenPipeError where nobody reads any more; Rich's own consoles end the process with 1.
    """
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Output(width=None if sys.stdout.isatty() else 200)


def print_table(table: "Table") -> None:
    """Print a table; where stdout is no terminal, without spaces at the ends of its lines."""
    console = out()
    if console.is_terminal:
        console.print(table, highlight=False)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def err() -> "Console":
    """Return the console of stderr."""
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def on_signals(handler: Callable[..., None], keep: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Call the handler for Ctrl-C and SIGTERM while the body runs, and where `keep` then says so ever after."""
    # What a program in C that runs Python handles itself could not be given back.
    taken = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not None]
    before = [(number, signal.signal(number, handler)) for number in taken]
    try:
        yield
    finally:
        if not keep():
            for number, previous in before:
                signal.signal(number, previous)
