"""A look at all images of a data set before a search: at their names and headers, and at no pixel.

What is wrong in test images would otherwise show once the search is over. Nothing here decodes pixels, so that the
test split stays sealed; tests/seal.py holds it to that. A file whose header is sound and whose pixels are cut off
is found when it is decoded, so of the test split only then.
"""

from collections import Counter
from collections.abc import Sequence

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SplitName
from mlpsearch.studies.data.images.headers import Header, read_header
from mlpsearch.studies.data.images.splits import ImageSplits
from mlpsearch.studies.spec.image_options import ImageOptions

MAX_SPLIT_BYTES = 16 * 2**30
_ONE_SIZE = "all images must have one size; image_size = 32 in the study file, or another number, resizes them"
_FITS = {"pad": "with black beside them where they are not square", "crop": "cut to the square in their middle"}


class SizesDifferError(DataError):
    """Images of one data set have different sizes.

    where, size: of one of them, its place and (height, width, …).  first, first_size: of the first.
    """

    def __init__(self, where: str, size: Sequence[int], first: str, first_size: Sequence[int]):
        super().__init__(
            f"{where} has {size[0]}×{size[1]} pixels (height × width), "
            f"{first} has {first_size[0]}×{first_size[1]}: {_ONE_SIZE}"
        )


def check_splits(splits: ImageSplits, options: ImageOptions) -> list[str]:
    """Return remarks on a data set for people. Raises DataError for images that no search could use.

    options: how the images will be read.
    """
    classes, path = splits.images.class_names(), splits.images.path
    labels = {split: splits.labels(split) for split in splits.splits()}
    split_of = {file: split for split, files in labels.items() for file in files}
    survey = _Survey(splits, options)
    for file, content in splits.images.read(split_of.keys()):
        where = f"{path}: {file!r}"
        survey.add(split_of[file], read_header(content, where, options), where)
    survey.finish({split: len(files) for split, files in labels.items()})
    return [*_remarks_on_splits(splits, classes, labels), *survey.remarks()]


def refuse_too_large(count: int, height: int, width: int, where: str) -> None:
    """Raise DataError where so many images of this size, in colour, would not fit into memory."""
    if count * height * width * 3 > MAX_SPLIT_BYTES:
        raise DataError(
            f"{where}: {count:,} images of {height}×{width} pixels would take more than "
            f"the {MAX_SPLIT_BYTES / 2**30:g} GiB allowed"
        )


def _remarks_on_splits(
    splits: ImageSplits, classes: Sequence[str], labels: dict[SplitName, dict[str, int]]
) -> list[str]:
    remarks = []
    if "validation" in labels:
        count, folder = len(labels["validation"]), splits.name("validation")
        remarks.append(f"{folder}/ is the validation split, {count:,} images")
    if splits.held_out is not None:
        count = len(labels["test"])
        total, seed = count + len(labels["train"]), "by a seed that never changes"
        remarks.append(f"{count:,} of {total:,} images are held out as the test split, {seed}")
    for split, files in labels.items():
        present = set(files.values())
        missing = [name for number, name in enumerate(classes) if number not in present]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            remarks.append(f"{splits.name(split)} has no images of class {missing[0]!r}{more}")
    return remarks


class _Survey:
    """What the headers say while they come in, in any order."""

    def __init__(self, splits: ImageSplits, options: ImageOptions) -> None:
        self._splits = splits
        self._options = options
        self._first: tuple[Header, str] | None = None
        self._in_colour: dict[SplitName, str] = {}
        self._counts: Counter[SplitName] = Counter()
        self._turned = 0
        self._transparent = 0
        self._resized = 0

    def add(self, split: SplitName, stored: Header, where: str) -> None:
        """Note one image. Raises DataError for another size than the first's."""
        header = stored.read_with(self._options)
        first, its_place = self._first = self._first or (header, where)
        if (header.height, header.width) != (first.height, first.width):
            sizes = [(one.height, one.width) for one in (header, first)]
            raise SizesDifferError(where, sizes[0], its_place, sizes[1])
        if header.channels == 3:
            self._in_colour.setdefault(split, where)
        self._counts[split] += 1
        self._turned += header.is_turned
        self._resized += (header.height, header.width) != (stored.height, stored.width)
        self._transparent += header.is_transparent

    def finish(self, expected: dict[SplitName, int]) -> None:
        """Judge them all. Raises DataError for files that are gone, too many pixels, and colour beside grey."""
        for split, count in expected.items():
            where = f"{self._splits.images.path}: {self._splits.name(split)}"
            if self._counts[split] != count:
                missing = count - self._counts[split]
                raise DataError(f"{where}: {missing} images are gone: the files changed while they were read")
            if self._first is not None:
                refuse_too_large(count, self._first[0].height, self._first[0].width, where)
            if split in self._in_colour and "train" not in self._in_colour:
                raise DataError(
                    f"{self._in_colour[split]} is in colour, and all images of train are grey: "
                    "turn one into the other"
                )

    def remarks(self) -> list[str]:
        """What is done to some of the images, and is seldom meant."""
        total, remarks = self._counts.total(), list[str]()
        if self._resized:
            size, fit = self._options.size, _FITS[self._options.fit]
            remarks.append(f"{self._resized:,} of {total:,} images are resized to {size}×{size} pixels, {fit}")
        if self._turned:
            remarks.append(f"{self._turned:,} of {total:,} images are turned as their EXIF data say")
        if self._transparent:
            remarks.append(
                f"{self._transparent:,} of {total:,} images have transparency: white is put behind them"
            )
        return remarks
