//! A Hightouch with many syncs and one rate limit for the workspace.

use std::collections::VecDeque;
use std::fmt::Write as _;

use hightouch_sync::hightouch::{Method, Request};

use super::world::{BatchWorld, RunPlan};
use crate::hightouch::{START, rfc3339, word};
use crate::world::{Ending, Millis};

/// The paths of the requests for details, without the ID.
pub const SYNCS: &str = "/api/v1/syncs/";
pub const DESTINATIONS: &str = "/api/v1/destinations/";
/// The type of every destination.
pub const DESTINATION_TYPE: &str = "salesforce";

/// The time over which Hightouch counts requests.
pub const LIMIT_WINDOW: Millis = 10_000;

/// A run, as it really is.
#[derive(Debug)]
pub struct BatchRun {
    pub id: u64,
    pub sync: u64,
    /// The index of the operation that started the run; `None` if it existed before the batch.
    pub by: Option<usize>,
    pub created: Millis,
    pub started: Millis,
    plan: RunPlan,
}

impl BatchRun {
    /// Returns when the run is listed.
    pub fn listed(&self) -> Millis {
        self.created + self.plan.listed_after
    }

    /// Returns when the run ends; `None` if it never ends.
    pub fn ends(&self) -> Option<Millis> {
        (self.plan.ending != Ending::Never).then_some(self.started + self.plan.duration)
    }

    pub fn has_ended(&self, now: Millis) -> bool {
        self.ends().is_some_and(|end| end <= now)
    }

    pub fn is_success(&self, accept_warnings: bool) -> bool {
        match self.plan.ending {
            Ending::Success => true,
            Ending::Warning => accept_warnings,
            _ => false,
        }
    }

    /// Returns the status at a time.
    pub fn status(&self, now: Millis) -> &'static str {
        match now - self.started {
            _ if self.has_ended(now) => word(self.plan.ending),
            ..0 => "queued",
            0..500 => "querying",
            _ => "processing",
        }
    }
}

/// A response of the server.
pub struct Reply {
    pub status: u16,
    pub body: String,
    /// The delay that the server asks for, in seconds.
    pub retry_after: Option<u64>,
}

/// The server and everything that it knows.
pub struct Server<'w> {
    world: &'w BatchWorld,
    pub runs: Vec<BatchRun>,
    /// The times of the requests of the last ten seconds.
    arrivals: VecDeque<Millis>,
    /// Number of requests that the workspace limit rejected.
    pub rejected: u64,
}

impl<'w> Server<'w> {
    pub fn new(world: &'w BatchWorld) -> Self {
        let mut server = Self {
            world,
            runs: Vec::new(),
            arrivals: VecDeque::new(),
            rejected: 0,
        };
        let mut syncs: Vec<u64> = world.operations.iter().map(|plan| plan.sync).collect();
        syncs.sort_unstable();
        syncs.dedup();
        for sync in syncs {
            for (age, plan) in world.earlier_runs(sync) {
                server.create(sync, None, -age, plan);
            }
        }
        server
    }

    fn create(&mut self, sync: u64, by: Option<usize>, created: Millis, plan: RunPlan) -> u64 {
        // The runs of a sync execute one after the other. A run that never ends does not block the
        // next one: the simulation does not model a blocked queue.
        let free = self
            .runs
            .iter()
            .filter(|run| run.sync == sync)
            .map(|run| run.ends().unwrap_or(run.started))
            .max();
        let id = 50_001 + u64::try_from(self.runs.len()).unwrap();
        self.runs.push(BatchRun {
            id,
            sync,
            by,
            created,
            started: free.unwrap_or(created).max(created + plan.queued),
            plan,
        });
        id
    }

    /// Starts a run at `now`, which may be in the future. Returns its ID.
    pub fn trigger(&mut self, request: &Request, by: usize, now: Millis) -> u64 {
        let sync = sync_of(&request.target);
        let nth = self
            .runs
            .iter()
            .filter(|run| run.sync == sync && run.by.is_some())
            .count();
        let plan = self.world.started_run(sync, u64::try_from(nth).unwrap());
        self.create(sync, Some(by), now, plan)
    }

    /// Counts a request that arrives at `now`. Returns whether the workspace limit admits it.
    pub fn admit(&mut self, now: Millis) -> bool {
        while self
            .arrivals
            .front()
            .is_some_and(|at| *at <= now - LIMIT_WINDOW)
        {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        let is_admitted = self.arrivals.len() <= self.world.limit;
        self.rejected += u64::from(!is_admitted);
        is_admitted
    }

    /// Returns the response that the workspace limit causes.
    pub fn limit_reply(&self) -> Reply {
        Reply {
            status: 429,
            body: String::new(),
            retry_after: self.world.limit_sends_retry_after.then_some(2),
        }
    }

    /// Responds to a request that arrives at `now`. `by` is the index of the operation.
    pub fn respond(&mut self, request: &Request, by: Option<usize>, now: Millis) -> Reply {
        let body = match request.method {
            Method::Post => {
                let by = by.expect("only operations start runs");
                format!(r#"{{"id":"{}"}}"#, self.trigger(request, by, now))
            }
            Method::Get => self.read(&request.target, now),
        };
        Reply {
            status: 200,
            body,
            retry_after: None,
        }
    }

    fn read(&self, target: &str, now: Millis) -> String {
        if let Some(destination) = details_of(target, DESTINATIONS) {
            let slug = destination_slug(destination);
            return format!(
                r#"{{"id":{destination},"type":"{DESTINATION_TYPE}","slug":"{slug}"}}"#
            );
        }
        if let Some(sync) = details_of(target, SYNCS) {
            let (slug, destination) = (slug_of(sync), self.world.destination(sync));
            return format!(r#"{{"id":{sync},"slug":"{slug}","destinationId":"{destination}"}}"#);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let param = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find_map(|(key, value)| (key == name).then_some(value))
        };
        if path == "/api/v1/syncs" {
            let slug = param("slug").unwrap();
            let sync = sync_of_slug(slug);
            return format!(r#"{{"hasMore":false,"data":[{{"id":{sync},"slug":"{slug}"}}]}}"#);
        }
        let sync = sync_of(target);
        let wanted: Option<u64> = param("runId").map(|id| id.parse().unwrap());
        let offset = param("offset").map_or(0, |offset| offset.parse().unwrap());
        let is_shown = |run: &&BatchRun| {
            run.sync == sync && run.listed() <= now && wanted.is_none_or(|id| id == run.id)
        };
        let mut shown: Vec<&BatchRun> = self.runs.iter().filter(is_shown).collect();
        if self.world.newest_first {
            shown.reverse();
        }
        let page = self.world.page;
        let mut body = String::from(r#"{"data":["#);
        for (place, run) in shown.iter().skip(offset).take(page).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(
                body,
                r#"{comma}{{"id":{},"createdAt":"{}","status":"{}"}}"#,
                run.id,
                rfc3339(START + run.created),
                run.status(now)
            )
            .unwrap();
        }
        write!(body, r#"],"hasMore":{}}}"#, shown.len() > offset + page).unwrap();
        body
    }

    /// Returns the run that an operation with the goal `BatchGoal::Await` awaits.
    pub fn awaited(&self, sync: u64) -> u64 {
        let run = self
            .runs
            .iter()
            .rfind(|run| run.sync == sync && run.by.is_none());
        run.expect("every awaited sync has a run").id
    }

    pub fn run(&self, id: u64) -> Option<&BatchRun> {
        self.runs.iter().find(|run| run.id == id)
    }
}

/// Returns the slug of a sync.
pub fn slug_of(sync: u64) -> String {
    format!("sync-{sync}")
}

/// Returns the slug of a destination.
pub fn destination_slug(destination: u64) -> String {
    format!("destination-{destination}")
}

/// Returns the ID in the target of a request for details. `path` is [`SYNCS`] or [`DESTINATIONS`].
pub fn details_of(target: &str, path: &str) -> Option<u64> {
    target.strip_prefix(path)?.parse().ok()
}

fn sync_of_slug(slug: &str) -> u64 {
    slug.strip_prefix("sync-").unwrap().parse().unwrap()
}

/// Returns the sync that a target names by its ID.
fn sync_of(target: &str) -> u64 {
    let rest = target.strip_prefix(SYNCS).unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}
