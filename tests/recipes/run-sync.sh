#!/bin/sh
# Runs a sync through the endpoint and waits until the run has ended. Exits with 0 only if the sync succeeded.
#
#     ENDPOINT=http://127.0.0.1:3000 TOKEN=… run-sync.sh SYNC
#
# UNLESS_RUN_SINCE is an optional time, such as 2026-11-25T06:00:00Z. If a run of the sync began at this time or later, or
# is queued, the script waits for that run instead of starting another. So the script may be repeated with the same time.
#
# A run with rejected rows (`warning`) is a failure. To count it as a success, add "acceptWarnings":true to both bodies
# below.
#
# Requires curl 7.84 or later. The script has no time limit: set one in the program that starts it. If the
# script is stopped, the run continues in Hightouch.
set -eu

# Sends a request that waits up to 25 s for the run. Prints the body, then a line with the status, the delay and the
# location. The token is passed on stdin, because a list of processes shows arguments.
send() {
    printf 'authorization: Bearer %s\n' "$TOKEN" | curl --silent --show-error --fail-with-body --max-time 60 --header @- \
        --header 'prefer: wait=25' --write-out '\n%{http_code} %header{retry-after} %header{location}\n' "$@"
}

# Prints the body of the response, without the last line.
print_body() {
    printf '%s\n' "$response" | sed '$d'
}

fail() {
    print_body
    exit 1
}

# Reads the last line.
read_status() {
    read -r status delay location <<END
$(printf '%s\n' "$response" | tail -n 1)
END
}

if [ -n "${UNLESS_RUN_SINCE:-}" ]; then
    body="{\"unlessRunSince\":\"$UNLESS_RUN_SINCE\"}"
else
    body='{}'
fi
# The request that starts the run is sent only once, because a second one may start another run.
response=$(send --header 'content-type: application/json' --data "$body" "$ENDPOINT/syncs/$1/runs") || fail
read_status
# Status 202 means that the run is in progress. It does not mean success.
if [ "$status" = 202 ]; then
    run=$location
    # If the script is stopped, this line shows which run to poll.
    echo "still running: $run" >&2
fi
while [ "$status" = 202 ]; do
    sleep "$delay"
    last_delay=$delay
    exit_code=0
    response=$(send "$ENDPOINT$run") || exit_code=$?
    read_status
    # A lost or truncated response and a transient error prove nothing about the run: poll again.
    # Exit code 22 of curl means an HTTP error status.
    case "$exit_code $status $response" in
        "0 "*) ;;
        *'"kind":"unauthorized"'*) fail ;;
        "22 429 "* | "22 502 "* | "22 503 "* | "22 504 "*) status=202 delay=$last_delay ;;
        "22 "*) fail ;;
        *) status=202 delay=$last_delay ;;
    esac
done
print_body
[ "$status" = 200 ]
