"""The fingerprint of a data set changes with its files, and with nothing else."""

import os
from pathlib import Path

from mlpsearch.studies.data.decoded import SplitName
from mlpsearch.studies.data.images.image_files import ImageFiles
from mlpsearch.studies.data.images.layout import ImageFolders
from mlpsearch.studies.data.images.trees import open_tree
from tests.studies import image_makers as make


def fingerprint(path: Path, split: SplitName = "train") -> str:
    return ImageFiles(ImageFolders(open_tree(path))).fingerprint(split)


def test_a_folders_fingerprint_follows_its_files(tmp_path: Path) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files())
    image = folder / "train" / "cat" / "000.png"
    seen = [fingerprint(folder)]
    assert fingerprint(folder) == seen[0]
    os.utime(image, (1, 1))
    seen.append(fingerprint(folder))
    image.write_bytes(image.read_bytes() + b"x")
    os.utime(image, (1, 1))
    seen.append(fingerprint(folder))
    image.rename(image.with_name("009.png"))
    seen.append(fingerprint(folder))
    make.write_folder(folder, {"train/eel/000.png": b""})
    seen.append(fingerprint(folder))
    assert len(set(seen)) == 5


def test_a_folders_training_fingerprint_does_not_look_at_test(tmp_path: Path) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files())
    before = fingerprint(folder), fingerprint(folder, "test")
    (folder / "test" / "cat" / "000.png").unlink()
    assert fingerprint(folder) == before[0]
    assert fingerprint(folder, "test") != before[1]


def test_an_archives_fingerprint_follows_its_bytes(tmp_path: Path) -> None:
    archive = make.write_zip(tmp_path / "x.zip", make.image_files())
    before = fingerprint(archive)
    os.utime(archive, (1, 1))
    assert fingerprint(archive) == before
    archive.write_bytes(archive.read_bytes() + b"x")
    assert fingerprint(archive) != before
