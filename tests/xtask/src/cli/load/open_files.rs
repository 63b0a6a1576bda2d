//! Checks the limit on open files. Each connection uses one file.

use std::fs;

use anyhow::{Result, ensure};

/// Number of connections per run: one from the caller and one to Hightouch. This process has one
/// end of each.
const PER_RUN: u64 = 2;
/// Open files of a process in addition to connections.
const OTHERS: u64 = 100;

/// Fails if the limit on open files is too low for this number of runs. Succeeds if the limit is
/// unknown.
pub(super) fn check_limit(runs: u64) -> Result<()> {
    let needed = runs.saturating_mul(PER_RUN).saturating_add(OTHERS);
    let Some(limit) = fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| soft_limit(&limits))
    else {
        return Ok(());
    };
    ensure!(
        limit >= needed,
        "{runs} runs need {needed} open files, but the limit is {limit}. No run was started. Raise the limit with \
         `ulimit -n {needed}`, or reduce `--runs`."
    );
    Ok(())
}

/// Reads the soft limit on open files from the table in /proc. Returns `None` if it is unlimited.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_found_in_the_table() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             95979                95979                processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files"),
            None
        );
    }
}
