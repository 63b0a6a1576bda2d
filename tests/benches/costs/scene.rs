//! A sync of six requests with immediate responses: it polls up the slug, lists the runs, starts a
//! run, and polls it three times.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The sync's slug.
pub const SLUG: &str = "demo";
/// Number of requests.
pub const REQUESTS: u32 = 6;
/// Number of earlier runs in the list.
const EARLIER: u64 = 20;
/// Number of polls. The last one returns an ended run.
const POLLS: u32 = 3;

/// A mock of Hightouch that serves one sync after another.
#[derive(Default)]
pub struct Hightouch {
    polls: AtomicU32,
}

impl Hightouch {
    /// Returns the JSON response for a method and target.
    pub fn respond(&self, method: &str, target: &str) -> String {
        if method == "POST" {
            self.polls.store(0, Ordering::Relaxed);
            return r#"{"id":"142"}"#.into();
        }
        if target.contains("runId=") {
            let ended = self.polls.fetch_add(1, Ordering::Relaxed) + 1 >= POLLS;
            return page(&run(142, if ended { "success" } else { "processing" }));
        }
        if target.contains("slug=") {
            return page(SYNC);
        }
        earlier().clone()
    }
}

const SYNC: &str = r#"{"id":7,"slug":"demo","workspaceId":1,"createdAt":"2022-02-16T21:37:58.510Z","updatedAt":"2022-02-16T21:37:58.510Z","destinationId":1,"modelId":1,"configuration":{},"schedule":null,"disabled":false,"status":"success","lastRunAt":"2026-01-05T09:00:01.000Z","referencedColumns":[],"primaryKey":"id","tags":{}}"#;

fn page(data: &str) -> String {
    format!(r#"{{"data":[{data}],"hasMore":false}}"#)
}

fn earlier() -> &'static String {
    static LIST: OnceLock<String> = OnceLock::new();
    LIST.get_or_init(|| {
        let mut runs = run(141, "success");
        for id in (142 - EARLIER..141).rev() {
            write!(runs, ",{}", run(id, "success")).unwrap();
        }
        page(&runs)
    })
}

fn run(id: u64, status: &str) -> String {
    let finished = if status == "success" {
        r#""2026-01-05T09:01:02.000Z""#
    } else {
        "null"
    };
    format!(
        r#"{{"id":{id},"createdAt":"2026-01-05T09:00:00.000Z","startedAt":"2026-01-05T09:00:01.000Z","finishedAt":{finished},"querySize":773,"status":"{status}","completionRatio":0.5,"plannedRows":{{"addedCount":640,"changedCount":120,"removedCount":13}},"successfulRows":{{"addedCount":320,"changedCount":60,"removedCount":6}},"failedRows":{{"addedCount":0,"changedCount":0,"removedCount":0}},"error":null}}"#
    )
}
