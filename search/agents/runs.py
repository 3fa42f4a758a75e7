"""What agents may do where they are allowed to run studies: never more than a person or a study file asked for.

They make studies and let workers go on with them. A budget is not enlarged, a test split that was opened stays
closed, nothing is deleted; all that is for people. Training, and what a study ends with, is done by workers.
"""

from pathlib import Path

from mlpsearch.models.errors import StudyError
from mlpsearch.search.service import ask_to_confirm, resume, stop, submit_spec
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.reading import parse_spec_in
from mlpsearch.studies.study_data import path_of_data

_COMMAND = "mlpsearch mcp: {} {}"  # who asked for the opening of a test split, for the record
_UNCONFIRMED = "the file has no [confirm]: the best trial of its search will be tested as it is, unconfirmed"


def submit(study: str, url: str) -> tuple[StudyRecord, list[str]]:
    """Make a new study and return it, with what is worth knowing of its data.

    study: the text of a study file, or the name of a ready study.
    Raises SpecError, DataError and StudyError for what no search could use, and for a study that is there already.
    """
    is_ready = study in catalog.names()
    spec = catalog.find(study) if is_ready else parse_spec_in(Path.cwd(), study, "the study file")
    remarks = [] if spec.confirm is not None or not spec.has_test else [_UNCONFIRMED]
    command = _COMMAND.format("submit_study", spec.name)
    path = path_of_data(spec)
    record = submit_spec(
        spec, path, url, trials=None, evaluate=True, command=command, tell=remarks.append, only_new=True
    )
    return record, remarks


def stop_study(study: str, url: str) -> StudyRecord:
    """Make all workers leave a study alone, and return it."""
    record = open_study(url, study)
    stop(record)
    return record


def resume_study(study: str, url: str) -> StudyRecord:
    """Let workers go on with a study to the budget that it has, and return it.

    It ends with what it was asked to end with before: where nobody asked for a test, none is made.
    """
    record = open_study(url, study)
    asked = record.attributes().get("ending") is not None
    resume(record, evaluate=asked, command=_COMMAND.format("resume_study", record.name))
    return record


def confirm_study(study: str, url: str) -> StudyRecord:
    """Ask for a study's confirmation with its own numbers, and for its test, and return it.

    Raises StudyError where its search is not over, no trial is finished, or its test split was opened before.
    """
    record = open_study(url, study)
    _refuse_opened(record)
    asked = record.spec.confirm or Confirm()
    ask_to_confirm(record, asked, _COMMAND.format("confirm_study", record.name))
    return record


def _refuse_opened(record: StudyRecord) -> None:
    tests = record.attributes()["tests"]
    if tests:
        raise StudyError(
            f"study {record.name}: its test split was opened at {tests[-1]['when']}; to open it once more is for "
            f"a person to decide: `{record.command('confirm')}`",
            study=record.name,
        )
