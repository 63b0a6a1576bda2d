"""Runs a sync through Dagster's own Hightouch client, of which only the base URL is changed.

    pip install dagster-hightouch
    python tests/clients/dagster_hightouch.py http://127.0.0.1:4000 [sync id, by default 1]

Exits 0 if the client says that the sync succeeded, and prints one line.
"""

import logging
import os
import sys

# This file has the package's name and would be imported in its place.
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]

from dagster import Failure
from dagster_hightouch import resources


def main() -> int:
    origin = sys.argv[1]
    sync_id = sys.argv[2] if len(sys.argv) > 2 else "1"
    resources.HIGHTOUCH_API_BASE = f"{origin}/api/v1/"
    log = logging.getLogger("hightouch")
    log.setLevel(logging.CRITICAL)
    client = resources.HightouchResource(api_key="local", log=log)
    try:
        output = client.sync_and_poll(sync_id, fail_on_warning=True, poll_interval=0.5, poll_timeout=60)
    except Failure as failure:
        print(f"dagster-hightouch: {failure.description}")
        return 1
    run = output.sync_run_details
    print(f"dagster-hightouch: run {run['id']} of sync {sync_id} ended with status {run['status']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
