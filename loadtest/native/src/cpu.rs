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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_time_of_every_thread_counts() {
        let ((go, went), (done, ended)) = (mpsc::channel::<()>(), mpsc::channel());
        let before = used(std::process::id());
        let thread = std::thread::spawn(move || {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(100) {}
            let _ = done.send(());
            let _ = went.recv(); // a thread that has ended is counted no longer
        });
        let _ = ended.recv();
        let spent = used(std::process::id()).saturating_sub(before);
        drop(go);
        let _ = thread.join();

        assert!(spent > Duration::from_millis(1), "{spent:?}");
    }
}
