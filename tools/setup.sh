#!/bin/sh
# Makes this machine able to do one kind of work on Turnpike, and does nothing when it already is:
#
#     tools/setup.sh build     compile it, with its console
#     tools/setup.sh test      also test it: sanitizers, checks, Python and Node packages
#     tools/setup.sh bench     compile it and measure it
#     tools/setup.sh instructions   the same, counting instructions
#
# System packages come through apt, as root or with sudo. Python and Node packages go into the
# checkout (.dev/venv, web/node_modules, tests/e2e/node/node_modules), never into the system.
# What was done is in .dev/setup.log. docs/decisions/0010 says why it is made this way.
set -eu
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."

purpose=${1:?build, test, bench or instructions}
log=.dev/setup.log

# One line for each reason. A library stands here only if meson.build names it.
build_packages='
    gcc libc6-dev meson ninja-build pkg-config
    libc-ares-dev libcurl4-openssl-dev libllhttp-dev libsqlite3-dev libssl-dev liburcu-dev libuv1-dev
    libvectorscan-dev libyaml-dev libyyjson-dev systemtap-sdt-dev zlib1g-dev
    libcmocka-dev'
test_packages='
    clang libclang-rt-MAJOR-dev
    busybox git shellcheck universal-ctags
    ca-certificates chromium curl haproxy iproute2 nginx-light openssl procps tinyproxy-bin
    python3-venv'
bench_packages='curl nginx-light wrk'
instructions_packages='nginx-light valgrind'

# Debian 12 has no package of these two; they and the libraries they bring are taken from Debian 13.
next_packages='libllhttp-dev libyyjson-dev'
next_pattern='libllhttp* libyyjson*'
next_pin=/etc/apt/preferences.d/turnpike-next

say() {
    printf '%s\n' "setup: $*" >&2
}

fail() {
    printf '%s\n' "setup: $*" >&2
    exit 1
}

# The release as its name ("bookworm"), empty where the system does not say.
codename() {
    # shellcheck disable=SC1091  # a file of the system
    (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}") 2>/dev/null || :
}

# The clang that the release's `clang` package means; its runtime is a package with the number in the name.
clang_major() {
    case $(codename) in
    bookworm) echo 14 ;;
    *) echo 19 ;;
    esac
}

# Python's venv, where npm has to come from PyPI (find_npm).
npm_packages() {
    command -v npm >/dev/null || [ -x .dev/venv/bin/npm ] || printf ' python3-venv'
}

wanted_packages() {
    case $purpose in
    build) printf '%s' "$build_packages$(npm_packages)" ;;
    test) printf '%s' "$build_packages $test_packages" | sed "s/MAJOR/$(clang_major)/" ;;
    bench) printf '%s' "$build_packages $bench_packages$(npm_packages)" ;;
    instructions) printf '%s' "$build_packages $instructions_packages$(npm_packages)" ;;
    *) fail "unknown purpose '$purpose' (build, test, bench or instructions)" ;;
    esac
}

# Which of the given packages are not installed.
missing_packages() {
    # shellcheck disable=SC2016  # the format is dpkg-query's
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        awk -v wanted="$*" '
            $1 == "installed" { have[$2] = 1 }
            END { n = split(wanted, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) printf "%s ", w[i] }'
}

# Runs a command as root and keeps what it says in the log.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@" >>"$log" 2>&1
    else
        # shellcheck disable=SC2024  # the log is ours, not root's
        sudo "$@" >>"$log" 2>&1
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

has_candidate() {
    apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [0-9]'
}

# Prints "FILE NUMBER" of the entry from which this machine takes Debian's main component: a line
# number in a one-line list, a stanza's number in a .sources file.
own_source() {
    # shellcheck disable=SC2016  # the format is apt's
    apt-get indextargets --format '$(SOURCESENTRY) $(ORIGIN) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' |
        awk -v release="$(codename)" '
            $2 == "Debian" && $3 == release && $4 == "main" {
                match($1, /:[0-9]+$/)
                print substr($1, 1, RSTART - 1), substr($1, RSTART + 1)
                exit
            }'
}

# That entry again, same address, options and key, for the suite $3.
entry_for_suite() {
    case $1 in
    *.sources)
        awk -v RS= -v wanted="$2" -v suite="$3" '
            /(^|\n)Types:/ && ++stanza == wanted {
                n = split($0, line, "\n")
                for (i = 1; i <= n; i++) {
                    if (line[i] ~ /^#/) continue
                    if (line[i] ~ /^[^ \t]/) field = line[i]
                    if (field ~ /^Types:/) { if (line[i] == field) print "Types: deb" }
                    else if (field ~ /^Suites:/) { if (line[i] == field) print "Suites: " suite }
                    else if (field ~ /^Components:/) { if (line[i] == field) print "Components: main" }
                    else print line[i]
                }
            }' "$1"
        ;;
    *)
        awk -v wanted="$2" -v suite="$3" '
            NR == wanted {
                options = ""
                if (match($0, /\[[^]]*\]/)) {
                    options = substr($0, RSTART, RLENGTH) " "
                    $0 = substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
                }
                print "deb " options $2 " " suite " main"
            }' "$1"
        ;;
    esac
}

# Writes the two files that let apt take $next_packages, and nothing else, from the next release.
prepare_next_release() {
    [ "$(codename)" = bookworm ] ||
        fail "this system has no package of: $next_packages; Turnpike is built on Debian 12 and 13"
    # shellcheck disable=SC2046  # two words
    set -- trixie $(own_source)
    [ $# = 3 ] || fail "no source of Debian's main component found in /etc/apt (packages needed: $next_packages)"
    next_source=/etc/apt/sources.list.d/turnpike-next.list
    case $2 in *.sources) next_source=/etc/apt/sources.list.d/turnpike-next.sources ;; esac
    {
        echo "# Added by Turnpike's set-up, held back by $next_pin. Remove both before upgrading this system."
        entry_for_suite "$2" "$3" "$1"
    } >.dev/next-source
    cat >.dev/next-pin <<PIN
Explanation: Added by Turnpike's set-up. Remove before upgrading this system to $1.
Package: *
Pin: release n=$1
Pin-Priority: -10

Package: $next_pattern
Pin: release n=$1
Pin-Priority: 500
PIN
}

add_next_release() {
    prepare_next_release
    say "Debian 12 has no libllhttp and libyyjson: taking those two from Debian 13 ($next_source)"
    # The pin first: at no moment may apt see the next release without it.
    as_root install -m 644 .dev/next-pin "$next_pin"
    as_root install -m 644 .dev/next-source "$next_source"
    if ! apt update; then
        as_root rm -f "$next_source" "$next_pin"
        tail -n 15 "$log" >&2
        fail "apt could not read Debian 13's package lists (all of it in $log)"
    fi
}

needs_next_release() {
    for package in $next_packages; do
        case " $* " in
        *" $package "*) has_candidate "$package" || return 0 ;;
        esac
    done
    return 1
}

# Goes on if packages can be installed; otherwise says what somebody who is root would have to do.
require_root() {
    [ "$(id -u)" = 0 ] && return 0
    if command -v sudo >/dev/null 2>&1; then
        sudo -n true 2>/dev/null && return 0
        [ -t 0 ] && sudo -v && return 0
    fi
    say "packages are missing, and neither root nor sudo is at hand. As root, run in this folder:"
    if needs_next_release "$@"; then
        prepare_next_release
        say "    install -m 644 .dev/next-pin $next_pin"
        say "    install -m 644 .dev/next-source $next_source"
    fi
    say "    apt-get update && apt-get install --no-install-recommends $*"
    exit 1
}

# Debian starts a server when its package is installed. Tests start their own nginx and haproxy, so
# a new one must neither run nor come back at boot.
install_packages() {
    quiet_start=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        quiet_start=yes
        printf '#!/bin/sh\nexit 101\n' >.dev/policy-rc.d
        as_root install -m 755 .dev/policy-rc.d /usr/sbin/policy-rc.d
    fi
    new_servers=$(missing_packages nginx-common haproxy)
    status=0
    apt install --no-install-recommends "$@" || status=$?
    [ -z "$quiet_start" ] || as_root rm -f /usr/sbin/policy-rc.d
    for server in $new_servers; do
        if [ -z "$(missing_packages "$server")" ] && command -v systemctl >/dev/null; then
            as_root systemctl disable "${server%-common}" || :
        fi
    done
    return $status
}

set_up_packages() {
    # shellcheck disable=SC2046  # a list of words
    set -- $(wanted_packages)
    missing=$(missing_packages "$@")
    [ "$missing" ] || return 0
    # shellcheck disable=SC2086  # a list of words
    require_root $missing
    say "installing $missing"
    apt update || say "some package lists could not be refreshed (see $log)"
    # shellcheck disable=SC2086  # lists of words
    if needs_next_release $missing; then
        add_next_release
    fi
    # shellcheck disable=SC2086  # a list of words
    if ! install_packages $missing; then
        tail -n 15 "$log" >&2
        fail "apt could not install the packages (all of it in $log)"
    fi
}

# Runs a command whose output matters only if it fails.
logged() {
    "$@" >>"$log" 2>&1 </dev/null && return 0
    tail -n 15 "$log" >&2
    fail "failed: $* (all of it in $log)"
}

# A stamp holds the sum of the files that say what is to be installed.
stamped() {
    stamp=$1
    shift
    sum=$(cat "$@" | cksum)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ]
}

set_up_python() {
    stamped .dev/venv/turnpike.stamp tools/requirements.txt tests/requirements.txt && return 0
    say "installing Python packages into .dev/venv"
    [ -x .dev/venv/bin/pip ] || logged python3 -m venv .dev/venv
    logged .dev/venv/bin/pip install --disable-pip-version-check -r tools/requirements.txt -r tests/requirements.txt
    cat tools/requirements.txt tests/requirements.txt | cksum >.dev/venv/turnpike.stamp
}

# npm is the system's where there is one; Debian's brings four hundred packages, so where there is
# none it comes with a Python package, and Node with it.
find_npm() {
    command -v npm >/dev/null && return 0
    PATH=$PWD/.dev/venv/bin:$PATH
    command -v npm >/dev/null && return 0
    say "installing npm into .dev/venv"
    [ -x .dev/venv/bin/pip ] || python3 -m venv .dev/venv >>"$log" 2>&1 || return
    .dev/venv/bin/pip install --disable-pip-version-check -r tools/requirements-npm.txt >>"$log" 2>&1 </dev/null
}

# install_node_packages FOLDER: what its lock file names, each held against the sum that stands there.
# Scripts that packages would like to run are not run.
install_node_packages() {
    find_npm || return
    say "installing Node packages into $1/node_modules"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --fetch-retry-maxtimeout 20000 >>"$log" 2>&1 </dev/null || return
    cksum <"$1/package-lock.json" >"$1/node_modules/turnpike.stamp"
}

# The Node that runs the tests is pinned in package.json of the first; the second drives Chromium.
set_up_node() {
    for folder in tests/e2e/node tests/console; do
        stamped $folder/node_modules/turnpike.stamp $folder/package-lock.json || logged install_node_packages $folder
    done
}

# What the console is bundled with. Where the registry cannot be reached the gateway is built without
# its console, and says so; a machine that tests has to have it.
set_up_console() {
    [ -f web/package-lock.json ] || return 0
    stamped web/node_modules/turnpike.stamp web/package-lock.json && return 0
    install_node_packages web && return 0
    tail -n 15 "$log" >&2
    [ "$purpose" != test ] || fail "the console's packages could not be installed (all of it in $log)"
    say "the console's packages could not be installed (all of it in $log): building without the console"
}

mkdir -p .dev
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    set_up_packages
elif ! command -v meson >/dev/null || ! command -v ninja >/dev/null; then
    fail "this system has no apt. Install what corresponds to these Debian packages, then try again:
$(wanted_packages)"
fi
if [ "$purpose" = test ]; then
    set_up_python
    set_up_node
fi
set_up_console
