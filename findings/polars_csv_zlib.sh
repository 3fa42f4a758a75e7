#!/usr/bin/env bash
# Polars takes a CSV file whose first column is named x^2 for one that is packed with zlib, and does not read it.
#
# Versions: polars 2.1.0, Python 3.11.
#
# What one would guess: the docstring of polars.read_csv() says that compressed files (gzip and zstd) are supported; zlib is not
# named, and gzip and zstd begin with bytes that no text in UTF-8 begins with. So a text is never mistaken for one of them.
#
# What it does: it looks at the first bytes alone, whatever the file is called, and a stream of zlib begins with 78 01, 78 5E, 78 9C
# or 78 DA. The second is "x^" in ASCII. So the header x^2,y, as one writes polynomials, fails with "corrupt deflate stream", in
# read_csv(), scan_csv(), read_lines() and read_ndjson(). There is no option against it; with another line or a byte order mark in
# front the text is read. Where untrusted files are read it matters too: a file named a.csv, of any of the three kinds, is unpacked,
# with no bound on the size.
#
# Output seen:
#   read_csv, the header y,x^2:                     {'y': [2], 'x^2': [4]}
#   read_csv, the header x^2,y:                     OSError: corrupt deflate stream
#   read_csv, the same with a byte order mark:      {'x^2': [4], 'y': [2]}
#   read_csv, a header in quotes:                   {'x^2': [4], 'y': [2]}
#   scan_csv, the header x^2,y:                     OSError: corrupt deflate stream
#   read_csv, the packed bytes of y,x^2:            {'y': [2], 'x^2': [4]}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
"$folder/venv/bin/python" -I - <<'PY'
import codecs
import io
import sys
import zlib

import polars as pl


def seen(read, content):
    try:
        return str(read(content).to_dict(as_series=False))
    except OSError as error:
        return f"OSError: {error}"


def scan(content):
    return pl.scan_csv(io.BytesIO(content)).collect()


plain, turned = b"x^2,y\n4,2\n", b"y,x^2\n2,4\n"
error, right, other = "OSError: corrupt deflate stream", "{'x^2': [4], 'y': [2]}", "{'y': [2], 'x^2': [4]}"
changed = False
for text, read, content, expected in (
    ("read_csv, the header y,x^2", pl.read_csv, turned, other),
    ("read_csv, the header x^2,y", pl.read_csv, plain, error),
    ("read_csv, the same with a byte order mark", pl.read_csv, codecs.BOM_UTF8 + plain, right),
    ("read_csv, a header in quotes", pl.read_csv, b'"x^2",y\n4,2\n', right),
    ("scan_csv, the header x^2,y", scan, plain, error),
    ("read_csv, the packed bytes of y,x^2", pl.read_csv, zlib.compress(turned), other),
):
    answer = seen(read, content)
    print(f"{text + ':':47} {answer}")
    changed |= answer != expected
if changed:
    sys.exit("changed: other texts are taken for packed ones")
PY
