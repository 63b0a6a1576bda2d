#!/bin/sh
# Builds and tests the data with dbt Core, then runs the sync that reads it. Exits with 0 only if both succeeded.
#
#     ENDPOINT=http://127.0.0.1:3000 TOKEN=… dbt-core.sh SYNC [argument of dbt]…
#
# dbt Core has no webhooks. `run-sync.sh` is the script in the same folder.
set -eu

sync=$1
shift

# The sync does not run if a model or a test fails.
dbt build "$@"

# A run that began after the tests reads the tested data. If the sync is repeated with the same
# time, it waits for that run instead of starting another.
UNLESS_RUN_SINCE=${UNLESS_RUN_SINCE:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}
export UNLESS_RUN_SINCE
exec sh "$(dirname "$0")/run-sync.sh" "$sync"
