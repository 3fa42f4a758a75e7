"""Errors that a user can cause and mend.

    MlpsearchError
    ├── ConfigError      a training configuration that makes no sense     (models.config)
    ├── WeightsError     a weights file that is not what it should be     (models.weights)
    ├── SpecError        a study file with a mistake in it                (studies.spec)
    ├── DataError        images that are missing, corrupt or not allowed  (studies)
    ├── StorageError     a storage that cannot be opened or used          (studies.storage)
    ├── StudyError       a study that is missing, changed or not ready    (search)
    ├── ClusterError     a Ray cluster that cannot be used                (search.ray_worker)
    ├── ExportError      an export that cannot be read or written         (search.export)
    ├── ReportError      a report that cannot be written                  (search.report)
    └── OutputError      standard output that takes nothing more          (search.cli.streams)

Each message is one line and says what was given, what is allowed, and where. The command line prints it
and ends with exit code 1; every other exception is a bug and shows its traceback.
"""


class MlpsearchError(Exception):
    """The base of all errors that a user can cause and mend."""


class ConfigError(MlpsearchError):
    """A training configuration has a value that is not allowed."""


class WeightsError(MlpsearchError):
    """A weights file does not hold what it should."""


class SpecError(MlpsearchError):
    """A study file has a mistake in it."""


class DataError(MlpsearchError):
    """Images are missing, corrupt or not allowed."""


class StorageError(MlpsearchError):
    """A storage cannot be opened or used."""


class StudyError(MlpsearchError):
    """A study is missing, changed, or not ready for what was asked of it."""


class ClusterError(MlpsearchError):
    """A Ray cluster is missing or cannot be used."""


class ExportError(MlpsearchError):
    """An export cannot be read or written."""


class ReportError(MlpsearchError):
    """A report cannot be written."""


class OutputError(MlpsearchError):
    """Standard output is closed, or its disk is full."""


def innermost(error: BaseException) -> str:
    """Return an error's innermost cause in one line: SQLAlchemy's own messages run over several."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]
