"""The batches of a training run: order, augmentation and preprocessing, the same for both nets."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Labels
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import batch_order
from mlpsearch.models.inputs.augmentation import Augmentation
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelPreprocessing
from mlpsearch.models.inputs.preprocessing import Preprocessing

SAMPLE = 5_000  # images: enough for means and variances to within 2% of a deviation


class Batches:
    """The training images as a net sees them, batch by batch."""

    def __init__(self, training: Split, config: TrainConfig, preprocessing: Preprocessing):
        self._training = training
        self._config = config
        self._preprocessing = preprocessing
        self._size = min(config.batch_size, len(training))
        self._buffer = preprocessing.buffer(self._size)
        self._augmentation = (
            Augmentation(config, training.shape, self._size) if config.flip or config.shift else None
        )
        once = preprocessing.is_kept(training) and self._augmentation is None  # images that stay as they are
        self._projected = preprocessing.everything(training) if once else None

    def __len__(self) -> int:
        """Batches of an epoch; the last holds what is left."""
        return -(-len(self._training) // self._size)

    @property
    def sizes(self) -> tuple[int, int]:
        """Images of the first batch of an epoch, and of the last."""
        return self._size, len(self._training) - (len(self) - 1) * self._size

    def epoch(self, epoch: int) -> Iterator[tuple[NDArray[np.float32], Labels]]:
        """Yield (images, labels) of each batch of an epoch, from 1; each overwrites the images before it."""
        order = self._order(epoch)
        for batch in range(len(self)):
            yield self._batch(order, epoch, batch)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """Return the places among the training rows, (N,), in the order in which an epoch visits them."""
        return batch_order(len(self._training), self._config, epoch)

    def _batch(self, order: NDArray[np.int64], epoch: int, batch: int) -> tuple[NDArray[np.float32], Labels]:
        """Return (images, labels) of a batch, from 0, of an epoch with its order."""
        places = order[batch * self._size : (batch + 1) * self._size]
        return self._images(places, epoch, batch), self._training.labels[self._training.rows[places]]

    def sample(self) -> NDArray[np.float32]:
        """Return some thousand training images, not augmented."""
        sample = self._training.sample(SAMPLE)
        return self._preprocessing.batch(sample, sample.rows)

    def _images(self, places: NDArray[np.int64], epoch: int, batch: int) -> NDArray[np.float32]:
        if self._projected is not None:
            return np.take(self._projected, places, axis=0, out=self._buffer.inputs[: len(places)], mode="clip")
        rows = self._training.rows[places]
        if self._augmentation is None:
            return self._preprocessing.batch(self._training, rows, self._buffer)
        assert isinstance(self._preprocessing, PixelPreprocessing)  # noqa: S101 - nothing else is augmented
        pixels = self._preprocessing.pixels(self._training, rows, self._buffer)
        self._augmentation(pixels, epoch, batch)
        return self._preprocessing.apply(pixels, self._buffer)
