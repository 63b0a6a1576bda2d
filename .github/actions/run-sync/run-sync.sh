#!/usr/bin/env bash
# Runs one or several Hightouch syncs through the endpoint and waits until their runs have ended. action.yml passes the inputs
# as environment variables. README.md in this folder describes the inputs, the outputs and the exit codes.
#
# Requires bash 3.2, curl 7.55 and jq 1.6 or later. The script never prints the token.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs a jq program with the functions of run-sync.jq.
query() {
    local program=$1
    shift
    jq --raw-output --compact-output -L "$here" "include \"run-sync\"; $program" "$@"
}

# Ends the script before a request is sent.
invalid() {
    printf '::error title=Invalid input::%s No run was started.\n' "$1"
    exit 2
}

flag() {
    case $2 in
        true | false | '') ;;
        *) invalid "The input $1 must be true or false." ;;
    esac
}

number() {
    case $2 in
        *[!0-9]* | ??????????*) invalid "The input $1 must be a whole number of at most nine digits." ;;
    esac
}

# jq reads these variables.
export TOKEN=${TOKEN:-} SYNCS=${SYNCS:-} ACCOUNT=${ACCOUNT:-} UNLESS_RUN_SINCE=${UNLESS_RUN_SINCE:-} IF_RUNNING=${IF_RUNNING:-}
export FULL_RESYNC=${FULL_RESYNC:-} RESET_CDC=${RESET_CDC:-} CLEAR_AND_FILL=${CLEAR_AND_FILL:-} PARALLEL=${PARALLEL:-}
export ACCEPT_WARNINGS=${ACCEPT_WARNINGS:-} MAX_REJECTED=${MAX_REJECTED:-} MAX_REJECTED_PERCENT=${MAX_REJECTED_PERCENT:-}
export STOP_ON_FAILURE=${STOP_ON_FAILURE:-} LINEAGE_PARENT=${LINEAGE_PARENT:-}
endpoint=${ENDPOINT:-}
endpoint=${endpoint%/}
timeout=${TIMEOUT:-3600}

command -v curl >/dev/null || invalid 'curl is not installed.'
command -v jq >/dev/null || invalid 'jq is not installed.'
case $TOKEN in
    '') invalid 'The input token is empty.' ;;
    *[![:graph:]]*) invalid 'The input token contains a space or a line break.' ;;
esac
case $endpoint in
    *[![:graph:]]* | *[?#@]*) invalid 'The input endpoint must be a URL without a user name, a query or spaces.' ;;
    http://?* | https://?*) ;;
    *) invalid 'The input endpoint must be a URL that begins with https:// or http://.' ;;
esac
flag full-resync "$FULL_RESYNC"
flag reset-cdc "$RESET_CDC"
flag clear-and-fill "$CLEAR_AND_FILL"
flag accept-warnings "$ACCEPT_WARNINGS"
flag stop-on-failure "$STOP_ON_FAILURE"
number max-rejected "$MAX_REJECTED"
number parallel "$PARALLEL"
number timeout "$timeout"
if [ "$ACCEPT_WARNINGS" = true ] && [ -n "$MAX_REJECTED$MAX_REJECTED_PERCENT" ]; then
    invalid 'The input accept-warnings cannot be combined with max-rejected or max-rejected-percent.'
fi
body=$(query body --null-input 2>/dev/null) || invalid 'The input max-rejected-percent must be a number.'
count=$(query '.syncs | length' <<<"$body")
[ "$count" -gt 0 ] || invalid 'The input syncs is empty.'

began=$(date +%s)
seconds_left() {
    echo $((began + timeout - $(date +%s)))
}

# The longest time that one request waits, in seconds. It is below the timeouts of most gateways.
longest_wait=25

# Sends a request that waits for up to the given number of seconds. Sets `code` to the HTTP status,
# or to 000 if the response was lost or truncated. Writes the response to $work/body. A response that
# is not a JSON object is from a gateway, and is written as null. If no connection was made, a problem
# is written. The token is passed on stdin, because a process list shows arguments.
send() {
    local wait=$1 exit_code=0
    shift
    : >"$work/headers"
    : >"$work/received"
    code=$(printf 'authorization: Bearer %s\n' "$TOKEN" | curl --silent --show-error --globoff --proto '=http,https' \
        --connect-timeout 30 --max-time $((wait + 60)) --header @- --header "prefer: wait=$wait" \
        --dump-header "$work/headers" --output "$work/received" --write-out '%{http_code}' "$@" 2>"$work/error") || exit_code=$?
    [ "$exit_code" = 0 ] || code=000
    query 'objects | without_token' "$work/received" >"$work/body" 2>/dev/null || : >"$work/body"
    case $exit_code in
        # The name was not resolved, nobody listens, or the endpoint's certificate is wrong: nothing was sent.
        5 | 6 | 7 | 35 | 60)
            query '{kind: "not-started", detail: "The endpoint could not be reached. No run was started. \(.)"}' \
                --raw-input --slurp "$work/error" >"$work/body"
            ;;
        0) [ -s "$work/body" ] || echo null >"$work/body" ;;
        *) echo null >"$work/body" ;;
    esac
}

# Prints a header of the last response.
header() {
    grep -i "^$1:" "$work/headers" | tail -n 1 | sed 's/^[^:]*: *//' | tr -d '\r' || true
}

# Waits before the next request: for the delay that the endpoint requested, or else for the given number of seconds. The wait
# ends at the timeout.
pause() {
    local delay rest
    delay=$(header retry-after)
    case $delay in
        '' | *[!0-9]* | ?????*) delay=$1 ;;
    esac
    rest=$(seconds_left)
    [ "$delay" -le "$rest" ] || delay=$rest
    [ "$delay" -le 0 ] || sleep "$delay"
}

# Prints the URL of an absolute path that the endpoint returned. If a proxy serves the endpoint below a path, the returned path
# includes it only if the proxy sets X-Forwarded-Prefix.
resolve() {
    local rest=${endpoint#*://} prefix=
    case $rest in
        */*) prefix=/${rest#*/} ;;
    esac
    case $1 in
        *[![:graph:]]* | //*) return 1 ;;
        "$prefix"/*) printf '%s%s\n' "${endpoint%"$prefix"}" "$1" ;;
        /*) printf '%s%s\n' "$endpoint" "$1" ;;
        *) return 1 ;;
    esac
}

# Replaces the results with stdin.
results=$work/results
keep() {
    cat >"$work/next"
    mv "$work/next" "$results"
}

# Sends the request that starts the runs, and writes the results.
start() {
    local attempt wait=$longest_wait target=/runs own=$body account location=
    account=$(query 'if $ENV.ACCOUNT == "" then "" else "?account=\($ENV.ACCOUNT | @uri)" end' --null-input)
    if [ "$count" = 1 ]; then
        target="/syncs/$(query '.syncs[0] | tostring | @uri' <<<"$body")/runs"
        own=$(query 'del(.syncs)' <<<"$body")
    elif [ "$STOP_ON_FAILURE" = true ] || [ "${PARALLEL:-50}" -lt "$count" ]; then
        # The endpoint starts the later runs when earlier runs end, and only while the request waits.
        wait=$timeout
    fi
    [ "$wait" -le "$timeout" ] || wait=$timeout
    for attempt in 1 2 3; do
        send "$wait" --request POST --header 'content-type: application/json' --data-binary "$own" "$endpoint$target$account"
        [ "$(query 'may_repeat($code)' --arg code "$code" "$work/body")" = true ] || break
        [ "$attempt" -lt 3 ] && [ "$(seconds_left)" -gt 0 ] || break
        pause 5
    done
    if [ "$(cat "$work/body")" = null ]; then
        case $code in
            000 | 408 | 429 | 5*)
                unconfirmed
                return
                ;;
        esac
    fi
    if [ "$(query '.runs? | type' "$work/body")" = array ]; then
        query '{runs: [.runs[] | {sync, report, problem, location} | del(.[] | nulls)]}' "$work/body" | keep
    elif [ "$count" = 1 ]; then
        # Without the header, the location follows from the IDs.
        if [ "$code" = 202 ]; then
            location=$(header location)
            location=${location:-$(query '"/syncs/\(.syncId)/runs/\(.runId)\($query)"' --arg query "$(query query <<<"$body")" "$work/body")}
        fi
        query '{runs: [entry($body.syncs[0]; $code; $location | select(. != "") // null)]}' \
            --argjson body "$body" --arg code "$code" --arg location "$location" "$work/body" | keep
    else
        # The endpoint rejected the whole request.
        query '(.[0] | if .kind? then . else {kind: "other", detail: "The endpoint sent no report. HTTP status: \($code)."} end) as $problem | .[1] | all_with($problem)' \
            --slurp --arg code "$code" "$work/body" <(printf '%s' "$body") | keep
    fi
    query 'follow_problems($query)' --arg query "$(query query <<<"$body")" "$results" | keep
}

# Writes the results if the response to the request that starts the runs was lost.
unconfirmed() {
    local reason="HTTP status: $code."
    [ "$code" != 000 ] || reason=$(cat "$work/error")
    reason="The response was lost. A run may have been started. Before you repeat the request, check the runs of the sync in Hightouch. With unless-run-since, the request can be repeated safely. $reason"
    query 'all_with({kind: "trigger-unconfirmed", detail: $reason})' --arg reason "$reason" <<<"$body" | keep
}

# Prints a line for each run that has changed.
progress() {
    touch "$work/printed"
    query lines "$results" >"$work/lines"
    grep -vxFf "$work/printed" "$work/lines" || true
    mv "$work/lines" "$work/printed"
}

# Polls the runs until all have ended, one after the other. While a request waits for one run, the others continue.
follow() {
    local index wait location url
    while index=$(query '[.runs[] | has_ended] | index(false) // "none"' "$results") && [ "$index" != none ]; do
        pause 1
        wait=$(seconds_left)
        [ "$wait" -gt 0 ] || return 0
        [ "$wait" -le "$longest_wait" ] || wait=$longest_wait
        location=$(query '.runs[$index].location' --argjson index "$index" "$results")
        if ! url=$(resolve "$location"); then
            printf '::error::The endpoint returned a location that is not an absolute path. The runs continue in Hightouch.\n'
            return 0
        fi
        send "$wait" "$url"
        case $code in
            000 | 408 | 429 | 502 | 503 | 504)
                # A lost response and a transient error prove nothing about the run: poll again. Stop if a 502 reports that
                # Hightouch has rejected a stored key.
                if [ "$(query '.kind? == "unauthorized"' "$work/body")" = false ]; then
                    [ -n "$(header retry-after)" ] || sleep 2
                    continue
                fi
                ;;
        esac
        [ "$code" = 202 ] || location=
        query '$results[0] as $results
            | entry($results.runs[$index].sync; $code; $location | select(. != "") // null) as $entry
            | $results | .runs[$index] = $entry' \
            --slurpfile results "$results" --argjson index "$index" --arg code "$code" --arg location "$location" "$work/body" | keep
        progress
    done
}

start
progress
follow
query errors "$results"
if [ -n "${GITHUB_OUTPUT:-}" ]; then query outputs "$results" >>"$GITHUB_OUTPUT"; fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then query summary "$results" >>"$GITHUB_STEP_SUMMARY"; fi
case $(query overall_status "$results") in
    success) exit 0 ;;
    failed) exit 1 ;;
    running) printf '::error::Timed out after %s s. The runs in progress continue in Hightouch.\n' "$timeout" ;;
esac
exit 3
