#!/usr/bin/env bash
# Runs C test programs one after another: run.sh VARIANT PROGRAM...
# A program passes with exit code 0, fails with 1 (or by a signal, a sanitizer's report or the time
# limit) and is skipped with 77. One line for each; what it printed is shown when it does not pass.
# PYRAY_C_TEST_TIMEOUT sets the time limit of one program in seconds.
set -u
variant=$1
shift
limit=${PYRAY_C_TEST_TIMEOUT:-120}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
ulimit -c 0

asan="detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
export ASAN_OPTIONS="$asan:${ASAN_OPTIONS-}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS-}"
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS-}"
prefix=()
if [ "$variant" = tsan ] && setarch -R true 2> /dev/null; then
    prefix=(setarch -R) # ThreadSanitizer cannot place its shadow under strong randomisation
fi

passed=0 failed=0 skipped=0
for program; do
    started=$EPOCHREALTIME
    timeout --kill-after=5 "$limit" ${prefix[@]+"${prefix[@]}"} "$program" < /dev/null > "$log" 2>&1
    code=$?
    elapsed=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
    case $code in
        0) verdict=PASS passed=$((passed + 1)) ;;
        77) verdict=SKIP skipped=$((skipped + 1)) ;;
        124 | 137) verdict="FAIL (no end within $limit s, or killed)" failed=$((failed + 1)) ;;
        *) verdict="FAIL (exit code $code)" failed=$((failed + 1)) ;;
    esac
    printf '  %-8s %-28s %7s s  %s\n' "$variant" "$(basename "$program")" "$elapsed" "$verdict"
    case $verdict in
        FAIL*) sed 's/^/    | /' "$log" ;;
        SKIP) tail -n 1 "$log" | sed 's/^/    | /' ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
