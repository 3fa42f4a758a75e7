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
from mlpsearch.studies.data.images.layout import class_names, split_images
from mlpsearch.studies.data.images.trees import ImageTree

MAX_SPLIT_BYTES = 16 * 2**30


def check_tree(tree: ImageTree) -> list[str]:
    """Return remarks on a data set for people. Raises DataError for images that no search could use."""
    classes = class_names(tree)
    labels = {split: split_images(tree, split, classes) for split in tree.splits()}
    survey = _Survey(tree)
    for split, path, content in tree.read({split: files.keys() for split, files in labels.items()}):
        where = f"{tree.path}: {tree.folder_name(split) + '/' + path!r}"
        survey.add(split, read_header(content, where), where)
    survey.finish({split: len(files) for split, files in labels.items()})
    return [*_remarks_on_splits(tree, classes, labels), *survey.remarks()]


def refuse_too_large(count: int, height: int, width: int, where: str) -> None:
    """Raise DataError where so many images of this size, in colour, would not fit into memory."""
    if count * height * width * 3 > MAX_SPLIT_BYTES:
        raise DataError(
            f"{where}: {count:,} images of {height}×{width} pixels would take more than "
            f"the {MAX_SPLIT_BYTES / 2**30:g} GiB allowed"
        )


def _remarks_on_splits(
    tree: ImageTree, classes: Sequence[str], labels: dict[SplitName, dict[str, int]]
) -> list[str]:
    remarks = []
    if "validation" in labels:
        count, folder = len(labels["validation"]), tree.folder_name("validation")
        remarks.append(f"{folder}/ is the validation split, {count:,} images")
    for split, files in labels.items():
        present = set(files.values())
        missing = [name for number, name in enumerate(classes) if number not in present]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            remarks.append(f"{tree.folder_name(split)} has no images of class {missing[0]!r}{more}")
    return remarks


class _Survey:
    """What the headers say while they come in, in any order."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree
        self._first: tuple[Header, str] | None = None
        self._in_colour: dict[SplitName, str] = {}
        self._counts: Counter[SplitName] = Counter()
        self._turned = 0
        self._transparent = 0

    def add(self, split: SplitName, header: Header, where: str) -> None:
        """Note one image. Raises DataError for another size than the first's."""
        first, its_place = self._first = self._first or (header, where)
        if (header.height, header.width) != (first.height, first.width):
            raise DataError(
                f"{where} has {header.height}×{header.width} pixels (height × width), "
                f"{its_place} has {first.height}×{first.width}: all images must have one size"
            )
        if header.channels == 3:
            self._in_colour.setdefault(split, where)
        self._counts[split] += 1
        self._turned += header.orientation != 1
        self._transparent += header.is_transparent

    def finish(self, expected: dict[SplitName, int]) -> None:
        """Judge them all. Raises DataError for files that are gone, too many pixels, and colour beside grey."""
        for split, count in expected.items():
            where = f"{self._tree.path}: {self._tree.folder_name(split)}"
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
        total, remarks = self._counts.total(), []
        if self._turned:
            remarks.append(f"{self._turned:,} of {total:,} images are turned as their EXIF data say")
        if self._transparent:
            remarks.append(
                f"{self._transparent:,} of {total:,} images have transparency: white is put behind them"
            )
        return remarks
