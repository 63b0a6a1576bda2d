//! Promises to users, each held by the built components in a real host, over real sockets. One file, one promise.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "promises/calls.rs"]
mod calls;
#[path = "promises/cases.rs"]
mod cases;
#[path = "promises/openapi.rs"]
mod openapi;
#[path = "benches/costs/pages.rs"]
mod pages;
#[path = "promises/raw.rs"]
mod raw;
#[path = "promises/stage.rs"]
mod stage;

#[path = "promises/a_dbt_job_gates_the_sync.rs"]
mod a_dbt_job_gates_the_sync;
#[path = "promises/a_rate_limit_that_outlasts_the_wait_is_told.rs"]
mod a_rate_limit_that_outlasts_the_wait_is_told;
#[path = "promises/answers_of_any_size_cost_little_memory.rs"]
mod answers_of_any_size_cost_little_memory;
#[path = "promises/bad_input_never_reaches_hightouch.rs"]
mod bad_input_never_reaches_hightouch;
#[path = "promises/components_compose.rs"]
mod components_compose;
#[path = "promises/components_import_what_their_world_says.rs"]
mod components_import_what_their_world_says;
#[path = "promises/deadlines_hold.rs"]
mod deadlines_hold;
#[path = "promises/each_of_many_gets_its_own_end.rs"]
mod each_of_many_gets_its_own_end;
#[path = "promises/errors_follow_the_rule.rs"]
mod errors_follow_the_rule;
#[path = "promises/events_tell_how_a_run_goes.rs"]
mod events_tell_how_a_run_goes;
#[path = "promises/instances_take_little_memory.rs"]
mod instances_take_little_memory;
#[path = "promises/keys_stay_secret.rs"]
mod keys_stay_secret;
#[path = "promises/long_runs_are_followed.rs"]
mod long_runs_are_followed;
#[path = "promises/no_sync_runs_twice.rs"]
mod no_sync_runs_twice;
#[path = "promises/nothing_is_lost_on_a_line_that_fails.rs"]
mod nothing_is_lost_on_a_line_that_fails;
#[path = "promises/real_answers_are_understood.rs"]
mod real_answers_are_understood;
#[path = "promises/recipes_fail_when_the_sync_fails.rs"]
mod recipes_fail_when_the_sync_fails;
#[path = "promises/requests_and_runs_leave_lines.rs"]
mod requests_and_runs_leave_lines;
#[path = "promises/sequences_end_as_their_syncs_do.rs"]
mod sequences_end_as_their_syncs_do;
#[path = "promises/several_syncs_run_at_once.rs"]
mod several_syncs_run_at_once;
#[path = "promises/statuses_are_told_truly.rs"]
mod statuses_are_told_truly;
#[path = "promises/stored_keys_are_for_those_who_show_the_token.rs"]
mod stored_keys_are_for_those_who_show_the_token;
#[path = "promises/the_document_describes_the_endpoint.rs"]
mod the_document_describes_the_endpoint;
#[path = "promises/the_endpoint_answers_in_http.rs"]
mod the_endpoint_answers_in_http;
#[path = "promises/the_local_hightouch_is_what_hightouch_publishes.rs"]
mod the_local_hightouch_is_what_hightouch_publishes;
#[path = "promises/the_readme_names_what_holds_it.rs"]
mod the_readme_names_what_holds_it;
#[path = "promises/the_spin_manifest_fits_the_component.rs"]
mod the_spin_manifest_fits_the_component;
#[path = "promises/the_wasmtime_command_does_what_the_readme_says.rs"]
mod the_wasmtime_command_does_what_the_readme_says;
#[path = "promises/the_wit_is_documented_and_stays.rs"]
mod the_wit_is_documented_and_stays;
#[path = "promises/what_a_list_proves.rs"]
mod what_a_list_proves;
