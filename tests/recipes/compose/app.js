// Runs a Hightouch sync, named by its ID or slug, and waits until the run has ended.
// The exit status is 0 only if the sync succeeded.

// Each module is an interface that wit/world.wit imports.
import { runSync } from "hightouch:sync/runs@0.1.1";
import { getArguments, getEnvironment } from "wasi:cli/environment@0.2.2";

// Implements the interface `wasi:cli/run`, which wit/world.wit exports. `wasmtime run` calls it.
export const run = {
  run() {
    const sync = getArguments()[1];
    const environment = Object.fromEntries(getEnvironment());
    // A number of more than 64 bits would silently become another ID, so it counts as a slug.
    const reference = /^\d{1,19}$/.test(sync) ? { tag: "id", val: BigInt(sync) } : { tag: "slug", val: sync };
    const connection = { apiKey: environment.HIGHTOUCH_API_KEY, apiOrigin: environment.HIGHTOUCH_API_ORIGIN };
    const options = {
      resync: {}, // Send only the rows that changed.
      warnings: { tag: "fail" }, // A run with rejected rows is a failure.
      ifRunning: "queue", // If a run is in progress, queue another one.
      unlessRunSince: undefined,
      maxWaitMs: undefined, // Wait an hour at most.
    };
    try {
      const report = runSync(connection, reference, options);
      console.log(`Sync ${report.run.syncId}: run ${report.run.runId} succeeded.`);
    } catch (error) {
      // The payload is the record `failure`. Branch on its `kind`. The message is for people.
      // An error without a payload comes from JavaScript itself: an argument is missing.
      const failure = error.payload;
      console.error(failure ? `${failure.kind}: ${failure.message}` : error);
      throw undefined; // wasmtime exits with 1.
    }
  },
};
