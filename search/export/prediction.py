"""Classifying image files with an exported folder; torch is imported only for its own net."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.ensemble import average_probabilities
from mlpsearch.models.errors import DataError, ExportError, about
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.metrics import view_logits
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.loss import softmax
from mlpsearch.models.prediction import trained_net
from mlpsearch.models.threads import use_threads
from mlpsearch.search.export.document import AnyExport, read_export
from mlpsearch.search.export.parameters import WEIGHTS, InputsKey, inputs_key, read_parameters
from mlpsearch.search.export.table_rows import sound_rows
from mlpsearch.studies.data.images.archives import MAX_FILE_BYTES
from mlpsearch.studies.data.images.decoding import as_shape, decode_image
from mlpsearch.studies.spec.image_options import ImageOptions


@dataclass(frozen=True, slots=True)
class ClassProbability:
    """A class and its probability, 0 to 1."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a net makes of an image file: its most probable classes, the most probable first."""

    file: str
    classes: list[ClassProbability]


@dataclass(frozen=True, slots=True)
class Member:
    """A net that predicts.

    preprocessing: the same object for all that get the same of each image or row.
    weight: of its probabilities in the average of all that predict; these add up to 1.
    """

    net: Net
    preprocessing: Preprocessing
    weight: float


@dataclass(frozen=True, slots=True)
class Classifier:
    """An exported net, or several whose probabilities are averaged, ready to predict."""

    export: AnyExport
    members: list[Member]

    def __repr__(self) -> str:
        """Say what it tells apart, and where it is from: its weights would fill pages."""
        return f"<Classifier of {len(self.classes)} classes, from study {self.export.study}>"

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the probabilities."""
        return list(self.export.data.classes)

    def predict_proba(self, images: Any) -> NDArray[np.float32]:
        """Return the probability of each class, (N, classes).

        images: pixels, uint8, (N, height, width, channels), (N, inputs), or (N, height, width) for grey ones; or
            the paths of N image files. Of a table, its rows, as frame_of takes them.
        Raises DataError for other arrays, and for a file that is missing, no image or of another size; of a table
        for columns that are missing or of another kind, and for the first cell that cannot be read.
        """
        if self.export.data.table is not None:
            return self.probabilities(sound_rows(self.export.data.table, images))
        pixels = images if isinstance(images, np.ndarray) else self.read(_paths(images))
        return self.probabilities(_flat(pixels, self.export.data.shape))

    def predict(self, images: Any) -> list[str]:
        """Return the most probable class of each image or row; images and errors are those of predict_proba."""
        return [self.classes[best] for best in self.predict_proba(images).argmax(axis=1)]

    def read(self, paths: Sequence[Path]) -> NDArray[np.uint8]:
        """Return the pixels of image files, (N, inputs). Raises DataError, as read_images does."""
        data = self.export.data
        return read_images(paths, data.shape, None if data.images is None else data.images.image_options())

    def probabilities(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the probability of each class, (N, classes), for rows as they are stored, (N, inputs)."""
        if not len(images):
            return np.empty((0, len(self.classes)), np.float32)
        everything = np.arange(len(images))
        columns = self.export.data.layout().columns
        split = Split(images, np.zeros(len(images), np.int64), everything, self.export.data.shape, columns)
        views = {id(one.preprocessing): one.preprocessing.views(split) for one in self.members}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            shares = (softmax(view_logits(one.net, views[id(one.preprocessing)])) for one in self.members)
            return average_probabilities(shares, [one.weight for one in self.members]).astype(np.float32)


def classify(
    folder: Path, images: Sequence[Path], top: int, refuse: Callable[[DataError], None]
) -> list[Prediction]:
    """Return the `top` most probable classes of each image file, by the net of an exported folder.

    refuse: is given the error of each file that cannot be used; it is left out.
    Raises ExportError or WeightsError, and then nothing is predicted.
    """
    classifier = load_classifier(folder)
    names = classifier.export.data.classes
    usable: dict[int, NDArray[np.uint8]] = {}
    for place, path in enumerate(images):
        try:
            usable[place] = classifier.read([path])
        except DataError as error:
            refuse(error)
    if not usable:
        return []
    shares = classifier.probabilities(np.concatenate(list(usable.values())))
    if not np.isfinite(shares).all():
        raise ExportError(f"{folder}: its net gives no finite numbers for these images", path=folder)
    best = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    return [
        Prediction(str(path), [ClassProbability(names[i], float(row[i])) for i in order])
        for path, row, order in zip((images[place] for place in usable), shares, best, strict=True)
    ]


def load_classifier(folder: Path) -> Classifier:
    """Return what predicts as an exported folder says. Raises ExportError or WeightsError for no sound export."""
    export = read_export(folder)
    if not folder.is_dir():
        raise ExportError(
            f"{folder}: has no weights; `mlpsearch export STUDY -o FOLDER` exports both in a folder", path=folder
        )
    found = read_parameters(folder / WEIGHTS, export)
    columns, nets = export.data.layout().columns, export.nets()
    use_threads(max(net.threads for net in nets))
    members, inputs = list[Member](), dict[InputsKey, Preprocessing]()
    for one, arrays, weight in zip(nets, found, export.weights(), strict=True):
        config = one.train_config()
        net, preprocessing = trained_net(one.net, arrays, config, columns)
        members.append(Member(net, inputs.setdefault(inputs_key(config, arrays), preprocessing), weight))
    return Classifier(export, members)


def read_images(
    paths: Sequence[Path], shape: tuple[int, int, int], options: ImageOptions | None = None
) -> NDArray[np.uint8]:
    """Return the pixels of image files, (N, inputs).

    shape: (height, width, channels) that they must have once they are decoded, by the code that decodes training
        images; grey ones get three equal channels where the net needs colour.
    options: the size and the channels that they get, as the training images did.
    Raises DataError for a file that cannot be read, is no image, is of another size, or in colour where the net
    needs grey.
    """
    images = np.empty((len(paths), prod(shape)), np.uint8)
    for row, path in enumerate(paths):
        with about(path=path):
            images[row] = _read_image(path, shape, options).reshape(-1)
    return images


def _paths(images: Sequence[str | Path]) -> list[Path]:
    if isinstance(images, str | Path):
        raise DataError(f"{images}: must be in a list, or an array of pixels")
    return [Path(path) for path in images]


def _flat(images: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    allowed = [shape, (prod(shape),)] + ([shape[:2]] if shape[2] == 1 else [])
    if images.dtype != np.uint8 or images.shape[1:] not in allowed:
        given = f"{images.dtype} {images.shape}"
        wanted = ", or ".join(str(("N", *one)).replace("'", "") for one in allowed)
        raise DataError(f"images: must be pixels, uint8 of the shape {wanted}; given was {given}")
    return images.reshape(len(images), prod(shape))


def _read_image(path: Path, shape: tuple[int, int, int], options: ImageOptions | None) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_FILE_BYTES:
        raise DataError(f"{path}: more than {MAX_FILE_BYTES:,} bytes")
    return as_shape(decode_image(content, str(path), options), shape, str(path), "the net needs")
