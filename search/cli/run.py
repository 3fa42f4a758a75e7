"""Commands that run studies, or make workers run them."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, NoReturn

import click

from mlpsearch.search.cli.common import (
    INTERRUPTED,
    artifacts_option,
    data_option,
    find_study,
    json_option,
    own_data_option,
    print_failure,
    print_study,
    print_versioned,
    show_result,
    step,
    storage_option,
    tell,
    tell_if_nothing_was_opened,
)
from mlpsearch.search.cli.completion import StudyName, study_argument, study_or_file_argument
from mlpsearch.search.cli.terminal import TerminalDisplay
from mlpsearch.search.cli.worker_options import notify_option, placement_options

if TYPE_CHECKING:
    from mlpsearch.search.notices.notifier import Notifier
    from mlpsearch.search.running import Leftover
    from mlpsearch.search.workers.placement import Placement
    from mlpsearch.studies.record import StudyRecord

trials_option = click.option(
    "--trials", type=click.IntRange(min=1), help="How many trials the study shall have in all."
)
top_option = click.option(
    "--top", type=click.IntRange(1, 100), help="How many of the best trials.  [default: the study's, else 5]"
)
seeds_option = click.option(
    "--seeds",
    type=click.IntRange(2, 100),
    help="How many runs of each, to choose the winner.  [default: the study's, else 5]",
)
report_option = click.option(
    "--report",
    type=click.IntRange(2, 100),
    help="How many further runs of the winner, to report.  [default: the study's, else 5]",
)
no_evaluate_option = click.option(
    "--no-evaluate", is_flag=True, help="Neither confirm nor open the test split at the end."
)
like_option = click.option(
    "--like",
    multiple=True,
    type=StudyName(),
    metavar="OLD",
    help="Of a new study: try the best points of this study of the storage first.  May be repeated.",
)


@click.command()
@study_or_file_argument
@trials_option
@like_option
@placement_options
@notify_option
@no_evaluate_option
@data_option
@storage_option
@artifacts_option
@json_option
def run(
    study: str,
    trials: int | None,
    like: tuple[str, ...],
    placement: "Placement",
    notify: tuple[str, ...],
    no_evaluate: bool,
    data: str | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Make the study or go on with it; when its budget is spent, confirm and test its best trials, once."""
    notifier = _notifier(notify)
    record = _submit(study, trials, like, data, storage, not no_evaluate, f"mlpsearch run {study}")
    _work_off(record, placement, notifier, as_json)


@click.command()
@study_argument
@placement_options
@notify_option
@no_evaluate_option
@storage_option
@artifacts_option
@own_data_option
@json_option
def resume(
    study: str,
    placement: "Placement",
    notify: tuple[str, ...],
    no_evaluate: bool,
    storage: str | None,
    as_json: bool,
) -> None:
    """Go on with a study of the storage that was stopped or interrupted, to the budget it has."""
    from mlpsearch.search.service import resume as let_work

    notifier = _notifier(notify)
    record = find_study(study, storage)
    let_work(record, evaluate=not no_evaluate, command=f"mlpsearch resume {study}")
    _work_off(record, placement, notifier, as_json)


@click.command()
@study_argument
@top_option
@seeds_option
@report_option
@placement_options
@notify_option
@storage_option
@artifacts_option
@own_data_option
@json_option
def confirm(
    study: str,
    top: int | None,
    seeds: int | None,
    report: int | None,
    placement: "Placement",
    notify: tuple[str, ...],
    storage: str | None,
    as_json: bool,
) -> None:
    """Train the best trials again to choose one, then that one; evaluate it on the test split."""
    from mlpsearch.search.running import finish
    from mlpsearch.search.service import ask_to_confirm
    from mlpsearch.studies.spec.keys import Confirm

    notifier = _notifier(notify)
    record = find_study(study, storage)
    own = record.spec.confirm or Confirm()
    asked = Confirm(top=top or own.top, seeds=seeds or own.seeds, report=report or own.report)
    ask_to_confirm(record, asked, f"mlpsearch confirm {study}")
    before = len(record.attributes()["tests"])
    with _told_of(record, notifier), _naming_what_goes_on(record, as_json):
        _end_if_left(finish(record, placement, TerminalDisplay(ends=True)), record, as_json)
        show_result(record, as_json)
    tell_if_nothing_was_opened(record, before)


@click.command()
@study_or_file_argument
@trials_option
@like_option
@no_evaluate_option
@data_option
@storage_option
@artifacts_option
@json_option
def submit(
    study: str,
    trials: int | None,
    like: tuple[str, ...],
    no_evaluate: bool,
    data: str | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Make a study or enlarge it, and return: `mlpsearch worker` processes pick it up, confirm and test it."""
    from mlpsearch.search.service import nothing_to_do
    from mlpsearch.studies.hints import command
    from mlpsearch.studies.storage.opening import without_password

    record = _submit(study, trials, like, data, storage, not no_evaluate, f"mlpsearch submit {study}")
    place, worker = without_password(record.url), command(record.url, "worker")
    works = f"{record.name}: {record.budget.trials} trials in {place}; `{worker}` works on it"
    tell(nothing_to_do(record) or works)
    if as_json:
        print_study(record)


@click.command()
@study_argument
@click.argument("values", nargs=-1, required=True, metavar="FIELD=VALUE...")
@storage_option
@json_option
def enqueue(study: str, values: tuple[str, ...], storage: str | None, as_json: bool) -> None:
    """Have a point of your own tried next: values of searched fields; those left out are sampled."""
    from mlpsearch.search.service import enqueue as enqueue_point
    from mlpsearch.studies.spec.dimensions import read_value

    point = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"{text!r}: must be FIELD=VALUE, as in hidden_size=128")
        if name in point:
            raise click.UsageError(f"{name} is given twice")
        point[name] = read_value(name, value)
    number, obstacle = enqueue_point(find_study(study, storage), point)
    tell(f"{study}: trial {number} waits for a worker{f', but {obstacle}' if obstacle else ''}")
    if as_json:
        print_versioned({"study": study, "trial": number, "obstacle": obstacle or ""})


@click.command()
@study_argument
@storage_option
@json_option
def stop(study: str, storage: str | None, as_json: bool) -> None:
    """Make all workers leave a study alone; they checkpoint its running trials."""
    from mlpsearch.search.service import going_on
    from mlpsearch.search.service import stop as stop_workers

    record = find_study(study, storage)
    stop_workers(record)
    tell(f"{study}: stopped; `{going_on(record)}` goes on")
    if as_json:
        print_study(record)


def _submit(
    study: str,
    trials: int | None,
    like: tuple[str, ...],
    data: str | None,
    storage: str | None,
    evaluate: bool,
    command: str,
) -> "StudyRecord":
    with step("loading the data"):  # before imports that take a second
        from mlpsearch.search.service import submit as submit_study
        from mlpsearch.studies.storage.opening import storage_url

        url = storage_url(storage)
        return submit_study(
            study, url, trials=trials, data=data, evaluate=evaluate, command=command, tell=tell, like=like
        )


def _work_off(record: "StudyRecord", placement: "Placement", notifier: "Notifier | None", as_json: bool) -> None:
    """Run workers to the end of the budget, do what the study ends with, show the result."""
    from mlpsearch.search.running import run_to_the_end
    from mlpsearch.search.service import closing_remark
    from mlpsearch.studies.hints import command

    remark = closing_remark(record)
    with _told_of(record, notifier), _naming_what_goes_on(record, as_json):
        _end_if_left(run_to_the_end(record, placement, TerminalDisplay(ends=True)), record, as_json)
        show_result(record, as_json)
    if remark:
        tell(remark)
    tell(f"Next: {command(record.url, 'dashboard')}, or {record.command('export', '-o', 'best')}")


def _notifier(notify: tuple[str, ...]) -> "Notifier | None":
    """Return who tells these addresses, None where there are none.

    Raises NoticeError, before anything is done, where one cannot be used.
    """
    if not notify:
        return None
    with step("loading"):  # before imports that take a second
        from mlpsearch.search.notices.notifier import Notifier, channels

        return Notifier(channels(notify), tell)


def _told_of(record: "StudyRecord", notifier: "Notifier | None") -> AbstractContextManager[None]:
    """While the body works on a study; then its end is told, if anybody is to be told."""
    return nullcontext() if notifier is None else notifier.at_the_end_of(record, person=True)


@contextmanager
def _naming_what_goes_on(record: "StudyRecord", as_json: bool) -> Iterator[None]:
    """Where Ctrl-C comes while no workers run, which end a command another way, name the one that goes on."""
    from mlpsearch.search.service import going_on

    try:
        yield
    except KeyboardInterrupt:
        _end_interrupted(f"what is done is kept; `{going_on(record)}` goes on", record, as_json)


def _end_if_left(left: "Leftover | None", record: "StudyRecord", as_json: bool) -> None:
    """End the command where a study was left before its end."""
    if left is None:
        return
    kept = f"{left.ended} of {left.total} trials are done and kept; `{left.command}` goes on"
    if left.interrupted:
        _end_interrupted(kept, record, as_json)
    tell(f"stopped: {kept}")
    if as_json:
        print_study(record)
    sys.exit(0)


def _end_interrupted(kept: str, record: "StudyRecord", as_json: bool) -> NoReturn:
    """End the command, saying what is kept."""
    message = f"interrupted: {kept}"
    tell(message)
    if as_json:
        print_failure("interrupted", message, record.name)
    sys.exit(INTERRUPTED)


COMMANDS = (run, resume, confirm, submit, enqueue, stop)
