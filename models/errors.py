"""Errors that a user can cause and mend.

    MlpsearchError
    ├── ConfigError      a training configuration that makes no sense     (models.config)
    ├── WeightsError     a weights file that is not what it should be     (models.weights)
    ├── SpecError        a study file with a mistake in it                (studies.spec)
    ├── DataError        images that are missing, corrupt or not allowed  (studies)
    │   └── RowsError    rows that a classifier cannot be fitted to       (search.estimator)
    ├── StorageError     a storage that cannot be opened or used          (studies.storage)
    ├── StudyError       a study that is missing, changed or not ready    (search)
    ├── ClusterError     a Ray cluster that cannot be used                (search.workers)
    ├── ExportError      an export that cannot be read or written         (search.export)
    ├── ReportError      a report that cannot be written                  (search.report)
    ├── NoticeError      an address for notices that cannot be used       (search.notices)
    └── OutputError      standard output that takes nothing more          (search.cli.streams)

Each message is one line and says what was given, what is allowed, and where. The command line prints it
and ends with exit code 1; every other exception is a bug and shows its traceback. What the error is about also
stands in its fields, for a caller that acts on it; the classes say which ones they fill.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MlpsearchError(Exception):
    """The base of all errors that a user can cause and mend.

    Its fields say what it is about; None where that is not known, or plays no part.

    study: a study's name.  trial: the number of one of its trials, from 0.
    key: where in a study file, a configuration or an export, with dots: "search.depth.low"; of several mistakes
        the first one's, the message names all.
    path: a file or folder, as it was given; also s3://BUCKET/….
    url: of a storage, without its password.
    """

    def __init__(
        self,
        message: str,
        *,
        study: str | None = None,
        trial: int | None = None,
        key: str | None = None,
        path: str | Path | None = None,
        url: str | None = None,
    ):
        super().__init__(message)
        self.study = study
        self.trial = trial
        self.key = key
        self.path = None if path is None else str(path)
        self.url = url


class ConfigError(MlpsearchError):
    """A training configuration has a value that is not allowed, that of `key`."""


class WeightsError(MlpsearchError):
    """A weights file, `path`, does not hold what it should; of a winner also `study` and `trial`."""


class SpecError(MlpsearchError):
    """A study file, `path`, has a mistake in it, at `key`; or there is no such `study` to read."""


class DataError(MlpsearchError):
    """Images are missing, corrupt or not allowed: those in `path`, of `study`."""


class RowsError(DataError, ValueError):
    """Rows given to an estimator are of no use to it; a ValueError, too, as from scikit-learn's own."""


class StorageError(MlpsearchError):
    """A storage, `url`, or the place of its files, `path`, cannot be opened or used."""


class StudyError(MlpsearchError):
    """A study, `study`, is missing, changed, or not ready for what was asked of it."""


class ClusterError(MlpsearchError):
    """A Ray cluster is missing or cannot be used."""


class ExportError(MlpsearchError):
    """An export, `path`, cannot be read or written; `key` of a document that makes no sense."""


class ReportError(MlpsearchError):
    """A report cannot be written to `path`."""


class NoticeError(MlpsearchError):
    """An address for notices cannot be used."""


class OutputError(MlpsearchError):
    """Standard output is closed, or its disk is full."""


@contextmanager
def about(*, study: str | None = None, path: str | Path | None = None, url: str | None = None) -> Iterator[None]:
    """Give these fields to an MlpsearchError of the body, where it does not fill them itself."""
    try:
        yield
    except MlpsearchError as error:
        error.study = error.study or study
        error.path = error.path or (None if path is None else str(path))
        error.url = error.url or url
        raise


def innermost(error: BaseException) -> str:
    """Return an error's innermost cause in one line: SQLAlchemy's own messages run over several."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]
