//! What a process has used of the processor.

use std::fs;
use std::time::Duration;

/// The time of all its threads that have not ended (`/proc/PID/task/*/schedstat`).
pub(crate) fn used(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let of_thread = |path: std::path::PathBuf| -> Option<u64> {
        let text = fs::read_to_string(path.join("schedstat")).ok()?; // it may just have ended
        text.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(|it| of_thread(it.path())).sum())
}
