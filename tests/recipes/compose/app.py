"""Runs a Hightouch sync, named by its ID or slug, and waits until the run has ended.

The exit status is 0 only if the sync succeeded.
"""

import os
import sys

# componentize-py generates these modules from wit/world.wit.
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.runs import run_sync
from wit_world.imports.types import Connection, IfRunning, Resync, RunOptions, SyncRef_Id, SyncRef_Slug, Warnings_Fail


# Implements the interface `wasi:cli/run`, which wit/world.wit exports. `wasmtime run` calls it.
class Run(exports.Run):
    def run(self) -> None:
        sync = sys.argv[1]
        reference = SyncRef_Id(int(sync)) if sync.isdigit() else SyncRef_Slug(sync)
        connection = Connection(os.environ["HIGHTOUCH_API_KEY"], os.environ.get("HIGHTOUCH_API_ORIGIN"))
        options = RunOptions(
            resync=Resync(0),  # Send only the rows that changed.
            warnings=Warnings_Fail(),  # A run with rejected rows is a failure.
            if_running=IfRunning.QUEUE,  # If a run is in progress, queue another one.
            unless_run_since=None,
            max_wait_ms=None,  # Wait an hour at most.
        )
        try:
            report = run_sync(connection, reference, options)
        except Err as error:
            # The value is the record `failure`. Branch on its `kind`. The message is for people.
            failure = error.value
            print(f"{failure.kind.name}: {failure.message}", file=sys.stderr)
            raise Err(None)  # wasmtime exits with 1.
        print(f"Sync {report.run.sync_id}: run {report.run.run_id} succeeded.")
