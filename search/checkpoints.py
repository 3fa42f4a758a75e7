"""What is kept of trials on disk: checkpoints while they run, and the weights of the best.

    <folder of the study>/checkpoints/<trial>.safetensors
    <folder of the study>/weights/<trial>.safetensors

Safetensors with JSON in the metadata: nothing is ever unpickled.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from models.config import TrainConfig
from models.errors import WeightsError
from models.net import Net
from models.prediction import prediction_arrays
from models.preprocessing import Preprocessing
from models.training import EpochResult
from models.weights import load_arrays, save_arrays

# A worker that was killed while it wrote leaves the hidden file that was to become the whole one.
_OF_A_TRIAL = re.compile(r"\.?(?P<trial>[0-9]+)\.safetensors(\..*\.tmp)?")
_COST = 0.015  # of a trial's time may go into writing checkpoints


@dataclass(slots=True)
class Progress:
    """How far a trial came.

    accuracies: validation accuracy after each epoch done.  seconds: of their training steps.
    """

    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, result: EpochResult) -> None:
        """Count one more epoch."""
        self.accuracies.append(result.validation_accuracy)
        self.seconds += result.seconds


class Checkpoint:
    """The checkpoint of one trial: all that its next epoch depends on.

    The order of the images is a function of seed and epoch, so there is no random state to keep.
    """

    def __init__(self, folder: Path, number: int, config: TrainConfig):
        self._path = checkpoint_path(folder, number)
        self._config = json.dumps(asdict(config))
        self._next = time.monotonic()

    def restore(self, net: Net) -> Progress:
        """Load the net's state; return how far it had come.

        Without a usable checkpoint of this very configuration the net stays as it is, and no epoch is done.
        """
        untouched = net.state()
        try:
            arrays, metadata = load_arrays(self._path)
            if metadata["config"] != self._config:
                return Progress()
            progress = Progress(**json.loads(metadata["progress"]))
            net.load_state(arrays)
        except (WeightsError, KeyError, ValueError, TypeError):
            net.load_state(untouched)
            return Progress()
        return progress

    def save_if_due(self, net: Net, progress: Progress) -> None:
        """Write the checkpoint unless that would take more than its share of the trial's time."""
        if time.monotonic() >= self._next:
            self.save(net, progress)

    def save(self, net: Net, progress: Progress) -> None:
        """Write the checkpoint now, in place of the one before."""
        started = time.monotonic()
        metadata = {"config": self._config, "progress": json.dumps(asdict(progress))}
        save_arrays(self._path, net.state(), metadata)
        ended = time.monotonic()
        self._next = ended + (ended - started) / _COST


def checkpoint_path(folder: Path, number: int) -> Path:
    """Return where a trial's checkpoint is kept."""
    return folder / "checkpoints" / f"{number}.safetensors"


def weights_path(folder: Path, number: int) -> Path:
    """Return where a trial's weights are kept."""
    return folder / "weights" / f"{number}.safetensors"


def save_weights(
    folder: Path, number: int, net: Net, preprocessing: Preprocessing, config: TrainConfig, accuracy: float
) -> None:
    """Keep what predictions with the net of a trial need; it may be the best."""
    metadata = {"config": json.dumps(asdict(config)), "validation_accuracy": repr(accuracy)}
    save_arrays(weights_path(folder, number), prediction_arrays(net, preprocessing), metadata)


def remove_leftovers(
    folder: Path, *, is_ended: Callable[[int], bool], keep: Callable[[], set[int] | None]
) -> None:
    """Delete what is kept of trials that ended, also half-written files, but for some weights.

    keep: returns the trials whose weights stay; None for all.
    Weights of a trial that runs are there because its worker is about to finish it.
    """
    found = [
        (path, int(name["trial"]))
        for path in [*folder.glob("checkpoints/*"), *folder.glob("weights/*")]
        if (name := _OF_A_TRIAL.fullmatch(path.name)) is not None
    ]
    ended = [(path, number) for path, number in found if is_ended(number)]
    # Asked for only now: a trial that ended while the others were looked at may be the best.
    kept = keep()
    for path, number in ended:
        if path != weights_path(folder, number) or (kept is not None and number not in kept):
            path.unlink(missing_ok=True)
