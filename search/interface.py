"""The Python interface: what `import mlpsearch` hands on. docs/python.md shows it.

Studies are the same as the command line's: one begun here goes on there, and the other way round.
"""

from pathlib import Path
from typing import Any

from mlpsearch.search.cli.terminal import NoDisplay, TerminalDisplay
from mlpsearch.search.export.ensembles import Kind, export_ensemble, find_ensemble
from mlpsearch.search.export.exporting import Exported, export_study
from mlpsearch.search.export.prediction import Classifier, load_classifier
from mlpsearch.search.results.headline import Headline, headline
from mlpsearch.search.results.openings import TestReport, report_from
from mlpsearch.search.results.status import StudyStatus, study_status
from mlpsearch.search.results.trial import Trial, Trials, plain, trials_of
from mlpsearch.search.running import Leftover, finish, run_to_the_end
from mlpsearch.search.service import ask_to_confirm, evaluate, resume, stop, submit
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.workers.placement import Placement
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord, study_names
from mlpsearch.studies.record import open_study as open_record
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.storage.opening import exists, open_storage, storage_url, without_password

_COMMAND = "mlpsearch.{}, in Python"  # who opened a test split, for the record


class Study:
    """A study in a storage. What is asked of it is read anew, so that it is true while others work on it, too."""

    def __init__(self, record: StudyRecord):
        self._record = record

    def __repr__(self) -> str:
        """Say which study it is, and how it stands."""
        status = self.status()
        return f"<Study {self.name}: {status.state}, {status.ended} of {status.budget['trials']} trials>"

    @property
    def name(self) -> str:
        """Its name, by which the command line knows it, too."""
        return self._record.name

    @property
    def storage(self) -> str:
        """The URL of its storage, without a password."""
        return without_password(self._record.url)

    def status(self) -> StudyStatus:
        """Return how it stands now."""
        return study_status(self._record, Ledger(self._record))

    @property
    def trials(self) -> Trials:
        """Its trials, by number; those that somebody added with Optuna itself are not among them."""
        return trials_of(self._record)

    @property
    def best(self) -> Trial | None:
        """The trial of the best validation score, with its luck; None where none is finished."""
        best = Ledger(self._record).best()
        return None if best is None else plain(best, self._record.metric)

    @property
    def winner(self) -> Headline | None:
        """The winner with its own figures: the confirmed one, else the best trial; None where none is finished."""
        return headline(self._record, Ledger(self._record))

    @property
    def test(self) -> TestReport | None:
        """What the newest opening of the test split said of the winner; None where it was not tested."""
        winner = self.winner
        return None if winner is None or winner.test is None else report_from(winner.test)

    def run(self, *, workers: int = 1, evaluate: bool = True, progress: bool = True) -> "Study":
        """Go on with it to the end of its budget, then confirm and test it as its file asks; return it.

        Arguments and errors are those of `run`.
        """
        resume(self._record, evaluate=evaluate, command=_COMMAND.format("Study.run"))
        _end_if_left(self, run_to_the_end(self._record, Placement(workers), _display(progress)), evaluate)
        return self

    def confirm(
        self, *, top: int = 5, seeds: int = 5, report: int = 5, workers: int = 1, progress: bool = True
    ) -> "Study":
        """Train its best trials again to choose one, then that one to report it, and test it; return the study.

        top: how many of the best trials, 1 to 100.  seeds: runs of each, 2 to 100.  report: further runs of the
        winner, 2 to 100. Raises StudyError while its search is not over.
        """
        asked = Confirm(top=top, seeds=seeds, report=report)
        ask_to_confirm(self._record, asked, _COMMAND.format("Study.confirm"))
        _end_if_left(self, finish(self._record, Placement(workers), _display(progress)))
        return self

    def evaluate(self) -> TestReport:
        """Open the test split for the winner, once, and return what it said.

        Raises StudyError where no trial is finished.
        """
        return evaluate(self._record, _COMMAND.format("Study.evaluate"))

    def stop(self) -> None:
        """Make all workers leave it alone; they checkpoint its running trials."""
        stop(self._record)

    def export(self, path: str | Path, *, onnx: bool = False, ensemble: Kind | None = None) -> Exported:
        """Write the winner: a folder with its configuration and weights, or a .toml or .json file without weights.

        onnx: also put an ONNX model into the folder.
        ensemble: in place of one net several, averaged: the confirmed winner's reported ones ("winner"), or those
        of all confirmed candidates that are best together on validation ("greedy").
        Raises ExportError, StudyError and WeightsError.
        """
        if ensemble is None:
            return export_study(self._record, Path(path), onnx=onnx)
        return export_ensemble(self._record, find_ensemble(self._record, ensemble), Path(path), onnx=onnx)

    def delete(self) -> None:
        """Delete it, with its trials, weights and checkpoints."""
        delete_study(self._record)


def run(
    study: str | Path,
    *,
    trials: int | None = None,
    storage: str | None = None,
    data: str | Path | None = None,
    workers: int = 1,
    evaluate: bool = True,
    progress: bool = True,
) -> Study:
    """Make a study, or go on with it; when its budget is spent, confirm and test its best trials, once.

    study: a name of the catalog or the storage, or the path of a study file.
    trials: how many it shall have in all; None for what its file says, or for what it has.
    storage: a file or a URL; None for the environment's MLPSEARCH_STORAGE, else mlpsearch.db.
    data: where the images are, if not where the study says.
    workers: processes of this machine that train, from 1.
    evaluate: whether it shall be confirmed and tested in the end.
    progress: whether to show a bar on stderr, or in a notebook.

    Ctrl-C lets the workers end after their running epochs, then it is a KeyboardInterrupt; what is done is kept.
    Raises MlpsearchError for what a person must mend.
    """
    say = _say if progress else _say_nothing
    command = _COMMAND.format("run")
    given = None if data is None else str(data)
    record = submit(
        str(study), storage_url(storage), trials=trials, data=given, evaluate=evaluate, command=command, tell=say
    )
    made = Study(record)
    _end_if_left(made, run_to_the_end(record, Placement(workers), _display(progress)), evaluate)
    return made


def open_study(name: str, storage: str | None = None) -> Study:
    """Return a study of the storage.

    Raises StudyError where there is none of that name, StorageError where there is no storage.
    """
    return Study(open_record(storage_url(storage), name))


def list_studies(storage: str | None = None) -> list[str]:
    """Return the names of the studies in the storage; none where there is no storage yet."""
    url = storage_url(storage)
    return study_names(open_storage(url, read_only=True)) if exists(url) else []


def load(folder: str | Path) -> Classifier:
    """Return the net of an exported folder, ready to predict.

    Raises ExportError or WeightsError for what is no sound export.
    """
    return load_classifier(Path(folder))


def _display(progress: bool) -> TerminalDisplay | NoDisplay:
    return TerminalDisplay() if progress else NoDisplay()


def _end_if_left(study: Study, left: Leftover | None, evaluate: bool = True) -> None:
    if left is not None and left.interrupted:
        done = f"{left.ended} of {left.total} trials are done and kept"
        call = "Study.run" if evaluate else "Study.run(evaluate=False)"
        raise KeyboardInterrupt(f"study {study.name}: {done}; {call} goes on with it")


def _say(message: str) -> None:
    from mlpsearch.search.cli.common import tell

    tell(message)


def _say_nothing(_: Any) -> None:
    pass


__all__ = ["Classifier", "Exported", "Study", "list_studies", "load", "open_study", "run"]
