#!/usr/bin/env bash
# Pillow turns a TIFF as its EXIF data say when it decodes it, and leaves JPEG, PNG and WebP as they are stored.
#
# Versions: Pillow 13.0.0, Python 3.11.
#
# What one would guess: whether an image is turned is the caller's choice, by ImageOps.exif_transpose(), and the same for every
# format. So a function that reads the orientation when a file is opened, and turns the pixels once they are there, does right.
#
# What it does: TiffImageFile.load_end() calls exif_transpose() by itself. The size that Image.open() states is already that of
# the turned image, and the orientation is in getexif() until the pixels are decoded and gone after. So a program that asks for
# the orientation first and turns after turns a TIFF twice (a quarter turn becomes a half turn), and no other format.
# ImageOps.exif_transpose() itself is right for all of them, as it decodes before it asks.
#
# Output seen, for an image that is stored 4 wide and 2 high and is to be turned by a quarter:
#   JPEG: size at open (4, 2), orientation 6; once it is decoded (4, 2), orientation 6
#   PNG:  size at open (4, 2), orientation 6; once it is decoded (4, 2), orientation 6
#   WEBP: size at open (4, 2), orientation 6; once it is decoded (4, 2), orientation 6
#   TIFF: size at open (2, 4), orientation 6; once it is decoded (2, 4), orientation None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" -I - <<'PY'
import io
import sys

from PIL import Image

ORIENTATION = 0x0112
STORED, TURNED = (4, 2), (2, 4)


def encoded(kind):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by a quarter
    file = io.BytesIO()
    Image.new("RGB", STORED, "red").save(file, kind, exif=exif)
    return file.getvalue()


changed = False
for kind, expected in (
    ("JPEG", (STORED, 6, STORED, 6)),
    ("PNG", (STORED, 6, STORED, 6)),
    ("WEBP", (STORED, 6, STORED, 6)),
    ("TIFF", (TURNED, 6, TURNED, None)),
):
    with Image.open(io.BytesIO(encoded(kind))) as image:
        # The method of the base class: that of PNG would decode the pixels.
        before = image.size, Image.Image.getexif(image).get(ORIENTATION)
        image.load()
        after = image.size, image.getexif().get(ORIENTATION)
    print(
        f"{kind + ':':5} size at open {before[0]}, orientation {before[1]}; "
        f"once it is decoded {after[0]}, orientation {after[1]}"
    )
    changed |= (*before, *after) != expected
if changed:
    sys.exit("changed: another format turns by itself, or TIFF no longer does")
PY
