"""What is kept of trials: checkpoints while they run, and the weights of the best.

    checkpoints/<trial>.safetensors
    weights/<trial>.safetensors

are names among the study's files (studies/files/file_store.py): a trial that goes on elsewhere finds its
checkpoint there.
Safetensors with JSON in the metadata: nothing is ever unpickled.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from mlpsearch.models import threads
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import WeightsError
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.net import Net
from mlpsearch.models.prediction import prediction_arrays
from mlpsearch.models.training import EpochResult
from mlpsearch.models.weights import pack_arrays, unpack_arrays
from mlpsearch.studies.files.base import Files

# A worker that was killed while it wrote leaves the hidden file that was to become the whole one.
_OF_A_TRIAL = re.compile(r"(checkpoints|weights)/\.?(?P<trial>[0-9]{1,9})\.safetensors(\.[^/]*\.tmp)?")
_MOST_HEADER = 10_000_000  # bytes, of a file's names, shapes and metadata
# Of a net's state by its first step: torch's Adam makes two arrays more for each, and the best epoch is kept.
_MOST_GROWTH = 5
_COST = 0.015  # of a trial's time may go into writing checkpoints


@dataclass(slots=True)
class Progress:
    """How far a trial came.

    accuracies: validation accuracy after each epoch done.  seconds: of their training steps.
    threads: of their matrix products, 1 to MOST_THREADS; of those now, where nothing is done yet.
    scores: what is reported after each epoch done; the accuracies where nothing else is given.
    compiled_steps: whether all steps were; None where nothing is done yet, and of versions that did not say so.
    """

    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    threads: int = field(default_factory=threads.threads)
    scores: list[float] = field(default_factory=list)
    compiled_steps: bool | None = None

    def __post_init__(self) -> None:
        if not (type(self.threads) is int and 1 <= self.threads <= threads.MOST_THREADS):
            raise ValueError(f"threads {self.threads!r}: must be a whole number from 1 to {threads.MOST_THREADS}")
        self.scores = self.scores or [*self.accuracies]

    def add(self, result: EpochResult) -> None:
        """Count one more epoch."""
        self.accuracies.append(result.validation_accuracy)
        self.scores.append(result.validation_score)
        self.seconds += result.seconds


class HasState(Protocol):
    """A net, or the nets of a trial together."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step and the next prediction depend on."""

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""


class Checkpoint:
    """The checkpoint of one trial: all that its next epoch depends on.

    The order of the images is a function of seed and epoch, so there is no random state to keep.
    """

    def __init__(self, files: Files, number: int, config: TrainConfig):
        self._files = files
        self._name = checkpoint_name(number)
        self._config = json.dumps(asdict(config))
        self._next = time.monotonic()

    def restore(self, net: HasState) -> Progress:
        """Load the net's state; return how far it had come.

        Without a usable checkpoint of this very configuration the net stays as it is, and no epoch is done.
        """
        untouched = net.state()
        try:
            arrays, metadata = load_kept(self._files, self._name, _MOST_GROWTH * _bytes_of(untouched))
            if metadata["config"] != self._config:
                return Progress()
            progress = Progress(**json.loads(metadata["progress"]))
            net.load_state(arrays)
        except (WeightsError, KeyError, ValueError, TypeError):
            net.load_state(untouched)
            return Progress()
        return progress

    def save_if_due(self, net: HasState, progress: Progress) -> None:
        """Write the checkpoint unless that would take more than its share of the trial's time."""
        if time.monotonic() >= self._next:
            self.save(net, progress)

    def save(self, net: HasState, progress: Progress) -> None:
        """Write the checkpoint now, in place of the one before."""
        started = time.monotonic()
        metadata = {"config": self._config, "progress": json.dumps(asdict(progress))}
        self._files.write(self._name, pack_arrays(net.state(), metadata))
        ended = time.monotonic()
        self._next = ended + (ended - started) / _COST


def checkpoint_name(number: int) -> str:
    """Return the name of a trial's checkpoint among the study's files."""
    return f"checkpoints/{number}.safetensors"


def weights_name(number: int) -> str:
    """Return the name of a trial's weights among the study's files."""
    return f"weights/{number}.safetensors"


def load_kept(files: Files, name: str, most: int) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays and the metadata of a file. most: bytes that its arrays may have.

    Raises WeightsError for a file that is missing, too large, truncated, or no safetensors file.
    """
    where = f"{files.where}/{name}"
    try:
        content = files.read(name, most + _MOST_HEADER)
    except OSError as error:
        raise WeightsError(f"{where}: cannot be read ({error.strerror})", path=where) from error
    return unpack_arrays(content, where)


def _bytes_of(arrays: dict[str, NDArray[Any]]) -> int:
    return sum(array.nbytes for array in arrays.values())


def save_weights(
    files: Files, number: int, net: Net, preprocessing: Preprocessing, config: TrainConfig, score: float
) -> None:
    """Keep what predictions with the net of a trial need; it may be the best."""
    metadata = {"config": json.dumps(asdict(config)), "validation_score": repr(score)}
    files.write(weights_name(number), pack_arrays(prediction_arrays(net, preprocessing), metadata))


def remove_leftovers(
    files: Files, *, unfinished: Callable[[], set[int]], keep: Callable[[], set[int] | None]
) -> None:
    """Delete what is kept of trials that ended, also half-written files, but for some weights.

    unfinished: returns the trials that have not ended.
    keep: returns the trials whose weights stay; None for all.
    Weights of a trial that runs are there because its worker is about to finish it.
    """
    found = [
        (file.name, int(parts["trial"]))
        for file in files.found()
        if (parts := _OF_A_TRIAL.fullmatch(file.name)) is not None
    ]
    left = unfinished() if found else set()
    ended = [(name, number) for name, number in found if number not in left]
    # Asked for only now: a trial that ended while the others were looked at may be the best.
    kept = keep()
    for name, number in ended:
        if name != weights_name(number) or (kept is not None and number not in kept):
            files.remove(name)
