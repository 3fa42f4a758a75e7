"""Training an export again, and comparing what comes of it bit for bit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpsearch.models import build_net
from mlpsearch.models.errors import DataError
from mlpsearch.models.prediction import prediction_arrays, statistics
from mlpsearch.models.scores import METRICS
from mlpsearch.models.statistics import mean
from mlpsearch.models.threads import limited_threads
from mlpsearch.models.training import EpochResult
from mlpsearch.models.weights import digest
from mlpsearch.search.export.document import Export
from mlpsearch.search.export.versions import versions
from mlpsearch.search.trials.fold_nets import FoldNet, FoldNets
from mlpsearch.studies.data.training import TrainingData, load_training, own_copy, why_changed


@dataclass(frozen=True, slots=True)
class Comparison:
    """A net that was trained again, beside the exported one.

    validation_accuracy, exported: 0 to 1.
    same_weights: bit for bit, so that every other accuracy is the same as well; None where the export says nothing
        of its weights.
    differences: what is not as it was when the export was made, and may be the cause where something differs.
    """

    validation_accuracy: float
    exported: float
    same_weights: bool | None
    differences: list[str]

    @property
    def same(self) -> bool:
        """Whether the validation accuracy is the same."""
        return self.validation_accuracy == self.exported


def together(comparisons: Sequence[Comparison]) -> Comparison:
    """Return what several nets come to: means of accuracies, and whether all weights are the same."""
    same = [one.same_weights for one in comparisons]
    return Comparison(
        validation_accuracy=mean([one.validation_accuracy for one in comparisons]),
        exported=mean([one.exported for one in comparisons]),
        same_weights=None if None in same else all(same),
        differences=sorted({difference for one in comparisons for difference in one.differences}),
    )


class Retraining:
    """The exported configuration, trained as its trial was.

    data: where the images are, if not where they were. Raises DataError when they are not the same images.
    """

    def __init__(self, export: Export, data: str | None):
        self._export = export
        config, images = export.train_config(), _load_images(export, data)
        self._preprocessing = statistics(images.training).preprocessing(config)
        inputs, classes = self._preprocessing.inputs, len(images.classes)
        sizes: dict[str, Any] = {"inputs": inputs, "classes": classes, "config": config}
        with limited_threads(export.threads):  # as it was built for its trial
            self._net = build_net(export.net, **sizes, compiled=export.compiled_steps)
        run = FoldNet(self._net, self._preprocessing, images, METRICS[export.metric])
        self._run = FoldNets([run], config)

    def epochs(self) -> Iterator[EpochResult]:
        """Train, with as many threads as the trial had; yield after each epoch."""
        with limited_threads(self._export.threads):
            yield from self._run.train()
            self._run.keep_best()

    def comparison(self) -> Comparison:
        """Return how the net stands beside the exported one."""
        now = versions() | self._steps(compiled=self._net.compiled)
        then = self._export.versions | self._steps(compiled=self._export.compiled_steps)
        exported = self._export.weights_digest
        weights = digest(prediction_arrays(self._net, self._preprocessing))
        return Comparison(
            validation_accuracy=self._run.judged.accuracies[0],
            exported=self._export.accuracy.validation,
            same_weights=None if exported is None else weights == exported,
            differences=[
                f"{name} {now.get(name, 'none')}, was {then.get(name, 'none')}"
                for name in sorted(now.keys() | then.keys())
                if now.get(name) != then.get(name)
            ],
        )

    def _steps(self, *, compiled: bool) -> dict[str, str]:
        """Who took them, where that changes bits."""
        return {"steps": "compiled" if compiled else "by autograd"} if self._export.net == "torch" else {}


def _validation(export: Export) -> float | None:
    if export.data.table is not None:
        return export.data.table.validation
    is_own = export.data.validation_folder or export.data.folds
    return None if is_own else export.data.validation


def _load_images(export: Export, data: str | None) -> TrainingData:
    path = Path(data) if data else own_copy(export.data.dataset, export.data.source)
    images = load_training(
        export.data.dataset,
        path,
        validation=_validation(export),
        split_seed=export.data.split_seed,
        options=export.data.options(),
        folds=export.data.folds,
    )
    if images.fingerprint != export.data.fingerprint:
        raise DataError(
            f"training images at {path or 'the cache'}: their fingerprint is {images.fingerprint[:12]}, "
            f"the export's {export.data.fingerprint[:12]}; name the right ones with --data"
            f"{why_changed(export.data.dataset, path, export.data.options())}",
            study=export.study,
            path=path,
        )
    return images if export.data.fold is None else images.fold(export.data.fold)
