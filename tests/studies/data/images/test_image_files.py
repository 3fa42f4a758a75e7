"""The layout of a data set, and decoding: the same from a folder and from any archive."""

import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import DecodedImages, SplitName
from mlpsearch.studies.data.images import archives
from mlpsearch.studies.data.images import check as image_check
from mlpsearch.studies.data.images import trees as image_trees
from mlpsearch.studies.data.images.headers import MAX_PIXELS
from mlpsearch.studies.data.images.image_files import ImageFiles
from mlpsearch.studies.data.images.layout import ImageFolders
from mlpsearch.studies.data.images.trees import open_tree
from tests.studies import image_makers as make
from tests.studies.image_makers import colour_pixels, encode, grey_pixels

FORMS = ["folder", "x.tar", "x.tar.gz", "x.tgz", "x.zip"]


def decode(path: Path, split: SplitName = "train") -> DecodedImages:
    return ImageFiles(ImageFolders(open_tree(path))).decode(split)


def refusal(path: Path, split: SplitName = "train") -> str:
    """The message with which the images of a split are refused."""
    with pytest.raises(DataError) as caught:
        decode(path, split)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.fixture(params=["folder", "x.tar.gz", "x.zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.mark.parametrize("form", FORMS)
def test_images_come_as_rows_with_their_labels(tmp_path: Path, form: str) -> None:
    pixels = {name: colour_pixels(seed) for seed, name in enumerate(["b/1", "b/2", "a/1", "c/9", "c/10"])}
    files = {f"train/{name}.png": encode(array) for name, array in pixels.items()}
    decoded = decode(make.write_any(tmp_path / form, files))
    assert decoded.classes == ("a", "b", "c")
    assert decoded.shape == (4, 5, 3)
    assert decoded.labels.tolist() == [0, 1, 1, 2, 2]
    assert decoded.labels.dtype == np.int64
    assert decoded.images.dtype == np.uint8
    expected = np.stack([pixels[name].reshape(-1) for name in ["a/1", "b/1", "b/2", "c/10", "c/9"]])
    np.testing.assert_array_equal(decoded.images, expected)


def test_the_order_in_an_archive_does_not_matter(tmp_path: Path) -> None:
    files = make.image_files()
    backwards = dict(reversed(files.items()))
    one, other = (
        decode(make.write_tar(tmp_path / "a.tar", files)),
        decode(make.write_tar(tmp_path / "b.tar", backwards)),
    )
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_one_top_folder_is_looked_through(place: Path) -> None:
    files = make.image_files()
    plain = decode(make.write_any(place.with_name("plain.tar"), files))
    inside = {f"pets-1.0/{name}": content for name, content in files.items()} | {
        "README.md": b"",
        "docs/a.md": b"",
    }
    np.testing.assert_array_equal(decode(make.write_any(place, inside)).images, plain.images)


def test_what_file_managers_leave_behind_is_passed_over(place: Path) -> None:
    files = make.image_files()
    leftovers = [
        "__MACOSX/train/cat/._000.png",
        ".DS_Store",
        "train/.DS_Store",
        "train/cat/.hidden.png",
        "train/dog/Thumbs.db",
        "train/.git/config",
        "notes.txt",
    ]
    decoded = decode(make.write_any(place, files | dict.fromkeys(leftovers, b"x")))
    assert decoded.classes == ("cat", "dog")
    assert len(decoded.images) == 6


def test_each_split_is_read_on_its_own(place: Path) -> None:
    files = make.image_files(train=3, test=2) | {"test/cat/000.png": b"broken"}
    make.write_any(place, files)
    assert len(decode(place, "train").images) == 6
    assert "test/cat/000.png" in refusal(place, "test")


def test_test_images_get_the_numbers_of_the_training_classes(place: Path) -> None:
    files = make.image_files(["ant", "bee", "cow"], test=1)
    del files["test/ant/000.png"]
    decoded = decode(make.write_any(place, files), "test")
    assert decoded.classes == ("ant", "bee", "cow")
    assert decoded.labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "split", "what"),
    [
        ({"test/cow/1.png": b""}, "test", "test has a class 'cow' that train does not have"),
        ({"train/cat/labels.txt": b""}, "train", "'cat/labels.txt': every file there must be"),
        ({"train/labels.png": b""}, "train", "'labels.png': every file there must be"),
        ({"train/cat/more/1.png": b""}, "train", "a folder inside a class: 'cat/more'"),
        ({"train/c\x1b[31m/1.png": b""}, "train", "the name must be printable"),
    ],
)
def test_files_that_do_not_fit_the_layout_are_named(
    place: Path, changes: dict[str, bytes], split: SplitName, what: str
) -> None:
    assert what in refusal(make.write_any(place, make.image_files() | changes), split)


def test_a_data_set_without_the_split_is_refused(place: Path) -> None:
    make.write_any(place, make.image_files(test=0))
    assert "no test folder" in refusal(place, "test")


def test_a_data_set_without_train_is_refused(place: Path) -> None:
    make.write_any(place, {"test/cat/1.png": b"", "test/dog/1.png": b""})
    expected = (
        "no train folder beside 'test': images must be laid out as <class>/*, or as train/<class>/* and test/"
    )
    assert expected in refusal(place)


def test_two_folders_with_train_are_refused(place: Path) -> None:
    files = make.image_files()
    make.write_any(place, {f"{top}/{name}": content for top in ("a", "b") for name, content in files.items()})
    assert "more than one train folder ('a/train', 'b/train')" in refusal(place)


def test_one_class_is_not_enough(place: Path) -> None:
    assert "train has 1 class folders" in refusal(make.write_any(place, make.image_files(["cat"])))


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files())
    (folder / "train" / "eel").mkdir()
    assert "train: class 'eel' has no images" in refusal(folder)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files(test=0))
    (folder / "test").mkdir()
    assert "test has no images" in refusal(folder, "test")


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    assert "no train folder" in refusal(make.write_zip(tmp_path / "x.zip", {}))
    assert "no train folder" in refusal(make.write_tar(tmp_path / "x.tar", {}))


@pytest.mark.parametrize("name", ["x.rar", "x.tar.xz", "x.png", "missing"])
def test_other_files_are_neither_folder_nor_archive(tmp_path: Path, name: str) -> None:
    if name != "missing":
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"must be a folder or an archive \(\.tar, \.tar\.gz, \.tgz, \.zip\)"):
        open_tree(tmp_path / name)


# --- images that are not what they should be ---


def test_images_of_two_sizes_are_both_named(place: Path) -> None:
    files = make.image_files() | {"train/dog/002.png": encode(colour_pixels(0, 4, 6))}
    message = refusal(make.write_any(place, files))
    assert "train/dog/002.png' has 4×6 pixels" in message
    assert "train/cat/000.png' has 4×5" in message


def test_a_truncated_jpeg_is_named(place: Path) -> None:
    jpeg = encode(colour_pixels(0, 64, 64), "JPEG")
    message = refusal(make.write_any(place, make.image_files() | {"train/cat/000.jpg": jpeg[: len(jpeg) // 2]}))
    assert "'train/cat/000.jpg': not a readable image: " in message
    assert "truncated" in message


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_an_images_clothes_is_never_unpickled(place: Path) -> None:
    sprung = place.with_name("sprung")
    files = make.image_files() | {"train/cat/000.png": pickle.dumps(Trap(sprung))}
    assert "'train/cat/000.png': not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)" in refusal(
        make.write_any(place, files)
    )
    assert not sprung.exists()
    pickle.loads(files["train/cat/000.png"])
    assert sprung.exists(), "the trap does not work, so this test shows nothing"


def png_that_states(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header states any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# Pillow itself warns from 89 million pixels on, and raises from twice as many on.
@pytest.mark.parametrize("side", [4097, 10_000, 20_000, 2**31 - 1])
def test_an_image_of_too_many_pixels_is_refused_before_decoding(
    place: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make.image_files() | {"train/cat/000.png": png_that_states(side, side)}
    make.write_any(place, files)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("pixels were decoded"))
    assert f"'train/cat/000.png': more than {MAX_PIXELS:,} pixels" in refusal(place)


def test_a_split_that_would_not_fit_into_memory_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_check, "MAX_SPLIT_BYTES", 6 * 4 * 5 * 3 - 1)
    assert "6 images of 4×5 pixels would take more than" in refusal(make.write_any(place, make.image_files()))


def test_a_file_of_too_many_bytes_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (archives, image_trees):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 1000)
    files = make.image_files() | {"train/cat/000.png": os.urandom(1001)}
    message = refusal(make.write_any(place, files))
    assert "train/cat/000.png" in message
    assert "1,000" in message


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", ["notes.bin", "extra/cat/000.png", "notes/train/cat/000.png", "train/.hidden"])
def test_a_large_file_elsewhere_is_passed_over(
    tmp_path: Path, form: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (archives, image_trees):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 1000)
    files = {where: os.urandom(5_000)} | make.image_files()
    decoded = decode(make.write_any(tmp_path / form, files))
    np.testing.assert_array_equal(
        decoded.images, decode(make.write_any(tmp_path / "y.tar", make.image_files())).images
    )


def test_a_large_file_in_a_split_is_refused_by_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1000)
    tree = open_tree(make.write_tar(tmp_path / "x.tar", make.image_files() | {"test/cat/9.png": os.urandom(1001)}))
    assert len(tree.listing("train").files) == 6
    with pytest.raises(DataError, match=r"'test/cat/9\.png' has 1,001 bytes"):
        tree.listing("test")


def test_a_zip_may_hold_other_things_packed_otherwise_outside_the_splits(tmp_path: Path) -> None:
    path = make.write_zip(tmp_path / "x.zip", make.image_files())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("notes.txt", b"notes")
    assert len(decode(path).images) == 6


@pytest.mark.parametrize("form", ["x.tar", "x.zip"])
def test_what_lies_very_deep_costs_little(tmp_path: Path, form: str) -> None:
    path = make.write_any(tmp_path / form, make.image_files() | {"other/" + "a/" * 1000 + "1.png": b"x"})
    tree = open_tree(path)
    assert isinstance(tree, image_trees.ArchiveTree)
    assert len(tree.listing("train").files) == 6
    assert max(len(folder) for folder in tree._folders) <= 4


@pytest.mark.parametrize("where", ["train/cat/link.png", "train/link"])
def test_links_in_a_folder_are_refused(tmp_path: Path, where: str) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files())
    (folder / where).symlink_to(folder / "test" / "cat")
    assert f"{where!r} is a link" in refusal(folder)


def test_a_split_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    real = make.write_folder(tmp_path / "real", make.image_files())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train").symlink_to(real / "train")
    assert "is reached by a link" in refusal(tmp_path / "folder")


def test_a_special_file_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files())
    os.mkfifo(folder / "train" / "cat" / "pipe.png")
    assert "'train/cat/pipe.png' is a special file" in refusal(folder)


def test_files_that_vanish_while_they_are_read_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make.write_tar(tmp_path / "x.tar", make.image_files())
    tree = open_tree(archive)
    tree.listing("train")
    shorter = make.image_files()
    del shorter["train/dog/001.png"]
    make.write_tar(archive, shorter)
    with pytest.raises(DataError, match="1 images are gone"):
        ImageFiles(ImageFolders(tree)).decode("train")


# --- grey and colours ---


def test_grey_images_have_one_channel(place: Path) -> None:
    decoded = decode(make.write_any(place, make.image_files(shape=(4, 5))))
    assert decoded.shape == (4, 5, 1)
    assert decoded.images.shape == (6, 20)


@pytest.mark.parametrize("colour_at", [0, 3, 5])
def test_grey_images_among_colours_get_three_equal_channels(tmp_path: Path, colour_at: int) -> None:
    pixels = [colour_pixels(n) if n == colour_at else grey_pixels(n) for n in range(6)]
    files = {f"train/{'ab'[n // 3]}/{n}.png": encode(array) for n, array in enumerate(pixels)}
    decoded = decode(make.write_tar(tmp_path / "x.tar", files))
    assert decoded.shape == (4, 5, 3)
    for row, array in zip(decoded.images, pixels, strict=True):
        colours = array if array.ndim == 3 else np.stack([array] * 3, axis=2)
        np.testing.assert_array_equal(row.reshape(4, 5, 3), colours)
