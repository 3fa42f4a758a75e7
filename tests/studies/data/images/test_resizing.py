"""Images of different sizes and files of other kinds: what becomes of them, and what is refused undecoded."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.data.images.headers import MAX_PIXELS, MAX_RESIZED_PIXELS, read_header
from mlpsearch.studies.data.training import check_images, load_training
from mlpsearch.studies.spec.image_options import ImageOptions
from tests.studies import image_makers as make
from tests.studies.image_makers import colour_pixels, encode, grey_pixels, turned

PAD, CROP = ImageOptions(size=8), ImageOptions(size=8, fit="crop")


def saved(image: Image.Image, kind: str, **more: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def plain(width: int, height: int, colour: str = "red") -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def lanczos(image: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


# --- resizing ---


@pytest.mark.parametrize(("width", "height"), [(16, 16), (4, 4), (8, 8)])
@pytest.mark.parametrize("options", [PAD, CROP])
def test_a_square_becomes_the_square_asked_for(width: int, height: int, options: ImageOptions) -> None:
    image = Image.fromarray(colour_pixels(0, height, width))
    np.testing.assert_array_equal(decode_image(encode(image), "x", options), lanczos(image, 8, 8))


def test_a_wide_image_gets_black_above_and_below() -> None:
    image = Image.fromarray(colour_pixels(0, 8, 16))
    decoded = decode_image(encode(image), "x", PAD)
    assert decoded.shape == (8, 8, 3)
    assert (decoded[[0, 1, 6, 7]] == 0).all()
    np.testing.assert_array_equal(decoded[2:6], lanczos(image, 8, 4))


def test_a_tall_image_is_cut_to_its_middle() -> None:
    pixels = np.zeros((24, 8, 3), np.uint8)
    pixels[8:16] = 200
    assert (decode_image(encode(pixels), "x", CROP) == 200).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1000), (1000, 1), (1, 1), (7, 8), (3, 1000)])
@pytest.mark.parametrize("options", [PAD, CROP, ImageOptions(size=1)])
def test_any_proportions_do(width: int, height: int, options: ImageOptions) -> None:
    decoded = decode_image(encode(plain(width, height)), "x", options)
    assert decoded.shape == (options.size, options.size, 3)
    assert (decoded == [255, 0, 0]).all(axis=2).any()


def test_a_photo_is_turned_before_it_is_padded() -> None:
    content = turned(plain(16, 8), 6)  # shown upright: 8 wide, 16 high
    decoded = decode_image(content, "x", PAD)
    assert (decoded[:, [0, 1, 6, 7]] == 0).all()
    assert (decoded[:, 2:6, 0] > 200).all()
    header = read_header(content, "x").read_with(PAD)
    assert (header.height, header.width, header.is_turned) == (8, 8, True)


def test_white_is_put_behind_what_is_transparent_before_it_is_resized() -> None:
    """So that the colour behind full transparency, here black, does not show at the edges."""
    layered = np.zeros((16, 16, 4), np.uint8)
    layered[:, :8] = [255, 255, 255, 255]
    assert (decode_image(encode(Image.fromarray(layered, "RGBA")), "x", PAD) == 255).all()


def test_colours_of_a_palette_are_mixed_and_not_their_numbers() -> None:
    image = Image.fromarray(np.repeat([[0, 1]], 8, axis=1).repeat(16, axis=0).astype(np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    decoded = decode_image(encode(image), "x", PAD)
    np.testing.assert_array_equal(decoded, lanczos(image.convert("RGB"), 8, 8))
    two = Image.fromarray(grey_pixels(0, 16, 16) > 127)
    assert len(np.unique(decode_image(encode(two), "x", PAD))) > 2


def test_cmyk_and_16_bits_are_as_without_resizing() -> None:
    image = Image.fromarray(colour_pixels(1, 8, 8)).convert("CMYK")
    content = encode(image, "JPEG")
    np.testing.assert_array_equal(decode_image(content, "x", PAD), decode_image(content, "x"))
    with pytest.raises(DataError, match="pixels of mode I;16: only 8 bits a channel are allowed"):
        decode_image(encode(np.full((4, 5), 40_000, np.uint16)), "x", PAD)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_what_the_study_file_says(tmp_path: Path, channels: int) -> None:
    files = make.image_files() | {
        "train/cat/000.png": encode(grey_pixels(0)),
        "test/dog/000.png": encode(grey_pixels(1)),
    }
    place, options = make.write_any(tmp_path / "x.zip", files), ImageOptions(channels=channels)
    assert check_images("images", place, options) == []
    assert load_training("images", place, validation=2, split_seed=0, options=options).shape == (4, 5, channels)
    grey = np.asarray(Image.fromarray(colour_pixels(3)).convert("L"))[..., None]
    expected = grey if channels == 1 else colour_pixels(3)
    np.testing.assert_array_equal(decode_image(encode(colour_pixels(3)), "x", options), expected)


def test_colour_in_test_beside_grey_in_train_is_no_matter_with_channels(tmp_path: Path) -> None:
    files = make.image_files(shape=(4, 5)) | {"test/cat/9.png": encode(colour_pixels(0))}
    assert check_images("images", make.write_any(tmp_path / "x", files), ImageOptions(channels=1)) == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(("width", "height"), [(801, 603), (1200, 500), (64, 64)])
def test_a_large_photo_becomes_what_it_would_without_haste(kind: str, width: int, height: int) -> None:
    image = Image.fromarray(colour_pixels(0, 9, 12)).resize((width, height), Image.Resampling.BICUBIC)
    content = encode(image, kind)
    with Image.open(io.BytesIO(content)) as opened:
        inside = (8, max(1, round(8 * height / width)))
        expected = lanczos(opened, *inside).astype(int)
    top = (8 - inside[1]) // 2
    found = decode_image(content, "x", PAD)[top : top + inside[1]].astype(int)
    assert np.abs(found - expected).max() <= 25  # of noise, whose contrast is over 100
    assert np.abs(found - expected).mean() < 4


# --- data sets of several sizes ---


@pytest.fixture(params=["folder", "x.tar.gz", "x.zip"])
def mixed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    files = make.image_files() | {
        "train/dog/big.jpg": encode(colour_pixels(1, 40, 30), "JPEG"),
        "test/dog/small.webp": encode(colour_pixels(2, 3, 2), "WEBP"),
    }
    return make.write_any(tmp_path / str(request.param), files)


def test_two_sizes_are_named_with_the_way_out(mixed: Path) -> None:
    with pytest.raises(DataError) as caught:
        check_images("images", mixed)
    message = str(caught.value)
    assert "train/dog/big.jpg' has 40×30 pixels (height × width), " in message
    assert (
        "has 4×5: all images must have one size; image_size = 32 in the study file, or another number" in message
    )
    with pytest.raises(DataError, match="image_size = 32 in the study file"):
        load_training("images", mixed, validation=2, split_seed=0)


@pytest.mark.parametrize(
    ("options", "how"),
    [(PAD, "with black beside them where they are not square"), (CROP, "cut to the square in their middle")],
)
def test_images_of_any_sizes_are_brought_to_one(mixed: Path, options: ImageOptions, how: str) -> None:
    assert check_images("images", mixed, options) == [f"{mixed}: 12 of 12 images are resized to 8×8 pixels, {how}"]
    data = load_training("images", mixed, validation=2, split_seed=0, options=options)
    assert data.shape == (8, 8, 3)
    expected = decode_image(encode(colour_pixels(1, 40, 30), "JPEG"), "x", options).reshape(-1)
    assert (np.asarray(data.training.images) == expected).all(axis=1).sum() == 1


def test_other_options_are_other_images(mixed: Path) -> None:
    every = (PAD, CROP, ImageOptions(size=9), ImageOptions(size=8, channels=1))
    found = [load_training("images", mixed, validation=2, split_seed=0, options=one) for one in every]
    assert len({data.fingerprint for data in found}) == 4
    assert (
        load_training("images", mixed, validation=2, split_seed=0, options=PAD).fingerprint == found[0].fingerprint
    )


# --- WebP, GIF and TIFF ---


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_every_further_kind_of_file_decodes(kind: str) -> None:
    pixels = np.full((8, 9, 3), (200, 100, 50), dtype=np.uint8)
    content = saved(Image.fromarray(pixels), kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(decode_image(content, "x"), pixels)
    header = read_header(content, "x")
    assert (header.height, header.width, header.channels, header.is_transparent) == (8, 9, 3, False)


@pytest.mark.parametrize(("kind", "channels"), [("GIF", 3), ("TIFF", 1), ("WEBP", 3)])
def test_a_grey_file_is_grey_where_its_kind_knows_grey(kind: str, channels: int) -> None:
    content = encode(Image.new("L", (5, 4), 77), kind)
    assert read_header(content, "x").channels == channels
    assert decode_image(content, "x").shape == (4, 5, channels)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_images_in_one_file_the_first_is_taken(kind: str) -> None:
    more = [plain(6, 6, "blue"), plain(6, 6, "green")]
    content = saved(
        plain(6, 6), kind, save_all=True, append_images=more, **({"lossless": True} if kind == "WEBP" else {})
    )
    assert (decode_image(content, "x") == [255, 0, 0]).all()


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_of_tiff_and_webp_are_made_once(kind: str, orientation: int) -> None:
    """Pillow turns TIFF by itself, and no other kind."""
    upright = turned(colour_pixels(0, 16, 24), orientation, "PNG")
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(colour_pixels(0, 16, 24)).save(stream, kind, exif=exif, **lossless)
    decoded = decode_image(stream.getvalue(), "x")
    np.testing.assert_array_equal(decoded, decode_image(upright, "x"))
    header = read_header(stream.getvalue(), "x")
    assert (header.height, header.width, header.channels) == decoded.shape
    assert header.is_turned == (orientation != 1)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_white_is_put_behind_transparency_of_every_kind(kind: str) -> None:
    layered = np.zeros((4, 5, 4), np.uint8)
    layered[1:3, 1:4, 3] = 255
    content = saved(Image.fromarray(layered, "RGBA"), kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert read_header(content, "x").is_transparent
    np.testing.assert_array_equal(decode_image(content, "x") == 0, np.repeat(layered[..., 3:] == 255, 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB", "YCbCr"])
def test_a_tiff_header_says_what_the_pixels_become_or_both_refuse(mode: str) -> None:
    content = saved(Image.new(mode, (5, 4)), "TIFF")
    try:
        header = read_header(content, "x")
    except DataError as error:
        assert "only 8 bits a channel" in str(error)  # noqa: PT017 - either may be
        assert mode in ("I;16", "F", "LAB")
        return
    assert decode_image(content, "x").shape == (header.height, header.width, header.channels)


# --- files that state more than they hold ---


def webp_that_states(kind: bytes, width: int, height: int) -> bytes:
    if kind == b"VP8X":
        body = bytes([0x10, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(20)
    else:
        body = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20)
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def gif_that_states(width: int, height: int) -> bytes:
    content = bytearray(encode(plain(4, 4), "GIF"))
    content[6:10] = struct.pack("<HH", width, height)
    return bytes(content)


def tiff_that_states(width: int, height: int) -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 8)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + struct.pack("<H", len(entries)) + directory + bytes(4)


BOMBS = {
    "WebP": webp_that_states(b"VP8X", 2**24, 2**8),
    "lossless WebP": webp_that_states(b"VP8L", 16383, 16383),
    "lossy WebP": webp_that_states(b"VP8 ", 16383, 16383),
    "GIF": gif_that_states(65535, 65535),
    "TIFF": tiff_that_states(100_000, 100_000),
    "smaller GIF": gif_that_states(10_000, 10_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("options", [ImageOptions(), PAD])
def test_too_many_pixels_are_refused_before_decoding(
    bomb: str, options: ImageOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("pixels were decoded"))
    most = MAX_RESIZED_PIXELS if options.size else MAX_PIXELS
    with pytest.raises(DataError, match=f"^x: more than {most:,} pixels$"):
        decode_image(BOMBS[bomb], "x", options)


def test_no_room_is_made_for_the_pixels_that_a_webp_file_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would make it when it opens the file."""
    monkeypatch.setattr("PIL.Image.open", lambda *args, **more: pytest.fail("opened"))
    for bomb in ("WebP", "lossless WebP", "lossy WebP"):
        with pytest.raises(DataError, match="more than"):
            read_header(BOMBS[bomb], "x")


def test_a_large_photo_may_be_made_smaller() -> None:
    content = encode(Image.new("L", (5000, 5000), 9), "PNG")
    with pytest.raises(DataError, match=f"more than {MAX_PIXELS:,} pixels"):
        decode_image(content, "x")
    assert (decode_image(content, "x", PAD) == 9).all()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_a_file_that_is_cut_off_or_changed_is_refused_in_one_line(kind: str) -> None:
    content = encode(colour_pixels(0, 32, 32), kind)
    generator = np.random.default_rng(0)
    for number in range(60):
        damaged = bytearray(content[: generator.integers(1, len(content))] if number % 2 else content)
        for place in generator.integers(0, len(damaged), 3):
            damaged[place] = generator.integers(256)
        try:
            decoded = decode_image(bytes(damaged), "x")
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either may be
            continue
        header = read_header(bytes(damaged), "x")
        assert decoded.shape == (header.height, header.width, header.channels)
