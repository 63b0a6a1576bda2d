//! Selects, sorts and pages the entries of lists.

use std::time::Duration;

use time::OffsetDateTime;

use super::fixtures::SyncFixture;
use super::params::Params;
use super::responses::ApiResponse;
use super::run::{Figures, Run};
use super::scenario::{LISTED_AFTER, Scenario};
use super::workspace::Workspace;

/// The requested page of a list.
#[derive(Clone, Copy, Debug)]
struct Page {
    offset: usize,
    limit: usize,
}

impl Page {
    fn of(params: &mut Params) -> Self {
        let offset = params.number("offset").unwrap_or(0);
        let limit = params.number("limit").unwrap_or(100);
        if limit == 0 {
            params.reject("limit", "min 1", limit.into());
        }
        Self {
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        }
    }

    /// Returns the page of `all`, and whether there are more entries after it. Stops reading `all`
    /// there.
    fn cut<T>(self, all: impl Iterator<Item = T>) -> (Vec<T>, bool) {
        let mut rest = all.skip(self.offset);
        let page = rest.by_ref().take(self.limit).collect();
        (page, rest.next().is_some())
    }
}

/// A period of time that excludes both ends.
#[derive(Clone, Copy, Debug)]
struct Period {
    after: Option<OffsetDateTime>,
    before: Option<OffsetDateTime>,
}

impl Period {
    fn of(params: &mut Params) -> Self {
        Self {
            after: params.time("after"),
            before: params.time("before"),
        }
    }

    /// Returns whether the period contains every time.
    fn is_unlimited(self) -> bool {
        self.after.is_none() && self.before.is_none()
    }

    /// Returns whether the period contains `time`. A limited period does not contain an event that
    /// has not happened.
    fn holds(self, time: Option<OffsetDateTime>) -> bool {
        let later = self
            .after
            .is_none_or(|after| time.is_some_and(|time| time > after));
        let earlier = self
            .before
            .is_none_or(|before| time.is_some_and(|time| time < before));
        later && earlier
    }
}

#[derive(Clone, Copy, Debug)]
enum RunOrder {
    Id,
    CreatedAt,
    StartedAt,
    FinishedAt,
}

impl RunOrder {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "createdAt" => Self::CreatedAt,
            "startedAt" => Self::StartedAt,
            "finishedAt" => Self::FinishedAt,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum SyncOrder {
    /// Also used to sort by name and creation time: fixtures have no names and were all created at
    /// one time.
    Id,
    Slug,
}

impl SyncOrder {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "id" | "name" | "createdAt" | "updatedAt" => Self::Id,
            "slug" => Self::Slug,
            _ => return None,
        })
    }
}

/// A job of a run with its current figures.
pub(super) type Entry<'a> = (&'a Run, Figures);

/// Returns the requested jobs of a sync's runs, and whether there are more.
pub(super) fn runs<'a>(
    workspace: &'a Workspace,
    sync_id: u64,
    query: &str,
    newest_first: bool,
    now: OffsetDateTime,
) -> Result<(Vec<Entry<'a>>, bool), ApiResponse> {
    let mut params = Params::of_query(query);
    let run_id = params.number("runId");
    let period = Period::of(&mut params);
    let within = params
        .number("within")
        .map(|minutes| now - Duration::from_secs(minutes.saturating_mul(60).min(u32::MAX.into())));
    let page = Page::of(&mut params);
    let order = params
        .choice("orderBy", RunOrder::read)
        .unwrap_or(RunOrder::Id);
    params.finish()?;

    let is_listed = listed(workspace, run_id, now);
    // Compute figures only for the entries that need them, so that paging through 100,000 runs is
    // fast.
    let is_any_time = period.is_unlimited() && within.is_none();
    let found = workspace
        .runs_of(sync_id)
        .filter(|run| is_listed(run))
        .flat_map(|run| (0..run.job_count()).map(move |job| (run, job)))
        .filter(|(run, job)| {
            is_any_time || {
                let started_at = run.job(*job, now).and_then(|figures| figures.started_at);
                period.holds(started_at) && within.is_none_or(|from| started_at >= Some(from))
            }
        });
    let (entries, has_more) = match order {
        RunOrder::Id if newest_first => page.cut(found.rev()),
        RunOrder::Id => page.cut(found),
        RunOrder::CreatedAt | RunOrder::StartedAt | RunOrder::FinishedAt => {
            let mut found: Vec<_> = found.collect();
            // An event that has not happened yet sorts last.
            let time = |time: Option<OffsetDateTime>| (time.is_none(), time);
            found.sort_by_cached_key(|(run, job)| {
                let figures = || run.job(*job, now);
                let by = match order {
                    RunOrder::Id => (false, None),
                    RunOrder::CreatedAt => time(Some(run.created_at)),
                    RunOrder::StartedAt => time(figures().and_then(|figures| figures.started_at)),
                    RunOrder::FinishedAt => time(figures().and_then(|figures| figures.finished_at)),
                };
                (by, run.id)
            });
            if newest_first {
                found.reverse();
            }
            page.cut(found.into_iter())
        }
    };
    let entries = entries
        .into_iter()
        .filter_map(|(run, job)| Some((run, run.job(job, now)?)));
    Ok((entries.collect(), has_more))
}

/// Returns whether a list contains a run, for a request with or without an ID.
fn listed(
    workspace: &Workspace,
    asked: Option<u64>,
    now: OffsetDateTime,
) -> impl Fn(&Run) -> bool + use<> {
    let is_new = move |run: &Run| !run.earlier && run.created_at + LISTED_AFTER > now;
    let scenario = workspace.scenario;
    let asks_for_new = asked.and_then(|id| workspace.run(id)).is_some_and(is_new);
    move |run| {
        let is_asked_for = asked.is_none_or(|id| id == run.id);
        match scenario {
            Scenario::NeverListed => is_asked_for && run.earlier,
            Scenario::LateListing => is_asked_for && !is_new(run),
            Scenario::OtherRunsFirst if asks_for_new => !is_asked_for,
            Scenario::IgnoresRunId => true,
            _ => is_asked_for,
        }
    }
}

/// Returns the requested syncs, and whether there are more.
pub(super) fn syncs<'a>(
    workspace: &'a Workspace,
    query: &str,
    now: OffsetDateTime,
) -> Result<(Vec<&'a SyncFixture>, bool), ApiResponse> {
    let mut params = Params::of_query(query);
    let slug = params.text("slug");
    let model_id = params.number("modelId");
    let period = Period::of(&mut params);
    let page = Page::of(&mut params);
    let order = params
        .choice("orderBy", SyncOrder::read)
        .unwrap_or(SyncOrder::Id);
    params.finish()?;

    let last_run_at = |sync: &SyncFixture| {
        let last = workspace.runs_of(sync.id).next_back();
        last.and_then(|run| run.figures(now).started_at)
    };
    let mut found: Vec<_> = workspace
        .syncs()
        .iter()
        .filter(|sync| slug.as_ref().is_none_or(|slug| sync.slug == *slug))
        .filter(|sync| model_id.is_none_or(|id| sync.model_id == id))
        .filter(|sync| period.holds(last_run_at(sync)))
        .collect();
    match order {
        SyncOrder::Id => found.sort_by_key(|sync| sync.id),
        SyncOrder::Slug => found.sort_by(|one, other| one.slug.cmp(&other.slug)),
    }
    Ok(page.cut(found.into_iter()))
}
