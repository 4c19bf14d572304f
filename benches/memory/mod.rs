//! Peak memory of one call, from Linux.

/// A line of /proc/self/status, in bytes.
fn status(name: &str) -> Option<f64> {
    let all = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = all.lines().find(|line| line.starts_with(name))?;
    Some(1024.0 * line.split_whitespace().nth(1)?.parse::<f64>().ok()?)
}

/// Resident memory, from where its peak is counted anew.
fn resident() -> Option<f64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    status("VmRSS")
}

/// What `work` returns, and its peak in words: of use where no larger row ran before, and nothing elsewhere than on
/// Linux.
pub fn with_peak<R>(work: impl FnOnce() -> R) -> (R, String) {
    let before = resident();
    let result = work();
    let peak = before.zip(status("VmHWM")).map(|(before, peak)| (peak - before) / 1e6);
    (result, peak.map_or(String::new(), |mb| format!(", peak memory beyond the data {mb:.1} MB")))
}
