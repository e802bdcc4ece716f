# shellcheck shell=bash
# Steps with a name, a time and counts. Sourced by tests/run.

PASSED=0 FAILED=0 SKIPPED=0
LOGS=target/test-logs
STEP_LIMIT=${STEP_LIMIT:-1800} # seconds
STARTED=$(date +%s)
rm -rf "$LOGS" && mkdir -p "$LOGS"

# step COUNT NAME COMMAND...: runs the command with its output in a log of its own, and shows the end of the log when it
# fails. COUNT says how the log counts: `one` for a check, `nextest`, `libtest` or `pytest` for tests.
step() {
    local count=$1 name=$2 log start status=0 passed=0 failed=0 skipped=0
    shift 2
    log="$LOGS/${name//[^A-Za-z0-9]/-}.log"
    start=$(date +%s.%N)
    timeout --foreground --kill-after=10 "$STEP_LIMIT" "$@" >"$log" 2>&1 </dev/null || status=$?
    "count_$count"
    if [[ $status -ne 0 && $failed -eq 0 ]]; then
        failed=1
    fi
    if [[ $((passed + failed + skipped)) -eq 0 ]]; then
        echo "no test was counted" >>"$log"
        failed=1
    fi
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    local verdict=ok
    [[ $failed -eq 0 ]] || verdict=FAILED
    [[ $count == one ]] || name="$name: $passed passed, $failed failed, $skipped skipped"
    printf '%-7s %7.1f s  %s\n' "$verdict" "$(elapsed "$start")" "$name"
    sed -nE 's/^ *(SKIP: .*|SKIPPED \[.*)/                   \1/p' "$log" | sort -u
    if [[ $failed -ne 0 ]]; then
        [[ $status -ne 124 ]] || echo "stopped after its limit of $STEP_LIMIT s" >>"$log"
        tail -n 60 "$log" | sed 's/^/    | /'
        echo "    the whole log: $log"
    fi
    return 0
}

# missing NAME WHAT: a part of this machine that a step needs is not there. A failure in CI, a skip elsewhere.
missing() {
    if [[ ${CI:-} == true ]]; then
        FAILED=$((FAILED + 1))
        printf '%-7s %9s  %s: %s\n' FAILED "" "$1" "$2"
    else
        SKIPPED=$((SKIPPED + 1))
        printf '%-7s %9s  %s: %s\n' skipped "" "$1" "$2"
    fi
}

# finish: the time and, as the last line, the sum. Exits.
finish() {
    echo "$(($(date +%s) - STARTED)) s in all"
    echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    [[ $FAILED -eq 0 ]] || exit 1
    exit 0
}

elapsed() {
    awk -v start="$1" -v end="$(date +%s.%N)" 'BEGIN { print end - start }'
}

# The counters read the variables `log` and `status` of `step` and set its `passed`, `failed` and `skipped`.

count_one() {
    if [[ $status -eq 0 ]]; then passed=1; else failed=1; fi
}

count_nextest() {
    local summary
    summary=$(grep -E '^ *Summary \[' "$log" | tail -n 1 || true)
    count_words "$summary" 'failed|exec failed|timed out'
    count_skip_lines
}

count_libtest() {
    count_words "$(grep -E '^test result: ' "$log" || true)" failed ignored
    count_skip_lines
}

count_pytest() {
    count_words "$(grep -E ' in [0-9.]+s' "$log" | tail -n 1 || true)" 'failed|errors?'
}

# A Rust test that cannot run here says so in a line `SKIP: reason` and passes; it counts as skipped.
count_skip_lines() {
    local lines
    lines=$(grep -cE '^ *SKIP: ' "$log" || true)
    passed=$((passed - lines)) skipped=$((skipped + lines))
}

# count_words TEXT FAILED-WORDS [SKIPPED-WORD]
count_words() {
    passed=$(sum_before "$1" passed)
    failed=$(sum_before "$1" "$2")
    skipped=$(sum_before "$1" "${3:-skipped}")
}

# sum_before TEXT WORDS: the sum of the numbers that stand before one of the words.
sum_before() {
    { grep -oE "[0-9]+ ($2)\b" <<<"$1" || true; } | awk '{ sum += $1 } END { print sum + 0 }'
}
