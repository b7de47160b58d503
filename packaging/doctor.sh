#!/bin/sh
# The first checks of `turnpike doctor URL`, where the binary cannot go: any POSIX shell, and curl.
#
#     TURNPIKE_API_KEY=tpk_... sh doctor.sh https://gateway.example
#
# The key comes from TURNPIKE_API_KEY or OPENAI_API_KEY, never from the command line. Nothing is written but a
# temporary folder, nothing is fetched but from URL. Checks and words are those of `turnpike doctor`; what it leaves
# out are the call to a model, large bodies, silent streams and connections, and whether providers can be reached
# without the gateway.
# Exit code: 0 nothing failed, 1 something failed, 2 the command line was wrong.
set -u
export LC_ALL=C

CONNECT_SECONDS=8
TOTAL_SECONDS=15
CLOCK_WARN_SECONDS=30
CLOCK_FAIL_SECONDS=300

usage() {
    echo "usage: sh doctor.sh URL        (the key in TURNPIKE_API_KEY or OPENAI_API_KEY)" >&2
    exit 2
}

[ $# -eq 1 ] || usage
case $1 in
-h | --help) usage ;;
http://?* | https://?*) ;;
*)
    echo "doctor.sh: '$1' is no URL of a gateway: it begins with http:// or https://" >&2
    usage
    ;;
esac
command -v curl >/dev/null 2>&1 || {
    echo "doctor.sh: curl is missing here" >&2
    exit 2
}

# Without slashes at the end and without the /v1 of the SDKs' base URL.
base=$1
while [ "${base%/}" != "$base" ]; do base=${base%/}; done
base=${base%/v1}
scheme=${base%%://*}
authority=${base#*://}
authority=${authority%%/*}
case $authority in
\[*\]*)
    host=${authority#\[}
    host=${host%%\]*}
    ;;
*) host=${authority%%:*} ;;
esac

folder=$(mktemp -d "${TMPDIR:-/tmp}/turnpike-doctor.XXXXXX") || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 2' HUP INT TERM

passed=0 warnings=0 failed=0
direct='' rewritten=''

# say RESULT CHECK DETAIL [FIX]
say() {
    case $1 in
    pass) passed=$((passed + 1)) ;;
    WARN) warnings=$((warnings + 1)) ;;
    FAIL) failed=$((failed + 1)) ;;
    esac
    # What servers say may hold what a terminal obeys.
    printf '%s  %-12s %s\n' "$1" "$2" "$3" | tr -d '\000-\011\013-\037\177'
    [ $# -lt 4 ] || printf '                   fix: %s\n' "$4"
}

finish() {
    word=warnings
    [ "$warnings" -ne 1 ] || word=warning
    printf '\n%s passed, %s %s, %s failed\n' "$passed" "$warnings" "$word" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

# ask PATH [KEY [OPTIONS]]: leaves $folder/head, body, error and figures; returns curl's exit code. The key goes
# through standard input: every user of this machine sees command lines. OPTIONS: lines as in a file for curl.
ask() {
    {
        echo 'silent'
        echo 'show-error'
        # Not every curl reads networks in NO_PROXY.
        [ -z "$direct" ] || echo 'noproxy = "*"'
        [ -z "${2:-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$2"
        [ -z "${3:-}" ] || printf '%s\n' "$3"
    } | curl -K - --connect-timeout "$CONNECT_SECONDS" --max-time "$TOTAL_SECONDS" \
        -D "$folder/head" -o "$folder/body" -w '%{http_code}|%{remote_ip}|%{time_total}|%{time_starttransfer}\n' \
        "$base$1" >"$folder/figures" 2>"$folder/error"
}

# The value of a header of the last answer.
field() {
    tr -d '\r' <"$folder/head" |
        awk -v name="$1:" 'tolower($1) == name { sub(/^[^:]*:[ \t]*/, ""); value = $0 } END { print value }'
}

problem() {
    sed -n '1s/^curl: ([0-9]*) //p' "$folder/error"
}

# ---------------------------------------------------------------- proxy variables

check_proxy() {
    if [ "$scheme" = https ]; then
        proxy=${https_proxy:-${HTTPS_PROXY:-}}
        variable=HTTPS_PROXY
    else
        # curl reads the lower case alone for plain HTTP; the SDKs read both.
        proxy=${http_proxy:-${HTTP_PROXY:-}}
        variable=HTTP_PROXY
        [ -z "$proxy" ] || export http_proxy="$proxy"
    fi
    list=${no_proxy:-${NO_PROXY:-}}
    if [ -n "${http_proxy:-}" ] && [ -n "${HTTP_PROXY:-}" ] && [ "$http_proxy" != "$HTTP_PROXY" ] ||
        [ -n "${https_proxy:-}" ] && [ -n "${HTTPS_PROXY:-}" ] && [ "$https_proxy" != "$HTTPS_PROXY" ] ||
        [ -n "${no_proxy:-}" ] && [ -n "${NO_PROXY:-}" ] && [ "$no_proxy" != "$NO_PROXY" ]; then
        say WARN proxy "a proxy variable in lower case and its twin in upper case say different things" \
            "give both spellings the same value: programs differ in which they read"
    elif [ -z "$proxy" ]; then
        say pass proxy "no proxy is set for this URL: direct"
    elif is_excepted "$list"; then
        say pass proxy "a proxy is set, and NO_PROXY has $host: direct"
        proxy='' direct=yes
    else
        say WARN proxy "$variable sends this URL through ${proxy##*@}" \
            "if the gateway is inside your network, put its name into NO_PROXY"
    fi
}

# in_network ADDRESS NETWORK/BITS, of IPv4.
in_network() {
    echo "$1 $2" | awk -F '[ ./]' '{ size = 2 ^ (32 - $9)
        a = (($1 * 256 + $2) * 256 + $3) * 256 + $4; b = (($5 * 256 + $6) * 256 + $7) * 256 + $8
        exit !(NF == 9 && $9 ~ /^[0-9]+$/ && $9 <= 32 && int(a / size) == int(b / size)) }'
}

# Names and what ends in them, addresses, and networks of IPv4.
is_excepted() {
    rest=$1,
    while [ -n "$rest" ]; do
        one=${rest%%,*}
        rest=${rest#*,}
        one=${one# }
        one=${one#.}
        case $one in
        '') ;;
        '*') return 0 ;;
        *.*.*.*/*)
            case $host in
            *[!0-9.]*) ;;
            *) if in_network "$host" "$one"; then return 0; fi ;;
            esac
            ;;
        *) case $host in "$one" | *."$one") return 0 ;; esac ;;
        esac
    done
    return 1
}

# ---------------------------------------------------------------- the way there

check_way() {
    ask /healthz
    code=$?
    IFS='|' read -r status address took _ <"$folder/figures" || :
    case $code in
    6)
        say FAIL dns "$host: it does not resolve" "check the name for a typing error; if it is right, this place's name server does not know it: a private zone may not be visible from here"
        return 1
        ;;
    5)
        say FAIL dns "the name of the proxy does not resolve" "check the proxy variable"
        return 1
        ;;
    esac
    [ -z "${address:-}" ] || say pass dns "$host: $address"
    case $code in
    7)
        say FAIL tcp "$(problem)" "nothing listens on that port there, or there is no route: check the port, that the gateway runs, and the way"
        return 1
        ;;
    28)
        say FAIL tcp "$(problem)" "packets are dropped on the way: a firewall or security group must let this place reach that port"
        return 1
        ;;
    esac
    say pass tcp "connected"
    case $code:$(problem) in
    *"certificate required"*)
        say FAIL tls "$(problem)" "the listener takes only callers that show a client certificate, which this script does not: use turnpike doctor --certificate FILE --certificate-key FILE"
        return 1
        ;;
    esac
    case $code in
    35)
        say FAIL tls "$(problem)" "check that this port speaks TLS (else the URL begins with http://)"
        return 1
        ;;
    51 | 60 | 77)
        tell_certificate
        return 1
        ;;
    esac
    [ "$scheme" = http ] || say pass tls "the certificate is good for $host"
}

tell_certificate() {
    reason=$(problem)
    case $reason in
    *expired*) fix="it must be renewed where TLS ends" ;;
    *"not yet valid"*) fix="it begins in the future: check this machine's clock" ;;
    *"subject name"* | *"host name"* | *hostname*)
        fix="use one of the certificate's names in the URL, or have one issued for this name"
        ;;
    *) fix="give this place that authority's certificate (SSL_CERT_FILE=ca.pem; for curl CURL_CA_BUNDLE). If you do not know the authority, something in between opens TLS" ;;
    esac
    say FAIL tls "$reason" "$fix"
}

check_http() {
    if [ "$code" -ne 0 ]; then
        say FAIL http "$(problem)" "check that this is the port of a listener of the gateway, and that nothing in between cuts the connection"
        return 1
    fi
    if [ "$status" != 200 ] || [ "$(cat "$folder/body" 2>/dev/null)" != ok ]; then
        fix="something else answers here: a balancer's own page, a sign-on page, or the URL has a path too many"
        [ "$status" != 407 ] || fix="the proxy wants a user and a password in HTTPS_PROXY"
        target=
        case $status in 3*) target=$(field location) ;; esac
        target=${target%%\?*}
        say FAIL http "/healthz answered $status, and not as a gateway does${target:+ (a redirect to $target)}" "$fix"
        return 1
    fi
    say pass http "/healthz answered in $took s"
}

# ---------------------------------------------------------------- the clock

# "Sun, 22 Nov 2026 18:17:03 GMT" as seconds since 1970. Not by date, whose options differ.
seconds_of() {
    # shellcheck disable=SC2086  # words
    set -- $1
    [ $# -eq 6 ] || return 1
    day=${2#0} year=$4
    months=JanFebMarAprMayJunJulAugSepOctNovDec
    before=${months%%"$3"*}
    month=$((${#before} / 3 + 1))
    hour=${5%%:*} minute=${5#*:} second=${5##*:}
    minute=${minute%%:*}
    hour=${hour#0} minute=${minute#0} second=${second#0}
    # Years that start in March have their leap day at the end.
    if [ $month -gt 2 ]; then
        month=$((month - 3))
    else
        month=$((month + 9)) year=$((year - 1))
    fi
    days=$((365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719468))
    echo $((days * 86400 + ${hour:-0} * 3600 + ${minute:-0} * 60 + ${second:-0}))
}

check_clock() {
    there=$(seconds_of "$(field date)") || {
        say WARN clock "the answer has no Date, so the clocks cannot be compared" "something in between removed it"
        return
    }
    off=$(($(date +%s) - there))
    word="ahead of"
    [ "$off" -ge 0 ] || { off=$((-off)) && word=behind; }
    if [ "$off" -le "$CLOCK_WARN_SECONDS" ]; then
        say pass clock "$off s from the gateway's"
        return
    fi
    result=WARN
    [ "$off" -le "$CLOCK_FAIL_SECONDS" ] || result=FAIL
    say $result clock "this machine's clock is $off s $word the gateway's" \
        "set this machine's clock (NTP), or the gateway's: tokens and certificates are refused for it"
}

# ---------------------------------------------------------------- the key

# One member of the gateway's own JSON; quotes within it become single ones.
member() {
    sed -n "s/\\\\\"/'/g; s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$folder/body" 2>/dev/null | head -n 1
}

# Of the gateway's message about a path or a method: what it has seen, which stands there in quotes.
quoted() {
    sed -n "s/\\\\\"/'/g; s/.*\"message\": *\"[^\"']*'\([^\"']*\)'.*/\1/p" "$folder/body" 2>/dev/null | head -n 1
}

# tell_rewritten CHECK METHOD PATH: fails the check if the gateway has seen another path, and says whether it has.
tell_rewritten() {
    seen=$(quoted)
    detail="the path was rewritten on the way: $2 $3 arrives"
    case $refusal in
    unknown_url)
        if [ -z "$seen" ] || [ "$seen" = "$3" ]; then return 1; fi
        detail="$detail as $seen"
        ;;
    method_not_allowed)
        [ "$seen" = "$2" ] || return 1
        detail="$detail at another endpoint, which takes no $2"
        ;;
    *) return 1 ;;
    esac
    say FAIL "$1" "$detail" \
        "let paths pass as they are (nginx: proxy_pass without a path, no rewrite; HAProxy: no http-request replace-path or set-path)"
}

# Whether the gateway speaks of something else than the key that was sent.
is_replaced() {
    case $key:$refusal in
    tpk_*:*token* | eyJ*:*_api_key) return 0 ;;
    tpk_*) member message | grep -q 'is not a Turnpike key' ;;
    *) return 1 ;;
    esac
}

tell_refused_key() {
    case $status in
    403) fix="the message says which rule it was and who can change it" ;;
    5*) fix="this is no fault of the key: try again; who runs the gateway finds the reason in its log" ;;
    *)
        fix="take the key that was issued for this workload; who issues keys can look at this one with 'turnpike key show'"
        case $key in eyJ*) fix="fetch a new token from its issuer and send it whole; who runs the gateway sees which issuers, audiences and callers it takes in its configuration (issuers)" ;; esac
        ;;
    esac
    say FAIL identity "$shown: the gateway refuses it ($refusal): $(member message)" "$fix"
}

check_identity() {
    key=${TURNPIKE_API_KEY:-${OPENAI_API_KEY:-}}
    source=TURNPIKE_API_KEY
    [ -n "${TURNPIKE_API_KEY:-}" ] || source=OPENAI_API_KEY
    if [ -z "$key" ]; then
        say FAIL identity "there is no key to try" "set TURNPIKE_API_KEY (or OPENAI_API_KEY)"
        return 1
    fi
    shown="… of $source"
    case $key in
    tpk_*) shown="$(printf '%.16s' "$key")$shown" ;;
    eyJ*) shown="the token in $source" ;;
    esac
    ask /v1/models "$key" || {
        say FAIL identity "$(problem)" "try again; see above for the way"
        return 1
    }
    IFS='|' read -r status _ <"$folder/figures"
    refusal=$(member code)
    if [ "$status" = 200 ] && ! grep -q '"data": *\[' "$folder/body"; then
        say FAIL identity "GET /v1/models: 200, and not the gateway's list of models" \
            "something in between answers in the gateway's place, or changes the body, which must pass as it is"
    elif [ "$status" = 200 ]; then
        say pass identity "$shown is good"
        return 0
    elif [ "$status" = 429 ] && [ -n "$refusal" ]; then
        say pass identity "$shown is good"
        say WARN models "the list is not given now: 429 $refusal: $(member message)" \
            "wait until the limit lets calls pass again, or have it raised; the key itself is in order"
        return 0
    elif [ -z "$refusal" ]; then
        say FAIL identity "$status, and not in the gateway's words" \
            "something between here and the gateway refuses: a balancer or a proxy with rules of its own"
    elif tell_rewritten identity GET /v1/models; then
        :
    elif [ "$refusal" = missing_api_key ]; then
        say FAIL identity "a key was sent, and the gateway saw none" \
            "something in between takes the header Authorization away: let it pass there"
    elif is_replaced; then
        say FAIL identity "$shown was sent, and something else arrived: the header Authorization was replaced on the way ($refusal): $(member message)" \
            "let the header Authorization pass as it is there (nginx: no proxy_set_header Authorization; HAProxy: no http-request set-header Authorization; no sign-on that puts its own into it)"
    else
        tell_refused_key
    fi
    return 1
}

# check_headers WORDS [MORE]: of the last answer; what to say where nothing is amiss.
check_headers() {
    between=$(field via)
    [ -n "$between" ] || between=$(field server)
    if [ -z "$(field x-request-id)" ]; then
        say WARN headers "x-request-id, which the gateway sends, does not arrive: something in between removes headers" \
            "let answers' headers pass there: x-request-id, retry-after, x-should-retry and x-ratelimit-* are read by SDKs and by whoever helps you"
    elif [ -n "$between" ]; then
        say pass headers "$1; in between stands $between"
    else
        say pass headers "$1${2:-}"
    fi
}

# ---------------------------------------------------------------- what is changed on the way

# Sent, and compared with what the gateway's echo says has arrived.
SENT='accept: application/json, text/event-stream
content-type: application/json
user-agent: turnpike-doctor.sh
x-turnpike-tags: doctor=echo
traceparent: 00-74757270696b650000000000646f6374-6f722d6563686f00-00
idempotency-key: turnpike-doctor
openai-organization: org-doctor
openai-project: proj_doctor
openai-beta: doctor=v1
x-stainless-retry-count: 0'
BODY_SHA256=a4e711037227c7b524713e49b5ab05ec16f31cbb7a5e56e44b41a5a7c5433850

# What a body has that something which reads and writes it anew would change.
write_body() {
    printf '{"b": 1.0, "a": [1e2, 12345678901234567890],  "text": "Gr\303\274\303\237e '
    printf '%s' '\u2603 http://gateway.example/ <b>&amp;</b>\r\n"}'
}

# Of the echo's "headers": the value of one, as it stands there; fails where there is none.
arrived() {
    tr '{' '\n' <"$folder/arrived" |
        awk -v name="\"name\":\"$1\"" 'index(tolower($0), name) == 1 { sub(/^[^,]*,"value":"/, ""); sub(/"}.*/, ""); print; found = 1; exit }
            END { exit !found }'
}

compare_request() {
    differences=0
    sed 's/.*"headers":\[//; s/\],"body":.*//' "$folder/body" >"$folder/arrived"
    while IFS= read -r line; do
        name=${line%%:*} value=${line#*: }
        fix="let it pass there (nginx: no proxy_set_header $name; HAProxy: no http-request del-header or set-header $name)"
        times=$(tr '{' '\n' <"$folder/arrived" | grep -ci "^\"name\":\"$name\"")
        if [ "$times" -gt 1 ]; then
            say WARN request "the header $name was sent once and arrives $times times: something on the way adds its own" "$fix"
        elif ! seen=$(arrived "$name"); then
            say WARN request "the header $name was stripped on the way: the gateway did not get it" "$fix"
        elif [ "$seen" != "$value" ]; then
            say WARN request "the header $name was changed on the way: sent as $value, it arrives as $seen" "$fix"
        else
            continue
        fi
        differences=$((differences + 1))
    done <"$folder/sent"
    if [ "$(member sha256)" != "$BODY_SHA256" ]; then
        say FAIL request "the body was rewritten on the way: it arrived with another hash" \
            "something in between reads bodies and writes them anew (a filter, data loss prevention, an API gateway with a transformation): exempt the gateway from it"
        differences=$((differences + 1))
    fi
    if ! grep -qF '"query":[{"name":"probe","value":"a%20b%2Fc~d"}]' "$folder/body"; then
        say WARN request "the query probe=a%20b%2Fc~d does not arrive as it was sent" \
            "let the part behind \"?\" pass as it is, undecoded"
        differences=$((differences + 1))
    fi
    tell_additions
}

tell_additions() {
    list=
    for name in $(tr '{' '\n' <"$folder/arrived" | sed -n 's/^"name":"\([^"]*\)".*/\1/p'); do
        case $(printf '%s' "$name" | tr '[:upper:]' '[:lower:]') in
        host | authorization | content-length | connection | transfer-encoding) continue ;;
        esac
        grep -qi "^$name: " "$folder/sent" || list=${list:+$list, }$name
    done
    if [ "$differences" -eq 0 ]; then
        say pass request "it arrives as it was sent${list:+; added on the way: $list}"
    elif [ -n "$list" ]; then
        say pass request "otherwise it arrives as it was sent; added on the way: $list"
    fi
}

compare_answer() {
    stripped='' changed=''
    for sent in "x-request-id=$(member request_id)" retry-after=0 retry-after-ms=0 x-should-retry=false openai-processing-ms=0 \
        x-ratelimit-limit-requests=1 x-ratelimit-remaining-requests=1 x-ratelimit-reset-requests=0s; do
        name=${sent%%=*}
        seen=$(field "$name")
        if [ -z "$seen" ]; then
            stripped=${stripped:+$stripped, }$name
        elif [ "$seen" != "${sent#*=}" ]; then
            changed=${changed:+$changed, }$name
        fi
    done
    [ -z "$stripped" ] || say WARN headers "headers of answers are stripped on the way: $stripped" \
        "let answers' headers pass there (nginx: no proxy_hide_header; HAProxy: no http-response del-header): SDKs and whoever helps you read them"
    [ -z "$changed" ] || say WARN headers "headers of answers are changed on the way: $changed" \
        "let answers' headers pass there as they are: an id that something in between makes is not the one in the gateway's records"
    [ -n "$stripped$changed" ] || check_headers "they arrive" " as they were sent"
}

# Eight events, 100 ms apart. What holds them back hands out the first one late. Three times: a machine that stands
# still for a moment looks the same.
check_stream() {
    for _ in 1 2 3; do
        ask '/turnpike/v1/echo?events=8&interval_ms=100' "$key" "$1"
        IFS='|' read -r status _ total first <"$folder/figures"
        if [ "$status" != 200 ] || ! grep -q '^data: \[DONE\]' "$folder/body"; then
            say FAIL stream "a stream of events did not arrive whole" \
                "let the body pass as it is, to its end: something in between changes it or cuts it off"
            return
        fi
        if awk "BEGIN { exit !($total - $first > 0.35) }"; then
            say pass stream "events arrive as they are sent"
            return
        fi
    done
    say WARN stream "something holds streams back: 8 events were sent 100 ms apart, and the first came at the end" \
        "turn buffering off in between (nginx: proxy_buffering off; others: no response buffering, no scanning of answers, no compression of text/event-stream)"
}

# Whether the echo's body is what the gateway sent; where nothing here makes hashes, by its form alone.
is_whole() {
    said=$(field x-turnpike-echo-sha256)
    if [ -z "$said" ]; then
        say WARN headers "x-turnpike-echo-sha256 does not arrive: whether bodies of answers are rewritten could not be checked" \
            "let answers' headers pass there (nginx: no proxy_hide_header; HAProxy: no http-response del-header)"
    elif command -v sha256sum >/dev/null 2>&1; then
        [ "$(sha256sum <"$folder/body" | cut -c 1-64)" = "$said" ]
    fi
}

check_echo() {
    write_body >"$folder/sent-body"
    printf '%s\n' "$SENT" >"$folder/sent"
    options=$(sed 's/.*/header = "&"/' "$folder/sent")
    options="$options
header = \"Expect:\"
data-binary = \"@$folder/sent-body\""
    ask '/turnpike/v1/echo?probe=a%20b%2Fc~d' "$key" "$options" || {
        say FAIL request "$(problem)" "something in between cuts calls off that have a body"
        tell_unseen
        return
    }
    IFS='|' read -r status _ <"$folder/figures"
    refusal=$(member code)
    if [ "$status" = 200 ] && [ "$(member object)" = turnpike.echo ] && is_whole; then
        compare_request
        compare_answer
        check_stream "$options"
        return
    fi
    if tell_rewritten request POST /turnpike/v1/echo; then
        :
    elif [ "$refusal" = unknown_url ]; then
        say WARN request "POST /turnpike/v1/echo is not known there" "have the gateway brought up to date: this one has no echo yet"
    elif [ "$status" != 200 ] && [ -z "$refusal" ]; then
        say FAIL request "POST /turnpike/v1/echo: $status, and not in the gateway's words" \
            "something between here and the gateway refuses: a balancer or a proxy with rules of its own"
    elif [ "$status" != 200 ]; then
        say FAIL request "POST /turnpike/v1/echo: $status $refusal: $(member message)" \
            "docs/errors.md says for each code what to do, and who can"
    else
        rewritten=yes
        say FAIL headers "the body of an answer was rewritten on the way" \
            "let answers' bodies pass as they are: no compression that was not asked for, no rewriting of links, no filter"
    fi
    tell_unseen
}

# A check that was not made must not look like one that passed.
tell_unseen() {
    say WARN echo "what is changed on the way could not be looked at by the gateway's echo; not checked: headers, query and body of requests; headers of answers but for x-request-id; streams" \
        "see above for why, and run this again when that is mended"
    [ -n "$rewritten" ] || { ask /v1/models "$key" && check_headers "x-request-id arrives"; }
}

check_proxy
check_way && check_http && {
    check_clock
    check_identity && check_echo
}
finish
