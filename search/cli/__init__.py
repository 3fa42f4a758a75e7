"""The command line: parses arguments, calls the library, prints. Nothing else happens here.

Modules that take long to import are imported by the commands that need them.
"""

import gc
import sys

import click

from mlpsearch.models.errors import MlpsearchError, OutputError, StorageError, innermost
from mlpsearch.search.cli import agents, export, predict, prepare, remove, report, result, run, serve, show, worker
from mlpsearch.search.cli.common import INTERRUPTED, print_error, print_failure, tell
from mlpsearch.search.cli.groups import GroupedCommands
from mlpsearch.search.cli.streams import discard_output, standard_streams
from mlpsearch.studies.storage.opening import is_storage_failure

_OBJECTS_BETWEEN_COLLECTIONS = 50_000


@click.group(
    cls=GroupedCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="mlpsearch")
def cli() -> None:
    """Search the hyperparameters of fully-connected nets, in NumPy and PyTorch.

    STUDY is a name that `mlpsearch list` shows; for run, check and submit also the path of
    a study file (TOML).
    """


for module in (show, prepare, run, worker, result, export, predict, report, serve, agents, remove):
    for command in module.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Run the command line; errors that a user can mend become one line on stderr and exit code 1."""
    # What imports make lives for good: to look through it after every 700 objects takes a seventh of a command.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        with standard_streams():
            sys.exit(_exit_code())
    finally:
        gc.freeze()  # as the process ends, too: it would take a quarter of a command that does little


def _exit_code() -> int | None:
    try:
        code = cli(prog_name="mlpsearch", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        if _asks_for_json():
            print_failure("usage", error.format_message())
        return error.exit_code
    except MlpsearchError as error:
        return _failed(error)
    except (KeyboardInterrupt, click.Abort):
        tell("interrupted")
        if _asks_for_json():
            print_failure("interrupted", "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `mlpsearch … | head`
        discard_output()
        return 1
    except Exception as error:
        if not is_storage_failure(error):
            raise
        return _failed(StorageError(f"the storage cannot be used ({innermost(error)})"))
    return code if isinstance(code, int) else 0


def _failed(error: MlpsearchError) -> int:
    if isinstance(error, OutputError):
        discard_output()
    tell(f"error: {error}")
    if _asks_for_json() and not isinstance(error, OutputError):
        from mlpsearch.search.documents.base import error_of

        print_error(error_of(error))
    return 1


def _asks_for_json() -> bool:
    """Whether the user gave --json: to what cannot be parsed, too, so nobody but the arguments can say."""
    return "--json" in sys.argv[1:]
