#!/bin/sh
# Runs a sync through the endpoint and waits for its end, however long that takes. Exits with 0 only if the sync succeeded.
#
#     ENDPOINT=http://127.0.0.1:3000 TOKEN=… run-sync.sh SYNC
#
# It takes curl 7.84 or later, and ends itself at no time: whatever runs it sets the limit. The run goes on at Hightouch.
set -eu

# The token goes in by stdin, where no list of processes shows it.
ask() {
    printf 'authorization: Bearer %s\n' "$TOKEN" | curl --silent --show-error --fail-with-body --max-time 60 --header @- \
        --header 'prefer: wait=25' --write-out '\n%{http_code} %header{retry-after} %header{location}\n' "$@"
}

# What the endpoint said, without the line that is for this script.
tell() {
    printf '%s\n' "$answer" | sed '$d'
}

fail() {
    tell
    exit 1
}

# Reads that line.
heed() {
    read -r status pause location <<END
$(printf '%s\n' "$answer" | tail -n 1)
END
}

# The request that starts the run is sent once.
answer=$(ask --request POST "$ENDPOINT/syncs/$1/runs") || fail
heed
# 202 is no success: the run is still going. To ask for its end may be repeated.
if [ "$status" = 202 ]; then
    run=$location
    # So that it can be found again, whatever becomes of this script.
    echo "still running: $run" >&2
fi
while [ "$status" = 202 ]; do
    sleep "$pause"
    before=$pause
    failed=0
    answer=$(ask "$ENDPOINT$run") || failed=$?
    heed
    # An answer that was lost or cut off, and an error that passes, say nothing of the run.
    case "$failed $status $answer" in
        "0 "*) ;;
        *'"kind":"unauthorized"'*) fail ;;
        "22 429 "* | "22 502 "* | "22 503 "* | "22 504 "*) status=202 pause=$before ;;
        "22 "*) fail ;;
        *) status=202 pause=$before ;;
    esac
done
tell
[ "$status" = 200 ]
