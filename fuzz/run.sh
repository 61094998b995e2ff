#!/usr/bin/env bash
# Fuzzes with stable Rust and nothing to install: libFuzzer comes with a crate, its counters with flags of rustc.
#
#   fuzz/run.sh SECONDS               every target in turn, each for so long
#   fuzz/run.sh TARGET SECONDS        one target
#   fuzz/run.sh TARGET FILE           one input again: how a crash is reproduced
#   fuzz/run.sh TARGET keep           what reaches most that the corpus does not, out of what was found, into fuzz/corpus/TARGET
#
# Inputs that were found grow in the target folder and stay out of the repository; seeds are in fuzz/corpus/TARGET.
# FUZZ_WORK names another place for what was found and for crashes.
set -euo pipefail

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    echo "targets: $(targets | xargs)"
    exit 2
}

targets() { basename -s .rs "$fuzz"/fuzz_targets/*.rs; }

fuzz="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$fuzz/target}"
work="${FUZZ_WORK:-$fuzz}"
host="$(rustc -vV | sed -n 's/^host: //p')"

# What cargo-fuzz passes for `--sanitizer none`. A --target keeps it away from build scripts.
coverage=(
    --cfg fuzzing
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
)

build() {
    echo "fuzz: building (a few minutes the first time)"
    # What is fuzzed is what is shipped; cargo adds libFuzzer's own crate to the copy.
    local shipped="$fuzz/target/shipped.lock"
    if ! [ -f "$fuzz/Cargo.lock" ] || ! cmp -s "$fuzz/../Cargo.lock" "$shipped"; then
        mkdir -p "$fuzz/target"
        cp "$fuzz/../Cargo.lock" "$fuzz/Cargo.lock"
        cp "$fuzz/../Cargo.lock" "$shipped"
    fi
    RUSTFLAGS="${coverage[*]}" cargo build --quiet --manifest-path "$fuzz/Cargo.toml" --release --target "$host"
}

# fuzzer TARGET ARGUMENTS...
fuzzer() {
    local target="$1" options=(-timeout=10 -rss_limit_mb=1024 -max_len=8192)
    if [ -f "$fuzz/dictionaries/$target" ]; then options+=("-dict=$fuzz/dictionaries/$target"); fi
    mkdir -p "$work/artifacts/$target" "$work/target/found/$target"
    "$CARGO_TARGET_DIR/$host/release/$target" "${options[@]}" \
        "-artifact_prefix=$work/artifacts/$target/" "${@:2}"
}

fuzz_for() {
    local target="$1" seconds="$2" log crash
    log="$work/artifacts/$target/log"
    mkdir -p "$(dirname "$log")"
    echo "fuzz: $target for $seconds s"
    if fuzzer "$target" "-max_total_time=$seconds" -print_final_stats=1 \
        "$work/target/found/$target" "$fuzz/corpus/$target" >"$log" 2>&1; then
        echo "fuzz: $target: $(sed -n 's/^Done \(.*\)/\1/p' "$log" | tail -1), no crash"
        return
    fi
    tail -40 "$log"
    crash="$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)"
    echo "fuzz: $target FAILED on the input ${crash:-(see $log)}"
    echo "fuzz: again:    fuzz/run.sh $target $crash"
    echo "fuzz: then mend it, and keep the input as a file of fuzz/corpus/$target: \`make test\` reads it for ever"
    return 1
}

# Smallest first, the inputs that reach at least 8 edges which no seed and no smaller input reaches.
keep() {
    local target="$1" merged control
    merged="$(mktemp -d)" control="$(mktemp -u)"
    cp "$fuzz/corpus/$target"/* "$merged/"
    fuzzer "$target" -merge=1 "-merge_control_file=$control" "$merged" "$work/target/found/$target" >"$merged.log" 2>&1 ||
        { tail -5 "$merged.log"; echo "fuzz: nothing kept of $target"; return 1; }
    awk 'NR == 1 { files = $1 } NR == 2 { seeds = $1 } NR > 2 && NR <= files + 2 { name[NR - 3] = $0 }
        $1 == "COV" && $2 >= seeds && NF >= 10 { print name[$2] }' "$control" |
        xargs -r -d '\n' cp -t "$fuzz/corpus/$target"
    rm -r "$merged" "$merged.log" "$control"
    echo "fuzz: fuzz/corpus/$target has $(find "$fuzz/corpus/$target" -type f | wc -l) files"
}

case "$#:${1:-}:${2:-}" in
1:*[!0-9]*:) usage ;;
1:*:)
    build
    failed=0
    for target in $(targets); do fuzz_for "$target" "$1" || failed=1; done
    exit "$failed"
    ;;
2:*) ;;
*) usage ;;
esac

target="$1"
[ -f "$fuzz/fuzz_targets/$target.rs" ] || usage
build
if [ "$2" = keep ]; then
    keep "$target"
elif [[ "$2" =~ ^[0-9]+$ ]]; then
    fuzz_for "$target" "$2"
else
    fuzzer "$target" "$2"
fi
