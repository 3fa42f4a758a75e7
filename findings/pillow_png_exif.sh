#!/usr/bin/env bash
# Pillow decodes a whole PNG to say that it has no EXIF data.
#
# Versions: Pillow 13.0.0, Python 3.11.
#
# What one would guess: the docstring of PIL.Image.open() says that opening is lazy and that pixels are read once they are
# processed or load() is called. getexif() ("Gets EXIF data from the image") reads metadata, so it decodes nothing.
#
# What it does: a PNG may hold its eXIf chunk after the pixels. So PngImageFile.getexif() calls load() where none has come
# before them, which is so for most PNG files, and only then answers. A scan over headers thus decodes every such file, and
# fails with an OSError at one whose pixels are cut off. The method of the base class, called as Image.Image.getexif(image),
# does not look behind the pixels and decodes nothing. Other formats have no such rule.
#
# Output seen, entries found and calls of load():
#   PNG without EXIF:                              0 entries, load() called once
#   PNG without EXIF, Image.Image.getexif(image):  0 entries, load() not called
#   PNG with EXIF before the pixels:               1 entry, load() not called
#   PNG with EXIF after the pixels:                1 entry, load() called once
#   PNG with EXIF after, Image.Image.getexif(image): 0 entries, load() not called
#   JPEG without EXIF:                             0 entries, load() not called
#   WebP without EXIF:                             0 entries, load() not called
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" -I - <<'PY'
import io
import sys

from PIL import Image


def encoded(kind, **options):
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, kind, **options)
    return file.getvalue()


def exif_moved_behind_pixels(png):
    """The same PNG with its eXIf chunk right before IEND, as the format allows."""
    chunks, start = {}, 8
    while start < len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        chunks[png[start + 4 : start + 8]] = png[start:end]
        start = end
    assert [*chunks] == [b"IHDR", b"eXIf", b"IDAT", b"IEND"]
    return png[:8] + b"".join(chunks[name] for name in (b"IHDR", b"IDAT", b"eXIf", b"IEND"))


def read(data, getexif):
    """How many entries there are, and how often load() was called for them."""
    with Image.open(io.BytesIO(data)) as image:
        load, calls = image.load, []
        image.load = lambda: (calls.append(1), load())[1]
        return len(getexif(image)), len(calls)


exif = Image.Exif()
exif[0x0112] = 6  # orientation
before = encoded("PNG", exif=exif)
after = exif_moved_behind_pixels(before)
changed = False
for text, data, getexif, expected in (
    ("PNG without EXIF", encoded("PNG"), lambda image: image.getexif(), (0, 1)),
    ("PNG without EXIF, Image.Image.getexif(image)", encoded("PNG"), Image.Image.getexif, (0, 0)),
    ("PNG with EXIF before the pixels", before, lambda image: image.getexif(), (1, 0)),
    ("PNG with EXIF after the pixels", after, lambda image: image.getexif(), (1, 1)),
    ("PNG with EXIF after, Image.Image.getexif(image)", after, Image.Image.getexif, (0, 0)),
    ("JPEG without EXIF", encoded("JPEG"), lambda image: image.getexif(), (0, 0)),
    ("WebP without EXIF", encoded("WEBP"), lambda image: image.getexif(), (0, 0)),
):
    entries, calls = read(data, getexif)
    print(f"{text + ':':46} {entries} {'entry' if entries == 1 else 'entries'}, load() {('not called', 'called once')[calls]}")
    changed |= (entries, calls) != expected
if changed:
    sys.exit("changed: getexif() decodes in other cases")
PY
