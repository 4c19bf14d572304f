#!/usr/bin/env bash
# The side-by-side table of docs/src/benchmarks.md, all from one run on one machine:
#
#     benches/peers/run.sh [--quick] > table.md
#
# What one would run instead (NumPy, SciPy, PyTorch) goes into a virtual environment in target/peers. About 40
# minutes on two cores; --quick stops each descent loop after a minute and extrapolates it (the rows say so).
set -euo pipefail
cd "$(dirname "$0")/../.."

loop_seconds=1e9
if [ "${1:-}" = --quick ]; then loop_seconds=60; fi

environment="target/peers"
if [ ! -x "$environment/bin/python" ]; then python3 -m venv "$environment" >&2; fi
python="$environment/bin/python"
"$python" -m pip install --quiet numpy scipy >&2
"$python" -m pip install --quiet torch --index-url https://download.pytorch.org/whl/cpu >&2 ||
  "$python" -m pip install --quiet torch >&2

# One profile for the program and the benches: what `cargo bench` links is what the scripts time.
cargo build --workspace --profile bench >&2
cargo bench --workspace -- --noplot >&2
export GROKTIME="$PWD/target/release/groktime"
threads="$(nproc)"

echo "Machine: $(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $threads cores; $(rustc --version); $(date +%F)"
section() { printf '\n### %s\n\n```text\n' "$1"; }
section "The library (criterion)"
"$python" benches/peers/library.py target/criterion
printf '```\n'
for peer in ridge effective; do
  section "$peer"
  "$python" "benches/peers/$peer.py"
  printf '```\n'
done
section "diagonal"
if [ "$loop_seconds" = 60 ]; then "$python" benches/peers/diagonal.py --quick; else "$python" benches/peers/diagonal.py; fi
printf '```\n'
section "completion"
"$python" benches/peers/completion.py --loop-seconds "$loop_seconds"
printf '```\n'
section "network"
for count in 1 "$threads"; do "$python" benches/peers/network.py "$count"; done
printf '```\n'
section "The library through Python"
"$python" -m pip install --quiet ./python >&2
"$python" benches/peers/wheel.py
printf '```\n'
