#!/usr/bin/env bash
# make fuzz: each target for FUZZ_SECONDS (default 30), or only the targets that are
# named. What is found new is kept in fuzz/corpus, crashing inputs in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

seconds=${FUZZ_SECONDS:-30}
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

ensure_toolchain
have c++ || install_packages g++
have cargo-fuzz || cargo install cargo-fuzz --locked

# Without a sanitizer this is a plain stable build. The gateway has no unsafe code, in
# which one would find more; panics and overflows are found as they are. With
# FUZZ_SANITIZER=address the libraries are looked at too, which needs nightly Rust.
sanitizer=${FUZZ_SANITIZER:-none}
cargo=(cargo)
[ "$sanitizer" = none ] || cargo=(cargo +nightly)
build=(--fuzz-dir fuzz --sanitizer "$sanitizer")
for target in "${targets[@]}"; do
    "${cargo[@]}" fuzz build "${build[@]}" "$target"
done

programs=${CARGO_TARGET_DIR:-fuzz/target}/$(rustc -vV | sed -n 's/^host: //p')/release

# The words of configurations, since a fuzzer does not guess them.
words=fuzz/corpus/words
mkdir -p fuzz/corpus
grep -ohE '[A-Za-z_]{3,}' tests/config/valid/*.toml | sort -u | sed 's/.*/"&"/' >"$words"

pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || :' EXIT
trap 'exit 130' HUP INT TERM

failed=()
for target in "${targets[@]}"; do
    # The first folder takes what is new; the others are only read.
    folders=("fuzz/corpus/$target")
    options=(-max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0)
    case $target in
        config)
            folders+=(tests/config/valid tests/config/invalid)
            options+=(-dict="$words" -max_len=4096)
            ;;
        answer)
            folders+=("fuzz/seeds/$target")
            options+=(-dict=fuzz/answer.dict -max_len=1024)
            ;;
        *) folders+=("fuzz/seeds/$target") ;;
    esac
    mkdir -p "${folders[0]}" "fuzz/artifacts/$target"
    log=fuzz/corpus/$target.log
    # Not through cargo, and in the background: a signal to this script alone ends it.
    "$programs/$target" "${options[@]}" -artifact_prefix="fuzz/artifacts/$target/" "${folders[@]}" \
        </dev/null >"$log" 2>&1 &
    pid=$!
    if wait "$pid"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$target: nothing found in $runs runs, $seconds s"
    else
        failed+=("$target")
        echo "$target: FAILED, see $log"
        grep -E -A 3 'panicked at|^SUMMARY' "$log" | head -n 8 || :
    fi
    pid=
done

[ ${#failed[@]} = 0 ] && exit
echo >&2
echo "Failed: ${failed[*]}. The inputs lie in:" >&2
for target in "${failed[@]}"; do
    sed -n 's/.*Test unit written to //p' "fuzz/corpus/$target.log" >&2
done
echo "Each is run again by: cargo fuzz run --sanitizer none TARGET INPUT" >&2
exit 1
