#!/usr/bin/env bash
# NumPy's limit on the header of a .npy file is looked at once the whole header is in memory, unpacked where it was packed.
#
# Versions: numpy 2.4.6, Python 3.11.
#
# What one would guess: the docstring of numpy.load() says of max_header_size, 10,000 by default, that larger headers may not be safe
# to load and require a larger value to be given. So a header that says that it has 128 MiB is refused when that number is read.
#
# What it does: version 2 of the format has a length of four bytes, so up to 4 GiB. The bytes are read, all of them, decoded to a
# text beside them, and the text's length is compared with the limit. In an .npz archive zlib packs blanks a thousand times smaller:
# a file of 130 kB takes 256 MiB to be refused, one of 4 MB would take 8 GiB. Whoever reads arrays from elsewhere must read the
# length before NumPy does.
#
# Output seen:
#   file: 130 kB
#   ValueError: Header info length (134217728) is large and may not be safe to load securely.
#   memory at its highest while it was refused: 256 MiB
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
"$folder/venv/bin/python" -I - "$folder/a.npz" <<'PY'
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np

path, size = Path(sys.argv[1]), 2**27
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("X.npy", "w") as member:
    member.write(b"\x93NUMPY\x02\x00" + struct.pack("<I", size))
    for _ in range(size // 2**20):
        member.write(b" " * 2**20)
print(f"file: {path.stat().st_size // 1000} kB")
tracemalloc.start()
try:
    np.load(path, max_header_size=10_000)["X"]
    refused = False
except ValueError as error:
    print(f"ValueError: {str(error).splitlines()[0]}")
    refused = True
highest = tracemalloc.get_traced_memory()[1]
print(f"memory at its highest while it was refused: {highest // 2**20} MiB")
if not refused or highest < size:
    sys.exit("changed: the header is refused before it is read")
PY
