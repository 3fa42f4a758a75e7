"""Predictions see images in all poses that the configuration says, each moved as training images are."""

from itertools import product

import numpy as np
import pytest

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.augmentation import Augmentation
from mlpsearch.models.inputs.poses import AS_IT_IS, Pose, poses_of
from tests.models.cases import configuration
from tests.models.inputs.test_augmentation import SHAPES, pixels_of


def test_without_averaging_an_image_is_seen_as_it_is_and_with_flips_mirrored_after_that() -> None:
    assert poses_of(TrainConfig()) == (AS_IT_IS,)
    assert poses_of(TrainConfig(flip_averaging=True)) == (AS_IT_IS, Pose(mirror=True))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_there_is_each_shift_in_both_directions_once(most: int, flip: bool) -> None:
    poses = poses_of(TrainConfig(shift_averaging=most, flip_averaging=flip))
    places = range(-most, most + 1)
    expected = {Pose(*pose) for pose in product((False, True) if flip else (False,), places, places)}
    assert set(poses) == expected
    assert len(poses) == len(expected) == (1 + flip) * (2 * most + 1) ** 2


def test_an_image_is_mirrored_and_then_moved_down_and_right() -> None:
    pixels = np.arange(9, dtype=np.uint8)[None]
    seen = Pose(mirror=True, down=1, right=1)(pixels, (3, 3, 1))
    assert seen.reshape(3, 3).tolist() == [[2, 2, 1], [2, 2, 1], [5, 5, 4]]


@pytest.mark.parametrize("shape", [*SHAPES, (1, 2, 3)])
@pytest.mark.parametrize("flip", [False, True])
def test_every_pose_is_one_of_those_of_training_images(
    shape: tuple[int, int, int], flip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pose in poses_of(TrainConfig(shift_averaging=3, flip_averaging=flip)):
        shown = pixels_of(shape)
        drawn = np.full(len(shown), pose.mirror), np.tile([pose.down, pose.right], (len(shown), 1))
        monkeypatch.setattr("mlpsearch.models.inputs.augmentation.flips_and_shifts", lambda *_, drawn=drawn: drawn)
        Augmentation(configuration(shift=3, flip=flip), shape, 20)(shown, 1, 0)
        given = pixels_of(shape)
        np.testing.assert_array_equal(pose(given, shape), shown)
        np.testing.assert_array_equal(given, pixels_of(shape))


@pytest.mark.parametrize("images", [0, 1])
def test_there_may_be_no_image(images: int) -> None:
    pixels = np.arange(images * 12, dtype=np.uint8).reshape(images, 12)
    for pose in poses_of(TrainConfig(shift_averaging=1, flip_averaging=True)):
        assert pose(pixels, (2, 2, 3)).shape == pixels.shape
