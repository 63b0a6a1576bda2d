//! The simulated Hightouch.

use std::fmt::Write as _;

use hightouch_sync::hightouch::{Method, Request};

use super::sequences::{SEQUENCE, Sequences, run_id};
use super::world::{Call, Counts, Ending, Millis, Plan, Rows, World};

/// The ID and the slug of the sync.
pub const SYNC: u64 = 7;
pub const SLUG: &str = "demo";
/// When the first call begins, in milliseconds since 1970, without
/// [`Server::phase`](super::world::Server).
pub const START: Millis = 1_700_000_000_000;

/// A run of the sync.
#[derive(Debug)]
pub struct Run {
    pub id: u64,
    /// The call that started the run; `None` for the runs of others.
    pub by: Option<usize>,
    pub created: Millis,
    pub started: Millis,
    plan: Plan,
}

/// Returns the status of a run with this ending.
pub fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Success => "success",
        Ending::Warning => "warning",
        Ending::Failed => "failed",
        Ending::Cancelled => "cancelled",
        Ending::Interrupted => "interrupted",
        Ending::Never => "verifying",
    }
}

/// The faults of a response.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFaults {
    pub behind: Millis,
    pub short: usize,
    /// Number of sync runs of the sequence's run that an earlier response has shown.
    pub shown_before: usize,
    pub of_another: bool,
}

impl Run {
    /// Returns when the run is listed.
    pub fn listed(&self) -> Millis {
        self.created + self.plan.listed_after
    }

    /// Returns when a job ends. The last job ends last.
    fn job_ends(&self, job: usize) -> Option<Millis> {
        let early =
            self.plan.takes / 4 * i64::try_from(self.plan.jobs.len() - 1 - job).unwrap() / 4;
        (self.plan.jobs[job] != Ending::Never)
            .then_some(self.started + self.plan.takes - early.min(self.plan.takes))
    }

    /// Returns when all jobs have ended; `None` if one never ends.
    pub fn ends(&self) -> Option<Millis> {
        (0..self.plan.jobs.len())
            .map(|job| self.job_ends(job))
            .try_fold(self.started, |last, end| Some(last.max(end?)))
    }

    /// Returns the number of jobs.
    pub fn jobs(&self) -> usize {
        self.plan.jobs.len()
    }

    pub fn has_ended(&self, now: Millis) -> bool {
        self.ends().is_some_and(|end| end <= now)
    }

    /// Returns whether the run is a success when it has ended.
    pub fn succeeded(&self, call: &Call) -> bool {
        let has = |ending: Ending| self.plan.jobs.contains(&ending);
        let is_good = |job: &Ending| matches!(job, Ending::Success | Ending::Warning);
        let rows: Vec<Rows> = (0..self.jobs()).map(|job| self.rows(job)).collect();
        self.plan.jobs.iter().all(is_good)
            && (!has(Ending::Warning) || call.accepts_warnings(&rows))
    }

    fn rows(&self, job: usize) -> Rows {
        self.plan.rows.get(job).copied().unwrap_or_default()
    }

    /// Returns the statuses of the jobs.
    pub fn statuses(&self, now: Millis) -> Vec<&'static str> {
        (0..self.plan.jobs.len())
            .map(|job| self.status(job, now))
            .collect()
    }

    fn status(&self, job: usize, now: Millis) -> &'static str {
        if self.job_ends(job).is_some_and(|end| end <= now) {
            return word(self.plan.jobs[job]);
        }
        match now - self.started {
            ..0 => "queued",
            0..500 => "querying",
            _ if self.plan.jobs[job] == Ending::Never => "verifying",
            _ => "processing",
        }
    }
}

/// A run that is created later.
struct Upcoming {
    at: Millis,
    by: Option<usize>,
    plan: Plan,
}

pub struct Hightouch<'w> {
    world: &'w World,
    pub runs: Vec<Run>,
    /// The runs of the sequence, if the call is about one.
    pub sequences: Option<Sequences<'w>>,
    coming: Vec<Upcoming>,
    /// When the last of the runs that are known so far ends.
    free: Option<Millis>,
    effects: usize,
    /// The call that is in progress.
    pub call: usize,
}

impl<'w> Hightouch<'w> {
    pub fn new(world: &'w World) -> Self {
        let others = world.others.iter().map(|theirs| Upcoming {
            at: theirs.at,
            by: None,
            plan: theirs.plan.clone(),
        });
        let sequences = world.sequence.as_ref().map(Sequences::new);
        let mut hightouch = Self {
            world,
            runs: Vec::new(),
            sequences,
            coming: others.collect(),
            free: None,
            effects: 0,
            call: 0,
        };
        hightouch.advance(0);
        hightouch
    }

    /// Creates the runs that are due.
    fn advance(&mut self, now: Millis) {
        self.coming.sort_by_key(|coming| coming.at);
        while let Some(coming) = self.coming.first().filter(|coming| coming.at <= now) {
            let created = coming.at;
            // The runs of a sync execute one after the other. A run that never ends does not block
            // the next one: the simulation does not model a blocked queue.
            let free = self.free.unwrap_or(created);
            let Upcoming { by, plan, .. } = self.coming.remove(0);
            let id = 101 + u64::try_from(self.runs.len()).unwrap();
            let run = Run {
                id,
                by,
                created,
                started: free.max(created + plan.queued),
                plan,
            };
            self.free = self.free.max(Some(run.ends().unwrap_or(run.started)));
            self.runs.push(run);
        }
    }

    /// Creates all runs that the calls have triggered.
    pub fn create_all(&mut self) {
        if let Some(sequences) = &mut self.sequences {
            sequences.create_all();
        }
        let last = self
            .coming
            .iter()
            .filter(|coming| coming.by.is_some())
            .map(|coming| coming.at)
            .max();
        self.advance(last.unwrap_or(Millis::MIN));
    }

    /// Starts a run at this time, which may be in the future.
    pub fn trigger(&mut self, request: &Request, at: Millis) {
        if let Some(sequences) = &mut self.sequences {
            assert_eq!(
                request.target,
                format!("/api/v1/sync-sequences/{SEQUENCE}/trigger")
            );
            return sequences.trigger(at);
        }
        assert_eq!(request.target, format!("/api/v1/syncs/{SYNC}/trigger"));
        let plan = self
            .world
            .ours
            .get(self.effects)
            .or(self.world.ours.last())
            .unwrap()
            .clone();
        self.effects += 1;
        self.coming.push(Upcoming {
            at,
            by: Some(self.call),
            plan,
        });
    }

    /// Returns the time that `createdAt` shows, in milliseconds since 1970.
    pub fn shows(&self, since: Millis) -> Millis {
        START + self.world.server.phase + since
    }

    /// Returns the time that `Date` shows, in milliseconds since 1970.
    pub fn date(&self, now: Millis) -> Option<Millis> {
        let server = &self.world.server;
        let shown = self.shows(now) + server.date_ahead;
        server.sends_date.then_some(shown.div_euclid(1000) * 1000)
    }

    /// Returns the run with the highest ID that a list of this time shows.
    pub fn newest(&self, then: Millis) -> Option<&Run> {
        self.runs.iter().rfind(|run| run.listed() <= then)
    }

    /// Returns the newest run whose `finishedAt` shows that it ended long before this time.
    pub fn ended_long_before(&self, now: Millis) -> Option<&Run> {
        let server = &self.world.server;
        let shows_end = server.tells_end && server.sends_date && server.date_ahead.abs() <= 200;
        let is_old = |run: &&Run| run.has_ended(now - 40_000) && run.listed() <= now - 40_000;
        self.runs.iter().filter(|_| shows_end).rfind(is_old)
    }

    /// Returns the status and the body of the response to a request that arrives now.
    pub fn answer(
        &mut self,
        request: &Request,
        now: Millis,
        faults: ResponseFaults,
    ) -> (u16, String) {
        if request.method == Method::Post {
            self.trigger(request, now);
        }
        match &mut self.sequences {
            Some(sequences) => {
                sequences.advance(now);
                let shouts = self.world.server.shouts;
                if request.method == Method::Post {
                    let id = run_id(*sequences.effects.last().unwrap());
                    return (
                        200,
                        format!(
                            r#"{{"id":"{}"}}"#,
                            if shouts { id.to_uppercase() } else { id }
                        ),
                    );
                }
                if request.target.contains("/syncs/") {
                    return (200, self.list_of_sequence(request, now - faults.behind));
                }
                let id = request
                    .target
                    .strip_prefix("/api/v1/sync-sequences/runs/")
                    .unwrap();
                match sequences.answer(id, now, faults, shouts) {
                    Ok(body) => (200, body),
                    Err(status) => (status, String::new()),
                }
            }
            None => {
                self.advance(now);
                (200, self.answer_of_syncs(request, now - faults.behind))
            }
        }
    }

    fn answer_of_syncs(&self, request: &Request, then: Millis) -> String {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let param = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
        };
        let offset = param("offset").map_or(0, |(_, value)| value.parse().unwrap());
        match path {
            _ if request.method == Method::Post => {
                let id = self
                    .runs
                    .iter()
                    .rfind(|run| run.by == Some(self.call))
                    .map(|run| run.id)
                    .unwrap();
                format!(r#"{{"id":{}}}"#, self.id(id))
            }
            "/api/v1/syncs" => {
                assert_eq!(param("slug"), Some(("slug", SLUG)));
                format!(
                    r#"{{"hasMore":false,"data":[{{"id":{},"slug":"{SLUG}"}}]}}"#,
                    self.id(SYNC)
                )
            }
            "/api/v1/syncs/7/runs" => {
                let wanted = param("runId").map(|(_, id)| id.parse::<u64>().unwrap());
                self.list(
                    wanted.filter(|_| !self.world.server.ignores_run_id),
                    offset,
                    then,
                )
            }
            _ => panic!("nobody should ask for {}", request.target),
        }
    }

    fn list(&self, wanted: Option<u64>, offset: usize, now: Millis) -> String {
        let server = &self.world.server;
        let mut entries: Vec<(&Run, usize)> = self
            .runs
            .iter()
            .filter(|run| run.listed() <= now && wanted.is_none_or(|id| id == run.id))
            .flat_map(|run| (0..run.plan.jobs.len()).map(move |job| (run, job)))
            .collect();
        if server.newest_first {
            entries.reverse();
        }
        if server.mixed {
            // A fixed order that does not depend on the order of the IDs.
            entries.sort_by_key(|(run, job)| mixed(run.id, *job));
        }
        let more = entries.len() > offset + server.page;
        let entries: Vec<Entry> = entries
            .into_iter()
            .skip(offset)
            .take(server.page)
            .map(|(run, job)| Entry {
                id: run.id,
                created: run.created,
                started: run.started,
                status: run.status(job, now),
                ended: run.job_ends(job).filter(|end| *end <= now),
                rows: run.rows(job),
            })
            .collect();
        self.page(&entries, more, now)
    }

    /// Returns a page of a list.
    fn page(&self, entries: &[Entry], more: bool, now: Millis) -> String {
        let server = &self.world.server;
        let mut body = String::from(r#"{"data":["#);
        for (place, entry) in entries.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let status = if server.shouts {
                entry.status.to_uppercase()
            } else {
                entry.status.into()
            };
            let created = rfc3339(self.shows(entry.created));
            write!(
                body,
                r#"{comma}{{"id":{},"createdAt":"{created}","status":"{status}""#,
                self.id(entry.id)
            )
            .unwrap();
            if server.tells_start && entry.started <= now {
                let started = rfc3339(self.shows(entry.started));
                write!(body, r#","startedAt":"{started}""#).unwrap();
            }
            if let Some(ended) = entry.ended {
                if server.tells_end {
                    let finished = rfc3339(self.shows(ended));
                    write!(body, r#","finishedAt":"{finished}""#).unwrap();
                }
                write_rows(&mut body, &entry.rows);
            }
            body.push('}');
        }
        write!(body, r#"],"hasMore":{more}}}"#).unwrap();
        body
    }

    /// Returns a page of the runs of a sync of the sequence.
    fn list_of_sequence(&self, request: &Request, then: Millis) -> String {
        let sequences = self.sequences.as_ref().unwrap();
        let (path, query) = request.target.split_once('?').unwrap();
        let sync: u64 = path
            .strip_prefix("/api/v1/syncs/")
            .and_then(|rest| rest.strip_suffix("/runs"))
            .unwrap()
            .parse()
            .unwrap();
        let param = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find_map(|(key, value)| (key == name).then(|| value.parse::<u64>().unwrap()))
        };
        let wanted = param("runId").filter(|_| !self.world.server.ignores_run_id);
        let mut entries: Vec<Entry> = sequences.entries(sync, then);
        entries.retain(|entry| wanted.is_none_or(|id| id == entry.id));
        if self.world.server.newest_first {
            entries.reverse();
        }
        let offset = param("offset").map_or(0, |offset| usize::try_from(offset).unwrap());
        let from = offset.min(entries.len());
        let to = (offset + self.world.server.page).min(entries.len());
        self.page(&entries[from..to], entries.len() > to, then)
    }

    fn id(&self, id: u64) -> String {
        if self.world.server.ids_are_text {
            format!("\"{id}\"")
        } else {
            id.to_string()
        }
    }
}

/// A job, as a list shows it.
pub struct Entry {
    pub id: u64,
    pub created: Millis,
    pub started: Millis,
    pub status: &'static str,
    pub ended: Option<Millis>,
    pub rows: Rows,
}

/// Returns a number that determines the place of a job in a list without an order.
fn mixed(run: u64, job: usize) -> u64 {
    let job = u64::try_from(job).unwrap();
    (run + 1_000 * job).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Writes the row counts of a job that has ended.
fn write_rows(body: &mut String, rows: &Rows) {
    let mut write_counts = |name: &str, counts: &[Option<u64>; 3]| {
        let names = ["addedCount", "changedCount", "removedCount"];
        let counts: Vec<String> = names
            .iter()
            .zip(counts)
            .filter_map(|(name, count)| Some(format!(r#""{name}":{}"#, (*count)?)))
            .collect();
        write!(body, r#","{name}":{{{}}}"#, counts.join(",")).unwrap();
    };
    if let Some(counts) = &rows.rejected {
        write_counts("failedRows", counts);
    }
    if let Some(counts) = &rows.successful {
        write_counts("successfulRows", counts);
    }
    let known = |counts: Counts| counts.into_iter().flatten().flatten().sum::<u64>();
    let planned = known(rows.rejected) + known(rows.successful) + rows.unattempted;
    write_counts("plannedRows", &[Some(planned), Some(0), Some(0)]);
    if rows.rejected.is_none() {
        body.push_str(r#","failedRows":null"#);
    }
    if rows.successful.is_none() {
        body.push_str(r#","successfulRows":null"#);
    }
}

pub fn rfc3339(millis: Millis) -> String {
    let time =
        time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap();
    time.format(&time::format_description::well_known::Rfc3339)
        .unwrap()
}
