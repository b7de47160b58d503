# shellcheck shell=sh
# `./dev test`, sourced by ./dev. Each stage appends lines "pass NAME" or "fail NAME" to $results;
# the closing line counts them.

ALL_STAGES='build check unit threads e2e fuzz'
results=.dev/test-results

# The end-to-end tests in which threads meet: keys published to workers, reload, drain, records of all workers.
THREADS_TESTS='tests/e2e/test_keys.py tests/e2e/test_operations.py tests/e2e/test_config.py'

record() {
    printf '%s %s\n' "$1" "$2" >>"$results"
}

# attempt NAME COMMAND...: one result, from a command that shows its own errors.
attempt() {
    name=$1
    shift
    if "$@"; then
        record pass "$name"
    else
        record fail "$name"
        return 1
    fi
}

stage_build() {
    for kind in release asan tsan; do
        folder=build-$kind
        [ $kind != release ] || folder=build
        say "   $folder"
        attempt "build/$kind" "build_$kind" || :
    done
}

build_release() {
    configure_release && compile build
}

build_asan() {
    configure_asan && compile build-asan
}

build_tsan() {
    configure_tsan && compile build-tsan
}

stage_check() {
    for name in $CHECKS analyzer; do
        attempt "check/$name" run_check "$name" || :
    done
}

# meson_tests FOLDER SUITE...: runs tests and takes the results from Meson's log.
meson_tests() {
    folder=$1
    shift
    rm -f "$folder/meson-logs/testlog.json"
    quietly "$folder/dev-test.log" sanitized meson test -C "$folder" --no-rebuild --print-errorlogs "$@" || :
    python3 tools/count_results.py meson "$folder" >>"$results"
}

stage_unit() {
    meson_tests build-asan
}

stage_threads() {
    meson_tests build-tsan --suite threads
    # shellcheck disable=SC2086  # a list of words
    pytest_run build-tsan $THREADS_TESTS
}

# pytest_run FOLDER PATH...: Python tests against that folder's binary.
pytest_run() {
    folder=$1
    shift
    rm -f "$folder/pytest.xml"
    TURNPIKE_BIN="$PWD/$folder/turnpike" sanitized .dev/venv/bin/python -m pytest -q -n 2 \
        -c tests/pytest.ini --junitxml "$folder/pytest.xml" "$@" || :
    python3 tools/count_results.py junit "$folder" >>"$results"
}

stage_e2e() {
    pytest_run build-asan tests
}

stage_fuzz() {
    sanitized python3 tools/fuzz.py --seconds "$FUZZ_SECONDS" --results "$results" || :
}

test_all() {
    for stage; do
        case " $ALL_STAGES " in
        *" $stage "*) ;;
        *) say "./dev test: unknown stage '$stage' (there are: $ALL_STAGES)"; exit 2 ;;
        esac
    done
    setup test
    mkdir -p .dev
    : >"$results"
    # What the chosen stages stand on is always built.
    [ $# -eq 0 ] && chosen=$ALL_STAGES || chosen="build $*"
    for stage in $chosen; do
        started=$(date +%s)
        say "== $stage"
        "stage_$stage"
        say "   $(($(date +%s) - started)) s"
    done
    passed=$(grep -c '^pass ' "$results" || :)
    failed=$(grep -c '^fail ' "$results" || :)
    sed -n 's/^fail /failed: /p' "$results" >&2
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
