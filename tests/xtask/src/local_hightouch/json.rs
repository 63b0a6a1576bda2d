//! The JSON of each type of object.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::clock::{with_offset, with_z};
use super::fixtures::SyncFixture;
use super::run::{Figures, Run};
use super::sequence::SequenceRun;
use super::timeline::RowCounts;
use super::workspace::Workspace;

/// Creation time of all syncs and destinations.
const MADE_AT: OffsetDateTime = datetime!(2022-02-16 21:37:58.510 UTC);

/// Returns the body of a trigger's response. The run's ID is a string here and a number elsewhere.
pub(super) fn triggered(id: impl ToString) -> Value {
    json!({"id": id.to_string()})
}

pub(super) fn page(data: Vec<Value>, has_more: bool) -> Value {
    json!({"data": data, "hasMore": has_more})
}

/// Returns an entry of the run list: one job of a run.
pub(super) fn run(run: &Run, figures: &Figures) -> Value {
    json!({
        "id": run.id,
        "createdAt": with_z(run.created_at),
        "startedAt": figures.started_at.map(with_z),
        "finishedAt": figures.finished_at.map(with_z),
        "querySize": figures.query_size,
        "status": figures.status.as_str(),
        "completionRatio": figures.completion_ratio,
        "plannedRows": rows(figures.planned),
        "successfulRows": rows(figures.successful),
        "failedRows": rows(figures.failed),
        "error": figures.error,
    })
}

fn rows(counts: RowCounts) -> Value {
    json!({
        "addedCount": counts.added,
        "changedCount": counts.changed,
        "removedCount": counts.removed,
    })
}

pub(super) fn sync(workspace: &Workspace, sync: &SyncFixture, now: OffsetDateTime) -> Value {
    let last = workspace.runs_of(sync.id).next_back();
    let figures = last.map(|run| run.figures(now));
    let status = match &figures {
        Some(figures) => figures.status.as_str(),
        None if sync.disabled => "disabled",
        None => "pending",
    };
    json!({
        "id": sync.id,
        "slug": sync.slug,
        "workspaceId": workspace.id,
        "createdAt": with_z(MADE_AT),
        "updatedAt": with_z(MADE_AT),
        "destinationId": sync.destination_id,
        "modelId": sync.model_id,
        "configuration": {},
        "schedule": null,
        "disabled": sync.disabled,
        "status": status,
        "lastRunAt": figures.and_then(|figures| figures.started_at).map(with_z),
        "referencedColumns": [],
        "primaryKey": "id",
        // Every sync has the field. It contains an ID only if an external segment is synced.
        "externalSegment": {},
        "tags": {},
    })
}

/// The ID of the source of every model.
const SOURCE_ID: u64 = 1;

/// Returns a model, if a sync has its ID.
pub(super) fn model(workspace: &Workspace, id: u64) -> Option<Value> {
    let syncs: Vec<_> = workspace
        .syncs()
        .iter()
        .filter(|sync| sync.model_id == id)
        .map(|sync| sync.id)
        .collect();
    if syncs.is_empty() {
        return None;
    }
    Some(json!({
        "id": id,
        "name": format!("Model {id}"),
        "slug": format!("model-{id}"),
        "description": "",
        "workspaceId": workspace.id,
        "primaryKey": "id",
        "createdAt": with_z(MADE_AT),
        "updatedAt": with_z(MADE_AT),
        "sourceId": SOURCE_ID,
        "queryType": "raw_sql",
        "raw": {"sql": "select * from users"},
        "tags": {},
        "isSchema": false,
        "syncs": syncs,
        "lastRunSize": null,
    }))
}

/// Returns a source, if a model has its ID.
pub(super) fn source(workspace: &Workspace, id: u64) -> Option<Value> {
    (id == SOURCE_ID && !workspace.syncs().is_empty()).then(|| {
        json!({
            "id": id,
            "name": format!("Source {id}"),
            "slug": format!("source-{id}"),
            "workspaceId": workspace.id,
            "createdAt": with_z(MADE_AT),
            "updatedAt": with_z(MADE_AT),
            "type": "postgres",
            "configuration": {},
        })
    })
}

/// Returns a destination with the syncs that send to it.
pub(super) fn destination(workspace: &Workspace, id: u64) -> Option<Value> {
    let destination = workspace.destination(id)?;
    let syncs: Vec<_> = workspace
        .syncs()
        .iter()
        .filter(|sync| sync.destination_id == id)
        .map(|sync| sync.id)
        .collect();
    Some(json!({
        "id": id,
        "name": destination.name,
        "slug": destination.slug,
        "workspaceId": workspace.id,
        "createdAt": with_z(MADE_AT),
        "updatedAt": with_z(MADE_AT),
        "type": destination.destination_type,
        "syncs": syncs,
        "configuration": {},
    }))
}

pub(super) fn sequence_run(
    workspace: &Workspace,
    sequence_run: &SequenceRun,
    now: OffsetDateTime,
) -> Value {
    let sync_runs: Vec<_> = sequence_run
        .run_ids
        .iter()
        .filter_map(|id| workspace.run(*id))
        .map(|run| {
            let figures = run.figures(now);
            json!({
                "syncId": run.sync_id,
                "status": figures.status.as_str(),
                "finishedAt": figures.finished_at.map(with_offset),
                "syncRunId": run.id,
            })
        })
        .collect();
    json!({
        "id": sequence_run.id,
        "status": sequence_run.status.as_str(),
        "syncRuns": sync_runs,
    })
}
