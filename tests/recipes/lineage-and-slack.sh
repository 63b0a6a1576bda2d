#!/bin/sh
# Serves the endpoint with `wasmtime serve`. Each run appears in Marquez, and a run that ends without success is reported to a
# channel in Slack. A run that nobody waits for is followed for up to an hour.
#
#     HIGHTOUCH_API_KEY=… ENDPOINT_TOKEN=… NOTIFY_URL=https://hooks.slack.com/services/… lineage-and-slack.sh endpoint.wasm
#
# The URL is that of an incoming webhook of a Slack app: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
# Marquez, with its web interface on http://localhost:3000:
#
#     git clone --branch 0.50.0 --depth 1 https://github.com/MarquezProject/marquez
#     ./marquez/docker/up.sh --tag 0.50.0 --no-search --detach
#
# For DataHub, set OPENLINEAGE_URL=http://localhost:8080 and OPENLINEAGE_ENDPOINT=openapi/openlineage/api/v1/lineage. For Microsoft
# Teams, set NOTIFY_FORMAT=teams.
#
# Requires wasmtime 48. Stop it with SIGINT or through the shutdown address: both wait for the runs that are followed.
set -eu

# An exported variable is passed by its name, because a list of processes shows arguments.
export HIGHTOUCH_API_KEY ENDPOINT_TOKEN NOTIFY_URL
export OPENLINEAGE_URL="${OPENLINEAGE_URL:-http://localhost:5000}" OPENLINEAGE_ENDPOINT="${OPENLINEAGE_ENDPOINT:-}"
export NOTIFY_FORMAT="${NOTIFY_FORMAT:-text}" FOLLOW_SECONDS="${FOLLOW_SECONDS:-3600}"

exec wasmtime serve -Scli --addr "${ADDRESS:-127.0.0.1:8081}" --shutdown-addr "${SHUTDOWN_ADDRESS:-127.0.0.1:8082}" \
    --env HIGHTOUCH_API_KEY --env ENDPOINT_TOKEN --env HIGHTOUCH_API_ORIGIN="${HIGHTOUCH_API_ORIGIN:-}" \
    --env OPENLINEAGE_URL --env OPENLINEAGE_ENDPOINT --env NOTIFY_URL --env NOTIFY_FORMAT --env FOLLOW_SECONDS \
    -O pooling-total-component-instances=1300,pooling-total-core-instances=3900 \
    -O pooling-total-memories=1300,pooling-total-stacks=1300,pooling-total-tables=2600 \
    "$1"
