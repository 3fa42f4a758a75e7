"""A study from its beginning to its end, for whoever asks: the command line, workers, a machine that stays up.

Once its search is over a study is confirmed and tested as its file asks. That wish is kept on the study, so that
whoever spends the last of its budget sees to the rest: each step looks at the storage, does what comes next, and
may be done by several at once, or again after a crash. The test split is opened once for it; every further opening
has to be asked for by `confirm` or `evaluate`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from mlpsearch.models.errors import StudyError
from mlpsearch.search.checking import warnings_about
from mlpsearch.search.dashboard.publish import publish, write_note
from mlpsearch.search.results import finalize
from mlpsearch.search.results.confirmation import Confirmation, refuse_runs
from mlpsearch.search.results.confirming import confirmed, plan
from mlpsearch.search.results.openings import TestReport
from mlpsearch.search.strategy.points import size
from mlpsearch.search.trials import enqueueing
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.training import check_images, remarks_on
from mlpsearch.studies.record import StudyRecord, confirmation_of
from mlpsearch.studies.spec.dimensions import Table, Value
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.space import distributions
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.spec.table_options import OWN_DATA
from mlpsearch.studies.study_data import find_spec, kind_of_data, load_spec_data, source_of


class Ending(Table):
    """What a study ends with once its search is over, as it is kept on the study.

    confirm: how its best trials are confirmed; None: the best of the search is tested as it is.
    command: who asked for it, for the record of the opening.
    """

    confirm: Confirm | None
    command: str


def submit(
    study: str,
    url: str,
    *,
    trials: int | None,
    data: str | None,
    evaluate: bool,
    command: str,
    tell: Callable[[str], None],
    like: Sequence[str] = (),
) -> StudyRecord:
    """Return the study, made, enlarged or as it was; its images are read first, so that mistakes show before that.

    study: a name of the catalog or the storage, or the path of a file.  trials: in all, None for what it has.
    data: the images, None for those it names.  evaluate: whether it shall be confirmed and tested in the end.
    tell: is told what is worth knowing of the images, and of what a new study tries first.
    like: further studies of the storage whose best points a new one tries first, before those its file names.
    """
    spec, path = find_spec(study, url, data)
    return submit_spec(
        spec.taking_over(like), path, url, trials=trials, evaluate=evaluate, command=command, tell=tell
    )


def submit_spec(
    spec: StudySpec,
    path: Path | None,
    url: str,
    *,
    trials: int | None,
    evaluate: bool,
    command: str,
    tell: Callable[[str], None],
    only_new: bool = False,
) -> StudyRecord:
    """Return the study of a specification, as `submit` does.

    path: where its images are.  only_new: refuse a study that is there.
    """
    remarks = check_images(spec.dataset, path, spec.data_options)
    images = load_spec_data(spec, path)
    for remark in [*remarks, *remarks_on(images)]:
        tell(remark)
    record = create_or_resume(
        url,
        spec,
        trials=trials,
        source=source_of(images, path),
        kind=kind_of_data(images),
        only_new=only_new,
        tell=tell,
    )
    points = size(distributions(spec)) if spec.sampler == "grid" else 0
    if points > record.budget.trials:
        tell(f"{record.name}: {points:,.0f} points, of which its budget tries the first {record.budget.trials:,}")
    is_new = not any(record.counts.by_state().values())
    if is_new and spec.dataset in OWN_DATA:
        for warning in warnings_about(images):
            tell(f"warning: {warning}")
    reopen(record, evaluate=evaluate, command=command)
    write_note(record)
    return record


def reopen(record: StudyRecord, *, evaluate: bool, command: str) -> None:
    """Let workers go on with a study, and keep what it ends with.

    Of a study that was tested nothing new is asked for: what `confirm` had begun goes on while the search is over.
    """
    refuse_runs(record)
    if not evaluate or not record.spec.has_test:
        record.set("ending", None)
    elif not record.attributes()["tests"]:
        record.set("ending", Ending(confirm=record.spec.confirm, command=command).model_dump())
    elif not Ledger(record).is_complete():
        record.set("ending", None)
    _let_work(record)


def ask_to_confirm(record: StudyRecord, asked: Confirm, command: str) -> None:
    """Let a study end with this confirmation. Raises StudyError where there is nothing to confirm yet."""
    refuse_runs(record)
    _refuse_without_test(record)
    plan(record, asked)
    record.set("ending", Ending(confirm=asked, command=command).model_dump())
    _let_work(record)


def _refuse_without_test(record: StudyRecord) -> None:
    if not record.spec.has_test:
        raise StudyError(f"study {record.name}: test = 0 holds no row out to test it on", study=record.name)


def _let_work(record: StudyRecord) -> None:
    for one in (record, confirmation_of(record)):
        if one is not None:
            one.reopen()


def resume(record: StudyRecord, *, evaluate: bool, command: str) -> None:
    """Let workers go on with a study and with what it was asked to end with, else with what its file asks for."""
    refuse_runs(record)
    asked = _ending_of(record)
    if evaluate and asked is not None:
        record.set("ending", asked.model_copy(update={"command": command}).model_dump())
        _let_work(record)
    else:
        reopen(record, evaluate=evaluate, command=command)


def stop(record: StudyRecord) -> None:
    """Make all workers leave a study alone."""
    refuse_runs(record)
    for one in (record, confirmation_of(record)):
        if one is not None:
            one.set("stopped", True)


def enqueue(record: StudyRecord, values: Mapping[str, Value]) -> tuple[int, str]:
    """Let a study try these values of searched fields; what they leave out is sampled.

    Return the number of the trial that waits to try them, and why no worker can take it now; "" where one can.
    Raises what `enqueueing.enqueue` raises.
    """
    refuse_runs(record)
    number = enqueueing.enqueue(record, values)
    return number, enqueueing.why_it_waits(record, number)


def next_runs(record: StudyRecord) -> StudyRecord | None:
    """Do what comes next once a search is over; return the runs of its confirmation that have to be done before.

    None where nothing is left to do: it is tested, nobody asked for that, the search is not over or stopped.
    Raises what `plan`, `confirm` and `evaluate` raise, and StudyError where the study is deleted meanwhile.
    """
    with record.noticing_deletion():
        return _next_runs(record)


def _next_runs(record: StudyRecord) -> StudyRecord | None:
    ending, ledger = _ending_of(record), Ledger(record)
    if ledger.is_stopped() or not ledger.is_complete():
        return None
    if ending is None:
        if record.attributes()["tests"]:
            publish(record)  # what the dashboard shows of it, where the search has gone on since
        return None
    if ending.confirm is None:
        evaluate(record, ending.command)
    else:
        for _ in range(2):  # others may do the last run that chooses while the first look plans
            runs = plan(record, ending.confirm)
            if not Ledger(runs).is_complete():
                return runs
        confirm(record, confirmed(record, ending.confirm), ending.command)
    # Unless somebody asked for something else meanwhile.
    record.change("ending", lambda kept: None if kept == ending.model_dump() else kept)
    return None


def evaluate(record: StudyRecord, command: str) -> TestReport:
    """Evaluate the winner of a study on its test split, once, and show it on the dashboard.

    command: what opened the test split, for the record. Raises what `finalize.evaluate` and `publish` raise.
    """
    _refuse_without_test(record)
    report = finalize.evaluate(record, command)
    publish(record)
    return report


def confirm(record: StudyRecord, confirmation: Confirmation, command: str) -> TestReport:
    """Record a confirmation, evaluate its winner once, and show both on the dashboard.

    command: as for `evaluate`. Raises what `finalize.confirm` and `publish` raise.
    """
    report = finalize.confirm(record, confirmation, command)
    publish(record)
    return report


def going_on(record: StudyRecord) -> str:
    """Return the command that goes on with a study: with the numbers of its confirmation where one has its own."""
    ending, own = _ending_of(record), record.spec.confirm or Confirm()
    if ending is None or ending.confirm is None or not Ledger(record).is_complete():
        return record.command("resume")
    asked = ending.confirm.model_dump()
    options = [(f"--{name}", str(number)) for name, number in asked.items() if number != getattr(own, name)]
    return record.command("confirm", *(word for option in options for word in option))


def closing_remark(record: StudyRecord) -> str:
    """Return why `run` leaves the test split of a study alone that was tested; empty where it does not."""
    tests = record.attributes()["tests"]
    if not tests or _ending_of(record) is not None:
        return ""
    again = record.command("confirm")
    return nothing_to_do(record) or (
        f"{record.name}: the test split was opened before and stays closed now; `{again}` opens it again"
    )


def nothing_to_do(record: StudyRecord) -> str:
    """Return why nothing is left to do in a study that is searched and tested; empty where something is."""
    tests, limit = record.attributes()["tests"], Ledger(record).ended_by()
    if not tests or limit is None or _ending_of(record) is not None:
        return ""
    larger = f"`{record.command('run', '--trials', 'N')}`" if limit == "trials" else f"a larger budget.{limit}"
    more = "each point of its search space was tried" if limit == "space" else f"{larger} searches on"
    newest = tests[-1]
    return f"{record.name}: nothing to do, it was tested at {newest['when']} by `{newest['command']}`; {more}"


def _ending_of(record: StudyRecord) -> Ending | None:
    kept = record.attributes().get("ending")
    try:
        return None if kept is None else Ending.model_validate(kept)
    except ValidationError:  # nothing that mlpsearch has written
        return None
