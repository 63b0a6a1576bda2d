//! A Hightouch that knows the truth.

use std::fmt::Write as _;

use hightouch_sync::hightouch::{Method, Request};

use super::sequences::{SEQUENCE, Sequences, run_id};
use super::world::{Ending, Millis, Plan, World};

/// The sync, as an ID and as a slug.
pub const SYNC: u64 = 7;
pub const SLUG: &str = "demo";
/// When the operation begins, in milliseconds since 1970, less what the world adds.
pub const START: Millis = 1_700_000_000_000;

/// A run, as it truly is.
#[derive(Debug)]
pub struct Run {
    pub id: u64,
    pub ours: bool,
    pub created: Millis,
    pub started: Millis,
    plan: Plan,
}

/// The word for a run that has ended so.
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

/// How an answer is told wrongly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wrongs {
    pub behind: Millis,
    pub short: usize,
    /// How many sync runs of the sequence's run were told of before.
    pub told_before: usize,
    pub of_another: bool,
}

impl Run {
    /// When it is listed.
    pub fn listed(&self) -> Millis {
        self.created + self.plan.listed_after
    }

    /// When each job ends, the last of them last.
    fn job_ends(&self, job: usize) -> Option<Millis> {
        let early =
            self.plan.takes / 4 * i64::try_from(self.plan.jobs.len() - 1 - job).unwrap() / 4;
        (self.plan.jobs[job] != Ending::Never)
            .then_some(self.started + self.plan.takes - early.min(self.plan.takes))
    }

    /// When all of it has ended, if it ever does.
    pub fn ends(&self) -> Option<Millis> {
        (0..self.plan.jobs.len())
            .map(|job| self.job_ends(job))
            .try_fold(self.started, |last, end| Some(last.max(end?)))
    }

    /// How many jobs it has.
    pub fn jobs(&self) -> usize {
        self.plan.jobs.len()
    }

    pub fn has_ended(&self, now: Millis) -> bool {
        self.ends().is_some_and(|end| end <= now)
    }

    pub fn succeeded(&self, accept_warnings: bool) -> bool {
        self.plan
            .jobs
            .iter()
            .all(|job| *job == Ending::Success || accept_warnings && *job == Ending::Warning)
    }

    /// The statuses of its jobs.
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

/// Something that will be.
struct Coming {
    at: Millis,
    ours: bool,
    plan: Plan,
}

pub struct Hightouch<'w> {
    world: &'w World,
    pub runs: Vec<Run>,
    /// The runs of the sequence, where the operation is about one.
    pub sequences: Option<Sequences<'w>>,
    coming: Vec<Coming>,
    effects: usize,
}

impl<'w> Hightouch<'w> {
    pub fn new(world: &'w World) -> Self {
        let others = world.others.iter().map(|theirs| Coming {
            at: theirs.at,
            ours: false,
            plan: theirs.plan.clone(),
        });
        let sequences = world.sequence.as_ref().map(Sequences::new);
        let mut hightouch = Self {
            world,
            runs: Vec::new(),
            sequences,
            coming: others.collect(),
            effects: 0,
        };
        hightouch.go_on(0);
        hightouch
    }

    /// Lets be what comes by now.
    fn go_on(&mut self, now: Millis) {
        self.coming.sort_by_key(|coming| coming.at);
        while let Some(coming) = self.coming.first().filter(|coming| coming.at <= now) {
            let created = coming.at;
            // One after the other: a run that never ends lets the next one begin, for it does not matter here.
            let before = self
                .runs
                .iter()
                .map(|run| run.ends().unwrap_or(run.started))
                .max()
                .unwrap_or(created);
            let Coming { ours, plan, .. } = self.coming.remove(0);
            let id = 101 + u64::try_from(self.runs.len()).unwrap();
            self.runs.push(Run {
                id,
                ours,
                created,
                started: before.max(created + plan.queued),
                plan,
            });
        }
    }

    /// Lets be everything that is still to come of the operation's own requests.
    pub fn go_on_for_ever(&mut self) {
        if let Some(sequences) = &mut self.sequences {
            sequences.go_on_for_ever();
        }
        let last = self
            .coming
            .iter()
            .filter(|coming| coming.ours)
            .map(|coming| coming.at)
            .max();
        self.go_on(last.unwrap_or(Millis::MIN));
    }

    /// Starts a run at this moment, which is not before now.
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
        self.coming.push(Coming {
            at,
            ours: true,
            plan,
        });
    }

    /// What `createdAt` shows at this moment, in milliseconds since 1970.
    pub fn shows(&self, moment: Millis) -> Millis {
        START + self.world.server.phase + moment
    }

    /// `Date` at this moment, in milliseconds since 1970.
    pub fn date(&self, now: Millis) -> Option<Millis> {
        let server = &self.world.server;
        let shown = self.shows(now) + server.date_ahead;
        server.sends_date.then_some(shown.div_euclid(1000) * 1000)
    }

    /// Answers a request that arrives now: the status, and the body.
    pub fn answer(&mut self, request: &Request, now: Millis, wrongs: Wrongs) -> (u16, String) {
        if request.method == Method::Post {
            self.trigger(request, now);
        }
        match &mut self.sequences {
            Some(sequences) => {
                sequences.go_on(now);
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
                let id = request
                    .target
                    .strip_prefix("/api/v1/sync-sequences/runs/")
                    .unwrap();
                match sequences.answer(id, now, wrongs, shouts) {
                    Ok(body) => (200, body),
                    Err(status) => (status, String::new()),
                }
            }
            None => {
                self.go_on(now);
                (200, self.answer_of_syncs(request, now - wrongs.behind))
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
                    .rfind(|run| run.ours)
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
        let mut body = String::from(r#"{"data":["#);
        for (place, (run, job)) in entries.iter().skip(offset).take(server.page).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let status = run.status(*job, now);
            let status = if server.shouts {
                status.to_uppercase()
            } else {
                status.into()
            };
            let created = rfc3339(self.shows(run.created));
            write!(
                body,
                r#"{comma}{{"id":{},"createdAt":"{created}","status":"{status}""#,
                self.id(run.id)
            )
            .unwrap();
            if server.tells_start && run.started <= now {
                write!(
                    body,
                    r#","startedAt":"{}""#,
                    rfc3339(self.shows(run.started))
                )
                .unwrap();
            }
            body.push('}');
        }
        let more = entries.len() > offset + server.page;
        write!(body, r#"],"hasMore":{more}}}"#).unwrap();
        body
    }

    fn id(&self, id: u64) -> String {
        if self.world.server.ids_are_text {
            format!("\"{id}\"")
        } else {
            id.to_string()
        }
    }
}

pub fn rfc3339(millis: Millis) -> String {
    let time =
        time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap();
    time.format(&time::format_description::well_known::Rfc3339)
        .unwrap()
}
