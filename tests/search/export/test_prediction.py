"""Classifying image files with an exported folder, and everything that is no sound folder or no fitting image."""

import io
import json
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file

from mlpsearch.models.errors import DataError, ExportError, MlpsearchError, WeightsError
from mlpsearch.models.metrics import predict_split
from mlpsearch.models.weights import digest, load_arrays
from mlpsearch.search.export.document import DOCUMENT, write_export
from mlpsearch.search.export.parameters import WEIGHTS
from mlpsearch.search.export.prediction import classify, load_classifier, read_images
from mlpsearch.search.results.winner import load_winner
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.training import load_training
from mlpsearch.studies.record import StudyRecord
from tests.patience import PATIENCE_SECONDS
from tests.search.export.conftest import Folder
from tests.search.export.reading import read_export
from tests.search.makers import NETS
from tests.studies.image_makers import colour_pixels, encode, grey_pixels, turned, write_folder

GREY, COLOUR = (8, 8, 1), (8, 8, 3)


def grey_files(count: int) -> list[Path]:
    """Image files of the digits' size in the current folder."""
    paths = [Path(f"{number}.png") for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(encode(grey_pixels(number, 8, 8)))
    return paths


@pytest.mark.parametrize("net", NETS)
def test_the_exported_net_predicts_as_the_studys(
    folder: Folder, finished: Callable[..., StudyRecord], net: str
) -> None:
    winner, best = load_winner(finished(net)), folder(net)
    split = winner.data.validation
    expected = predict_split(winner.net, split, winner.preprocessing)
    probabilities = load_classifier(best).probabilities(split.images[split.rows])
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (250, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), expected)
    accuracy = float((expected == split.labels[split.rows]).mean())
    assert accuracy == read_export(best).accuracy.validation


def test_of_no_image_there_are_no_probabilities(folder: Folder) -> None:
    classifier = load_classifier(folder())
    given: tuple[Any, ...] = (np.empty((0, 8, 8, 1), np.uint8), [])
    for images in given:
        assert classifier.predict_proba(images).shape == (0, 10)
        assert classifier.predict(images) == []


def test_files_are_classified_in_their_order_the_most_probable_first(folder: Folder) -> None:
    best, paths = folder(), grey_files(3)
    refused: list[DataError] = []
    found = classify(best, paths, 2, refused.append)
    assert [prediction.file for prediction in found] == ["0.png", "1.png", "2.png"]
    everything = load_classifier(best).probabilities(read_images(paths, GREY))
    for row, one in zip(everything, found, strict=True):
        first, second = one.classes
        assert (first.name, first.probability) == (str(row.argmax()), row.max())
        assert second.probability == sorted(row)[-2]
        assert first.probability > second.probability
    assert [len(one.classes) for one in classify(best, paths, 99, refused.append)] == [10, 10, 10]
    assert refused == []


def test_a_file_that_cannot_be_used_is_left_out(folder: Folder, tmp_path: Path) -> None:
    best, (first, second) = folder(), grey_files(2)
    refused: list[DataError] = []
    found = classify(best, [tmp_path / "none.png", first, best, second], 1, refused.append)
    assert found == classify(best, [first, second], 1, refused.append)
    assert [str(error) for error in refused] == [
        f"{tmp_path / 'none.png'}: cannot be read (No such file or directory)",
        f"{best}: cannot be read (Is a directory)",
    ]
    assert classify(best, [best], 1, refused.append) == []


def test_a_numpy_net_needs_neither_torch_nor_optuna(folder: Folder) -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(['torch', 'optuna', 'sqlalchemy', 'sklearn'])\n"
        "from mlpsearch.search.cli import main; main()"
    )
    folder()
    grey_files(1)
    command = [sys.executable, "-c", code, "predict", "best", "0.png", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    assert json.loads(done.stdout)["predictions"][0]["file"] == "0.png"


# ---- images ----


def image(mode: str, size: tuple[int, int] = (8, 8)) -> bytes:
    return encode(Image.new(mode, size), "TIFF" if mode == "F" else "PNG")


def transparent_palette() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(colour_pixels(0, 8, 8)).quantize(4).save(stream, "PNG", transparency=bytes([0, 9, 9, 9]))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "shape", "message"),
    [
        (image("L", (9, 8)), GREY, "has 8×9 pixels (height × width), the net needs 8×8"),
        (image("RGB"), GREY, "is in colour, the net needs grey images"),
        (image("P"), GREY, "is in colour, the net needs grey images"),
        (image("I;16"), GREY, "pixels of mode I;16: only 8 bits a channel are allowed"),
        (image("RGB", (8, 1)), COLOUR, "has 1×8 pixels (height × width), the net needs 8×8"),
        (turned(colour_pixels(0, 8, 9), 6), (8, 9, 3), "has 9×8 pixels (height × width), the net needs 8×9"),
        (encode(Image.new("RGB", (8, 8)), "PPM"), COLOUR, "not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
        (b"", GREY, "not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
        (pickle.dumps(np.zeros(3)), GREY, "not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", GREY, "not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
        (encode(grey_pixels(0, 8, 8))[:-40], GREY, "not a readable image: "),
        (bytes(33 * 2**20), GREY, "more than 33,554,432 bytes"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_an_image_that_does_not_fit_is_refused(
    tmp_path: Path, content: bytes, shape: tuple[int, int, int], message: str
) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(image("L" if shape == GREY else "RGB", (shape[1], shape[0])))
    bad.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_images([good, bad, good], shape)
    assert str(caught.value).startswith(f"{bad}: {message}")
    assert "\n" not in str(caught.value)


def test_pixels_come_as_they_are(tmp_path: Path) -> None:
    """Also those of a JPEG file with another suffix, of two levels, and of a palette."""
    grey, colour = grey_pixels(1, 8, 8), colour_pixels(2, 8, 8)
    contents = {
        "a": (encode(grey), GREY),
        "a.txt": (encode(Image.fromarray(grey), "JPEG"), GREY),
        "b.bmp": (encode(colour, "BMP"), COLOUR),
        "two.png": (encode(Image.fromarray(grey > 127)), GREY),
        "palette.png": (transparent_palette(), COLOUR),
    }
    read = {}
    for name, (content, shape) in contents.items():
        (tmp_path / name).write_bytes(content)
        read[name] = read_images([tmp_path / name], shape)
    np.testing.assert_array_equal(read["a"], grey.reshape(1, -1))
    np.testing.assert_array_equal(read["b.bmp"], colour.reshape(1, -1))
    assert set(read["two.png"].ravel().tolist()) == {0, 255}
    assert len(np.unique(read["palette.png"].reshape(-1, 3), axis=0)) == 4


FORMS = {
    "RGB": lambda: encode(colour_pixels(0, 8, 8)),
    "L": lambda: encode(grey_pixels(1, 8, 8)),
    "1": lambda: encode(Image.fromarray(grey_pixels(1, 8, 8) > 127)),
    "LA": lambda: encode(Image.fromarray(np.stack([grey_pixels(1, 8, 8), grey_pixels(2, 8, 8)], axis=2), "LA")),
    "RGBA": lambda: encode(Image.fromarray(np.dstack([colour_pixels(1, 8, 8), grey_pixels(2, 8, 8)]), "RGBA")),
    "P": lambda: transparent_palette(),
    "CMYK": lambda: encode(Image.fromarray(colour_pixels(1, 8, 8)).convert("CMYK"), "JPEG"),
    "turned": lambda: turned(colour_pixels(2, 8, 8), 6),
    "BMP": lambda: encode(colour_pixels(4, 8, 8), "BMP"),
}


@pytest.mark.parametrize("split", ["training", "test"])
@pytest.mark.parametrize("shape", [GREY, COLOUR])
def test_prediction_takes_what_training_and_test_take(
    tmp_path: Path, shape: tuple[int, int, int], split: str
) -> None:
    contents = [FORMS[form]() for form in FORMS if shape == COLOUR or form in ("L", "1", "LA")]
    folder = "train" if split == "training" else split
    files = {f"{folder}/{name}/{number:02}.png": one for number, one in enumerate(contents) for name in "ab"}
    other = "test" if split == "training" else "train"
    files |= {f"{other}/{name}/0.png": image("RGB" if shape == COLOUR else "L") for name in "ab"}
    path = write_folder(tmp_path / "images", files)
    if split == "training":
        given = load_training("images", path, validation=1, split_seed=0).training.images
    else:
        given = open_test_split("images", path).test.images
    paths = [path / name for name in sorted(files) if name.startswith(folder)]
    np.testing.assert_array_equal(read_images(paths, shape), given)


@pytest.mark.parametrize(("name", "message"), [("none.png", "No such file or directory"), (".", "Is a directory")])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_images([tmp_path / name], GREY)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read ({message})"


# ---- folders ----


def refusal(folder: Path) -> str:
    with pytest.raises(MlpsearchError) as caught:
        load_classifier(folder)
    assert isinstance(caught.value, ExportError | WeightsError)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rewrite(folder: Path, **changes: NDArray[Any] | None) -> None:
    """Change arrays of the weights file (None takes one away), and the document's digest with them."""
    arrays, _ = load_arrays(folder / WEIGHTS)
    for name, array in changes.items():
        arrays.pop(name.replace("_", "."))
        if array is not None:
            arrays[name.replace("_", ".")] = array
    save_file(arrays, folder / WEIGHTS)
    export = read_export(folder)
    write_export(export.model_copy(update={"weights_digest": digest(arrays)}), folder / DOCUMENT)


NAN = np.full(10, np.nan, np.float32)

BAD_ARRAYS: list[tuple[dict[str, Any], str]] = [
    ({"scale": None}, "scale is nothing, must be ()"),
    ({"bias_0": None}, "bias.0 is nothing, must be ("),
    ({"scale": np.ones(1, np.float32)}, "scale is (1,), must be ()"),
    ({"scale": np.array(np.inf, np.float32)}, "scale has values that are not finite"),
    ({"scale": np.array(1.0)}, "scale is of type float64, must be float32"),
    ({"offset": np.zeros(63, np.float32)}, "offset is (63,), must be (64,)"),
    ({"offset": np.zeros((8, 8), np.float32)}, "offset is (8, 8), must be (64,)"),
    ({"weight_0": np.zeros((3, 3), np.float32)}, "weight.0 is (3, 3), must be (64, "),
    ({"bias_1": NAN}, "bias.1 has values that are not finite"),
    ({"bias_1": np.zeros(10, np.int64)}, "bias.1 is of type int64, must be float32"),
    ({"bias_1": np.zeros(11, np.float32)}, "bias.1 is (11,), must be (10,)"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_ARRAYS, ids=[message for _, message in BAD_ARRAYS])
def test_other_weights_are_refused(folder: Folder, changes: dict[str, Any], message: str) -> None:
    best = folder()
    rewrite(best, **changes)
    assert refusal(best).startswith(f"{best / WEIGHTS}: {message}")


def test_more_classes_than_outputs_are_refused(folder: Folder) -> None:
    best = folder()
    export = read_export(best)
    data = export.data.model_copy(update={"classes": [*export.data.classes, "ten"]})
    write_export(export.model_copy(update={"data": data}), best / DOCUMENT)
    assert refusal(best) == f"{best / WEIGHTS}: bias.1 is (10,), must be (11,)"


def test_a_net_too_large_for_memory_is_refused_before_it_is_made(folder: Folder) -> None:
    best = folder()
    export = read_export(best)
    config = export.config | {"hidden_size": 65_536, "depth": 64}
    write_export(export.model_copy(update={"config": config}), best / DOCUMENT)
    assert "bias.0 is (" in refusal(best)


def test_weights_of_another_net_are_refused(folder: Folder) -> None:
    best = folder()
    arrays, _ = load_arrays(best / WEIGHTS)
    arrays["bias.0"][0] += 1
    save_file(arrays, best / WEIGHTS)
    assert refusal(best) == f"{best / WEIGHTS}: not the weights of this export (their digest is another)"


@pytest.mark.parametrize("name", ["weight.0", "weight.1"])
def test_weights_so_large_that_nothing_finite_comes_out_are_refused(folder: Folder, name: str) -> None:
    best = folder()
    arrays, _ = load_arrays(best / WEIGHTS)
    large = np.where(arrays[name] > 0, 3e38, -3e38).astype(np.float32)
    rewrite(best, **{name.replace(".", "_"): large})
    with pytest.raises(ExportError) as caught:
        classify(best, grey_files(1), 1, list[DataError]().append)
    assert str(caught.value) == f"{best}: its net gives no finite numbers for these images"


CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda whole: whole[:-1],
    "half": lambda whole: whole[: len(whole) // 2],
    "empty": lambda _: b"",
    "a pickle": lambda _: pickle.dumps({"weight.0": np.zeros(3)}),
    "an enormous header": lambda whole: struct.pack("<Q", 2**62) + whole[8:],
}


@pytest.mark.parametrize("content", CONTENTS)
def test_what_is_no_safetensors_file_is_refused(folder: Folder, content: str) -> None:
    best = folder()
    (best / WEIGHTS).write_bytes(CONTENTS[content]((best / WEIGHTS).read_bytes()))
    assert refusal(best).startswith(f"{best / WEIGHTS}: not a readable safetensors file (")


def test_missing_files_are_refused(folder: Folder, tmp_path: Path) -> None:
    best = folder()
    (best / WEIGHTS).unlink()
    assert refusal(best).startswith(
        f"{best / WEIGHTS}: not a readable safetensors file (No such file or directory"
    )
    assert refusal(tmp_path / "none") == f"{tmp_path / 'none'}: cannot be read (No such file or directory)"
    (best / DOCUMENT).rename(tmp_path / "best.toml")
    assert refusal(best) == f"{best / DOCUMENT}: cannot be read (No such file or directory)"
    message = "has no weights; `mlpsearch export STUDY -o FOLDER` exports both in a folder"
    assert refusal(tmp_path / "best.toml") == f"{tmp_path / 'best.toml'}: {message}"


def test_a_document_that_names_a_weights_file_is_refused(folder: Folder, tmp_path: Path) -> None:
    """Not followed, wherever it points."""
    best = folder()
    (best / WEIGHTS).rename(tmp_path / "other.safetensors")
    document = read_export(best).model_dump(mode="json", exclude_none=True)
    (best / DOCUMENT).write_text(tomli_w.dumps(document | {"weights": "../other.safetensors"}))
    assert refusal(best) == f"{best / DOCUMENT}: weights: extra inputs are not permitted"


def test_one_image_alone_and_many_give_the_same_classes(folder: Folder) -> None:
    classifier, images = load_classifier(folder()), np.stack([grey_pixels(i, 8, 8).ravel() for i in range(1500)])
    together = classifier.probabilities(images)
    alone = np.concatenate([classifier.probabilities(images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, together[:5], rtol=1e-4, atol=1e-7)
    assert len(together) == 1500
