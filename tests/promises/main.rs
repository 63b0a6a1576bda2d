//! Promises to users, tested with the built components in a real host over real sockets. Each file
//! tests one promise.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

mod a_dbt_job_gates_the_sync;
mod a_few_rejected_rows_are_tolerated;
mod a_page_for_people_is_served;
mod a_rate_limit_that_outlasts_the_wait_is_told;
mod answers_of_any_size_cost_little_memory;
mod async_components_compose;
mod bad_input_never_reaches_hightouch;
mod callers_of_one_instance_share_only_time;
mod components_compose;
mod components_import_what_their_world_says;
mod deadlines_hold;
mod deliveries_hurt_no_run;
mod each_of_many_gets_its_own_end;
mod errors_follow_the_rule;
mod events_tell_how_a_run_goes;
mod failed_runs_are_notified;
mod instances_take_little_memory;
mod keys_stay_secret;
mod long_runs_are_followed;
mod no_sync_runs_twice;
mod nothing_is_lost_on_a_line_that_fails;
mod one_after_another_stops_at_a_failure;
mod only_allowed_syncs_run;
mod only_listed_versions_are_released;
mod real_answers_are_understood;
mod recent_runs_are_listed;
mod recipes_fail_when_the_sync_fails;
mod repeated_calls_start_one_run;
mod requests_and_runs_leave_lines;
mod runs_appear_in_lineage;
mod runs_are_followed_after_the_answer;
mod sequences_end_as_their_syncs_do;
mod several_syncs_run_at_once;
mod statuses_are_told_truly;
mod stored_keys_are_for_those_who_show_the_token;
mod the_document_describes_the_endpoint;
mod the_endpoint_answers_in_http;
mod the_github_action_fails_when_a_sync_fails;
mod the_local_hightouch_is_what_hightouch_publishes;
mod the_readme_names_what_holds_it;
mod the_spin_manifest_fits_the_component;
mod the_wasmtime_command_does_what_the_readme_says;
mod the_wit_is_documented_and_stays;
mod what_a_list_proves;
