"""Criterion's estimates as a table: `python3 benches/peers/library.py target/criterion`.

The median over the samples and the half width of its 95% confidence interval, one line a benchmark.
"""

import json
import pathlib
import sys

UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/criterion")
    rows = []
    for folder in root.glob("**/new"):
        names = json.loads((folder / "benchmark.json").read_text())
        median = json.loads((folder / "estimates.json").read_text())["median"]
        interval = median["confidence_interval"]
        half = (interval["upper_bound"] - interval["lower_bound"]) / 2
        rows.append((names["full_id"], median["point_estimate"], half))
    if not rows:
        sys.exit(f"no estimates under {root}: run `cargo bench` first")
    width = max(len(name) for name, _, _ in rows)
    for name, nanoseconds, half in sorted(rows):
        size, unit = next((s, u) for s, u in UNITS if nanoseconds >= s or s == 1.0)
        print(f"{name:{width}}  {nanoseconds / size:8.3f} {unit:2}  ± {100 * half / nanoseconds:.0f}%")


if __name__ == "__main__":
    main()
