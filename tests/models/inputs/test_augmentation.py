"""Images are mirrored and moved as drawn, and drawn from seed, epoch and batch alone."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models.draws import flips_and_shifts
from mlpsearch.models.inputs.augmentation import Augmentation, mirrored
from tests.models.cases import configuration

SHAPES = [(4, 5, 3), (6, 4, 1), (2, 2, 3)]


def pixels_of(shape: tuple[int, int, int], images: int = 9) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (images, int(np.prod(shape))), dtype=np.uint8)


def augmented(shape: tuple[int, int, int], epoch: int = 1, batch: int = 0, **options: Any) -> NDArray[np.uint8]:
    pixels = pixels_of(shape)
    Augmentation(configuration(**options), shape, 20)(pixels, epoch, batch)
    return pixels


def expected(shape: tuple[int, int, int], **options: Any) -> NDArray[np.uint8]:
    """The same image by image, with np.pad."""
    config = configuration(**options)
    images = pixels_of(shape).reshape(-1, *shape)
    flips, shifts = flips_and_shifts(len(images), config, 1, 0)
    height, width, _ = shape
    margin, made = config.shift, []
    for image, flip, (down, right) in zip(images, flips, shifts, strict=True):
        turned = image[:, ::-1] if flip and config.flip else image
        framed = np.pad(turned, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        top, left = margin - down, margin - right
        made.append(framed[top : top + height, left : left + width].ravel())
    return np.array(made)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", [{"flip": True}, {"shift": 1}, {"shift": 3}, {"flip": True, "shift": 2}])
def test_images_are_mirrored_and_moved_as_drawn(shape: tuple[int, int, int], options: dict[str, Any]) -> None:
    found = augmented(shape, **options)
    np.testing.assert_array_equal(found, expected(shape, **options))
    assert (found != pixels_of(shape)).any()


def test_a_mirror_image_has_left_and_right_exchanged() -> None:
    image = np.arange(12, dtype=np.uint8)[None]
    assert mirrored(image, (2, 3, 2)).tolist() == [[4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7]]
    np.testing.assert_array_equal(mirrored(mirrored(image, (2, 3, 2)), (2, 3, 2)), image)


def test_a_positive_shift_moves_down_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.array([False]), np.array([[1, 1]])
    monkeypatch.setattr("mlpsearch.models.inputs.augmentation.flips_and_shifts", lambda *_: drawn)
    pixels = np.arange(9, dtype=np.uint8)[None]
    Augmentation(configuration(shift=1), (3, 3, 1), 1)(pixels, 1, 0)
    assert pixels.reshape(3, 3).tolist() == [[0, 0, 1], [0, 0, 1], [3, 3, 4]]


def test_draws_depend_on_seed_epoch_and_batch_alone() -> None:
    first = augmented((4, 5, 3), flip=True, shift=1, seed=3)
    again = augmented((4, 5, 3), flip=True, shift=1, seed=3, hidden_size=99, epochs=77)
    np.testing.assert_array_equal(first, again)
    others = [
        augmented((4, 5, 3), flip=True, shift=1, seed=4),
        augmented((4, 5, 3), epoch=2, flip=True, shift=1, seed=3),
        augmented((4, 5, 3), batch=1, flip=True, shift=1, seed=3),
    ]
    assert all((other != first).any() for other in others)


def test_half_of_the_images_are_mirrored_and_all_shifts_are_alike() -> None:
    flips, shifts = flips_and_shifts(20_000, configuration(flip=True, shift=2), 1, 0)
    assert flips.mean() == pytest.approx(0.5, abs=0.02)
    values, counts = np.unique(shifts, axis=0, return_counts=True)
    assert len(values) == 25
    assert (values.min(), values.max()) == (-2, 2)
    assert counts / 20_000 == pytest.approx(np.full(25, 1 / 25), abs=0.01)


@pytest.mark.parametrize("images", [0, 1])
def test_a_batch_may_have_no_image_to_mirror(images: int) -> None:
    pixels = np.arange(images * 12, dtype=np.uint8).reshape(images, 12)
    assert mirrored(pixels, (2, 2, 3)).shape == pixels.shape
    augmentation = Augmentation(configuration(flip=True), (2, 2, 3), 1)
    shown = [pixels.copy() for _ in range(20)]
    for epoch, one in enumerate(shown, start=1):
        augmentation(one, epoch, 0)
    assert len(np.unique(shown, axis=0)) == (2 if images else 1)
