# Functions of run-sync.sh that read and write JSON. The results have the format of a response to `POST /runs`: one entry for
# each sync, with a report or a problem. An entry has a `location` as long as its run is in progress.

# Replaces the token in all strings of a response.
def without_token:
    if $ENV.TOKEN == "" then . else walk(if type == "string" then split($ENV.TOKEN) | join("***") else . end) end;

# Makes a string from a response safe to print: one line of limited length, without a workflow command of GitHub Actions.
def plain: tostring | without_token | gsub("[[:cntrl:]]+"; " ") | gsub("##\\["; "## [") | .[:2000];

# Escapes a text for a workflow command such as `::error title=TITLE::MESSAGE`.
def message: plain | gsub("%"; "%25");
def title: message | gsub(":"; "%3A") | gsub(","; "%2C");

# Escapes all punctuation that Markdown or HTML could interpret.
def escaped: plain | gsub("(?<mark>[\\\\`*_{}\\[\\]<>()#+!|~@&:-])"; "\\\(.mark)");

# The body of the request, from the inputs. The endpoint checks the values.
def body:
    def text($name; $key): if $ENV[$name] == "" then {} else {($key): $ENV[$name]} end;
    def flag($name; $key): if $ENV[$name] == "true" then {($key): true} else {} end;
    def number($name; $key): if $ENV[$name] == "" then {} else {($key): ($ENV[$name] | tonumber)} end;
    (number("MAX_REJECTED"; "maxRejected") + number("MAX_REJECTED_PERCENT"; "maxRejectedPercent")) as $limit
    | [$ENV.SYNCS | splits("[,\\s]+") | select(. != "") | if test("^[0-9]{1,15}$") then tonumber else . end] as $syncs
    | {syncs: $syncs}
    + flag("FULL_RESYNC"; "fullResync") + flag("RESET_CDC"; "resetCDC") + flag("CLEAR_AND_FILL"; "clearAndFill")
    + (if $limit == {} then flag("ACCEPT_WARNINGS"; "acceptWarnings") else {acceptWarnings: $limit} end)
    + text("IF_RUNNING"; "ifRunning") + text("UNLESS_RUN_SINCE"; "unlessRunSince") + text("LINEAGE_PARENT"; "lineageParent")
    + if ($syncs | length) < 2 then {} else number("PARALLEL"; "parallel") + flag("STOP_ON_FAILURE"; "stopOnFailure") end;

# The query of a request that polls a run, from the body of the request that started it.
def query:
    .acceptWarnings as $accepted
    | [($accepted | objects | to_entries[] | "\(.key)=\(.value)"), if $accepted == true then "acceptWarnings=true" else empty end,
        if $ENV.ACCOUNT == "" then empty else "account=\($ENV.ACCOUNT | @uri)" end]
    | if . == [] then "" else "?" + join("&") end;

# Whether the request that starts the runs may be sent again: no run was started, or unless-run-since makes it safe.
def may_repeat($code):
    if . == null then $ENV.UNLESS_RUN_SINCE != "" and ($code | IN("000", "408", "429", "502", "503", "504"))
    elif .runId or .runs then false
    elif .kind == "trigger-unconfirmed" then $ENV.UNLESS_RUN_SINCE != ""
    else .kind | IN("api", "unreachable", "malformed-answer", "not-started") end;

# A response about one run, as an entry of the results. `$location` is null unless the response is 202.
def entry($sync; $code; $location):
    if . != null and .kind then {sync: $sync, problem: .}
    elif . != null and .runId then {sync: $sync, report: ., location: $location}
    else {sync: $sync, problem: {kind: "other", detail: "The endpoint sent no report. HTTP status: \($code)."}} end
    | del(.[] | nulls);

# Adds a location to a problem that names a run which may still be in progress.
def follow_problems($query):
    .runs |= map(
        if .location == null and .problem.runId and .problem.syncId
            and (.problem.kind | IN("api", "unreachable", "malformed-answer", "still-running"))
        then .location = "/syncs/\(.problem.syncId)/runs/\(.problem.runId)\($query)" else . end);

# All syncs with the same problem.
def all_with($problem): {runs: [.syncs[] | {sync: ., problem: $problem}]};

# Properties of an entry.
def has_ended: .location == null;
def has_succeeded: has_ended and .problem == null and (.report.status | IN("success", "warning"));
def run_id: .report.runId // .problem.runId;
def jobs: .report.jobs // .problem.jobs // [];
def link: .report.url | strings | select(test("^https?://[^\\s<>]+$")) | plain;
def status:
    if has_ended | not then "in progress"
    elif .report then .report.status
    else jobs | map(.status) | unique | if length == 1 then .[0] else null end end // .problem.kind // "unknown";

def overall_status:
    if all(.runs[]; has_succeeded) then "success"
    elif all(.runs[]; has_ended) | not then "running"
    elif any(.runs[]; .problem.kind == "trigger-unconfirmed") then "unconfirmed"
    else "failed" end;

# One line for each run.
def lines:
    .runs[] | (.sync | plain) + ": " + (if run_id then "run \(run_id), " else "" end | plain) + (status | plain)
    + if .location then ", \(.location | plain)" else "" end;

def errors:
    .runs[] | select(.problem and has_ended)
    | "::error title=Sync \(.sync | title)::\([.problem.kind, .problem.detail, .problem.details] | map(values | message) | join(" | "))";

def outputs:
    "status=" + overall_status,
    "run-ids=" + ([.runs[] | run_id | values | plain] | join(",")),
    "url=" + ([.runs[] | link] | first // ""),
    "report=" + ({runs: [.runs[] | del(.location)]} | tojson);

# The table of the job summary. A cell is empty if the value is not known.
def summary:
    def seconds: sub("\\.[0-9]+"; "") | fromdateiso8601;
    def duration: try "\((map(.finishedAt | seconds) | max) - (map(.startedAt | seconds) | min)) s" catch "";
    def sum(values): if . == [] then "" else try (map(values) | add | numbers) catch "" end // "";
    def run: (run_id // "" | escaped) as $run | [link] | if . == [] then $run else "[\($run)](<\(.[0])>)" end;
    "| Sync | Status | Run | Duration | Added | Changed | Removed | Rejected | Details |",
    "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    (.runs[] | [
        (.sync | escaped), (status | escaped), run, (jobs | duration),
        (jobs | sum(.successfulRows.addedCount), sum(.successfulRows.changedCount), sum(.successfulRows.removedCount)),
        (jobs | sum(.failedRows | .addedCount + .changedCount + .removedCount)),
        ([.problem.detail, .problem.details] | map(values | escaped) | join(" "))
    ] | "| \(map(tostring) | join(" | ")) |");
