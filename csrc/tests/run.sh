#!/usr/bin/env bash
# Runs C test programs, as many at a time as there are processors: run.sh VARIANT PROGRAM...
# A program passes with exit code 0, fails with 1 (or by a signal, a sanitizer's report or the time
# limit) and is skipped with 77. One line for each; what it printed is shown when it does not pass.
# PYRAY_C_TEST_TIMEOUT sets the time limit of one program in seconds.
set -u
export variant=$1 limit=${PYRAY_C_TEST_TIMEOUT:-120} prefix=
shift
logs=$(mktemp -d)
export logs
trap 'rm -rf "$logs"' EXIT
ulimit -c 0

asan="detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
export ASAN_OPTIONS="$asan:${ASAN_OPTIONS-}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS-}"
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS-}"
if [ "$variant" = tsan ] && setarch -R true 2> /dev/null; then
    prefix="setarch -R" # ThreadSanitizer cannot place its shadow under strong randomisation
fi

run_one() { # program; its verdict is also the name of a file
    local name log verdict started=$EPOCHREALTIME code elapsed
    name=$(basename "$1") log=$logs/$name.log
    timeout --kill-after=5 "$limit" $prefix "$1" < /dev/null > "$log" 2>&1
    code=$?
    elapsed=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
    case $code in
        0) verdict=PASS ;;
        77) verdict=SKIP ;;
        124 | 137) verdict="FAIL (no end within $limit s, or killed)" ;;
        *) verdict="FAIL (exit code $code)" ;;
    esac
    touch "$logs/$name.${verdict:0:4}"
    { # at once, since others print too
        printf '  %-8s %-28s %7s s  %s\n' "$variant" "$name" "$elapsed" "$verdict"
        case $verdict in
            FAIL*) sed 's/^/    | /' "$log" ;;
            SKIP) tail -n 1 "$log" | sed 's/^/    | /' ;;
        esac
    } > "$log.report"
    cat "$log.report"
}
export -f run_one

count() { find "$logs" -name "*.$1" | wc -l; }

printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -I{} bash -c 'run_one {}'
echo "$(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped"
[ "$(count PASS)" -gt 0 ] && [ $(($(count PASS) + $(count SKIP))) -eq $# ]
