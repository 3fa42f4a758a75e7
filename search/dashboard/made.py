"""What takes seconds to make of a study, when somebody asks for it: its report, and the files to take away.

Where the winner's weights or the data are gone, an error says so; all else can still be had.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from mlpsearch.studies.record import StudyRecord, confirmation_of

CONFIGURATION, WEIGHTS, ONNX, TRIALS = "export.toml", "weights.safetensors", "model.onnx", "trials.csv"
_KEPT = 8  # reports, of 1 to 5 MB


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A file that can be had of a study. name: as it is in the address, and on the disk of who takes it."""

    name: str
    title: str


def files_of(*, has_winner: bool, has_weights: bool) -> list[StudyFile]:
    """Return the files that can be had of a study; an ONNX model only where its packages are installed.

    has_winner: whether there is a winner, and the data that it was trained on.
    """
    if not has_winner:
        return []
    found = [StudyFile(CONFIGURATION, "Configuration")]
    if has_weights:
        found.append(StudyFile(WEIGHTS, "Weights"))
        if find_spec("onnx") is not None and find_spec("onnxruntime") is not None:
            found.append(StudyFile(ONNX, "ONNX model"))
    return found


class Maker:
    """Makes one thing at a time, so that impatient visitors do not fill the memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reports: OrderedDict[str, tuple[str, bytes]] = OrderedDict()

    def report(self, record: StudyRecord) -> bytes:
        """Return the report of a study, made anew only where the study has changed since."""
        from mlpsearch.search.report.study_report import report_page

        with self._lock:
            now = _digest(record)
            before, page = self._reports.pop(record.id, ("", b""))
            if before != now:
                page = report_page(record)
            self._reports[record.id] = (now, page)
            while len(self._reports) > _KEPT:
                self._reports.popitem(last=False)
            return page

    def file(self, record: StudyRecord, name: str) -> bytes | None:
        """Return the content of a file of a study; None where there is none of that name.

        Raises StudyError where no trial is finished, WeightsError or DataError where something it needs is gone.
        """
        if name not in (CONFIGURATION, WEIGHTS, ONNX, TRIALS):
            return None
        with self._lock, TemporaryDirectory(prefix="mlpsearch-") as folder:
            return _written(record, name, Path(folder)).read_bytes()


def _written(record: StudyRecord, name: str, folder: Path) -> Path:
    from mlpsearch.search.export.exporting import export_study
    from mlpsearch.search.export.trial_table import write_trials

    path = folder / name
    if name == TRIALS:
        write_trials(record, path)
    elif name == CONFIGURATION:
        export_study(record, path)  # alone it needs no weights
    else:
        path = folder / "export" / name
        export_study(record, path.parent, onnx=name == ONNX)
    return path


def _digest(record: StudyRecord) -> str:
    """What is another once anything that a report shows has changed."""
    both = [one for one in (record, confirmation_of(record)) if one is not None]
    state = [[one.attributes(), [*one.counts.by_state().values()], one.counts.epochs()] for one in both]
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
