#!/bin/sh
# Runs every fuzz target, or those named, for a fixed count of inputs.
#
#   run.sh COUNT [TARGET...]
#
# Interesting inputs are kept in target/fuzz/corpus, an input that fails in target/fuzz/failed. A count of 0 runs one
# target until it is interrupted.
set -eu
cd "$(dirname "$0")"
COUNT=${1:?how many inputs for each target}
shift
OUT=../../target/fuzz
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
# What cargo-fuzz passes as well: libFuzzer needs to see which edges an input reaches.
FLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
FLAGS="$FLAGS -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
FLAGS="$FLAGS -Cllvm-args=-sanitizer-coverage-trace-compares"
# With --target the flags do not reach build scripts and macros.
HOST=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="$FLAGS" cargo build --quiet --release --ignore-rust-version --target "$HOST" --target-dir "$OUT/build"
PROGRAM="$OUT/build/$HOST/release/fuzz"
[ $# -gt 0 ] || set -- $("$PROGRAM" targets)
for target in "$@"; do
    mkdir -p "$OUT/corpus/$target" "$OUT/failed"
    seeds=""
    [ -d "seeds/$target" ] && seeds="seeds/$target"
    runs="-runs=$COUNT"
    [ "$COUNT" -gt 0 ] || runs=""
    echo "fuzz $target"
    # The seed is fixed: the same count gives the same inputs. An input may take 10 s and 512 MiB.
    FUZZ_TARGET=$target "$PROGRAM" $runs -seed=1 -max_len=20000 -timeout=10 -rss_limit_mb=512 -verbosity=0 \
        -artifact_prefix="$OUT/failed/$target-" "$OUT/corpus/$target" $seeds
done
