"""The random draws of nets side by side, made on their device, the same on every device.

Philox 4x32-10 (Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405), in whole numbers that fit in int64: a
draw is a function of its place alone, so that a device makes all of them at once. The draws of models/draws.py
are NumPy's (PCG64), and an order of theirs comes out of one swap after the other: no device makes that at once. So
these are others, and what is measured with them has other bits than a trial.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.device_graphs import compiled
from mlpsearch.models.draws import AUGMENTATION, BATCH_ORDER, DROPOUT

_MASK = 0xFFFFFFFF
_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_INCREMENTS = (0x9E3779B9, 0xBB67AE85)  # of the key, from round to round


def philox(counter: Sequence[Any], key: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
    """Return four words of 32 bits for a counter of four and a key of two: numbers, or int64 tensors."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high0, low0 = _product(c0, _MULTIPLIERS[0])
        high1, low1 = _product(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + _INCREMENTS[0]) & _MASK, (k1 + _INCREMENTS[1]) & _MASK
    return c0, c1, c2, c3


def _product(word: Any, multiplier: int) -> tuple[Any, Any]:
    """The upper and the lower 32 bits of a product of two words, of which int64 holds no more than 63."""
    upper, lower = word * (multiplier >> 16), word * (multiplier & 0xFFFF)
    return (upper + (lower >> 16)) >> 16, (((upper & 0xFFFF) << 16) + lower) & _MASK


def words(key: Sequence[Tensor], count: int, time: int | Tensor, purpose: int, layer: int | Tensor) -> Tensor:
    """Return words of 32 bits, (nets, count) int64. key: two of (nets, 1).  time: an epoch or a step."""
    blocks = torch.arange(-(-count // 4), device=key[0].device)
    drawn = philox((blocks, time, purpose, layer), key)
    return torch.stack(drawn, -1).reshape(len(key[0]), -1)[:, :count]


def _mask(key: Sequence[Tensor], count: int, step: Tensor, layer: Tensor, dropped: Tensor, kept: Tensor) -> Tensor:
    """Masks, (nets, count): `kept` where a word is not below `dropped`, else 0."""
    return (words(key, count, step, DROPOUT, layer) >= dropped).to(kept.dtype) * kept


class Draws:
    """What the nets of a group draw, each by its own seed, whoever is beside it.

    seeds: of each net, 0 to 2**63 - 1.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device):
        whole = torch.tensor(seeds, device=device)[:, None]
        self._key = (whole & _MASK, whole >> 32)
        self._mask = compiled(_mask, device)

    def order(self, images: int, epoch: int) -> Tensor:
        """Return the order in which each net visits the images in an epoch, (nets, images): permutations."""
        pairs = words(self._key, 2 * images, epoch, BATCH_ORDER, 0).view(-1, images, 2)
        return torch.argsort(pairs[..., 0] << 31 | pairs[..., 1] >> 1, dim=1, stable=True)

    def flips_and_shifts(self, images: int, shift: int, epoch: int) -> tuple[Tensor, Tensor]:
        """Return which images of an epoch are mirrored, (nets, images), and how far moved, (nets, images, 2)."""
        drawn = words(self._key, 4 * images, epoch, AUGMENTATION, 0).view(-1, images, 4)
        return drawn[..., 0] < 2**31, (drawn[..., 1:3] * (2 * shift + 1) >> 32) - shift

    def mask(self, step: Tensor, layer: int, shape: tuple[int, int], rate: float, dtype: torch.dtype) -> Tensor:
        """Return a dropout mask of a layer, (nets, images, units): 0 at what is dropped, else 1 / (1 - rate).

        step: from 0, (1,) int64, on the device.  shape: images and units.
        """
        images, units = shape
        at, dropped = torch.full_like(step, layer), torch.full_like(step, round(rate * 2**32))
        kept = torch.full_like(step, 1 / (1 - rate), dtype=dtype)
        drawn: Tensor = self._mask(self._key, images * units, step, at, dropped, kept)
        return drawn.view(-1, images, units)
