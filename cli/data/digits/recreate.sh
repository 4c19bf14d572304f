#!/bin/sh
# Makes digits.npy again from the public scikit-learn package. Needs python3 with pip, numpy, unzip.
set -eu
target=$(cd "$(dirname "$0")" && pwd)/digits.npy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" scikit-learn
unzip -q -j "$work"/*.whl sklearn/datasets/data/digits.csv.gz -d "$work"
python3 - "$work/digits.csv.gz" "$target" <<'PYTHON'
import sys
import numpy as np

table = np.loadtxt(sys.argv[1], delimiter=",")
assert table.shape == (1797, 65) and table.min() == 0 and table[:, :64].max() == 16
assert set(table[:, 64]) == set(range(10)) and (table == table.round()).all()
np.save(sys.argv[2], np.ascontiguousarray(table.astype(np.uint8)))
PYTHON
