//! Memory is asked for before it is taken: sizes are estimated, and what is more than allowed is an error that says
//! how much is needed, not the end of the process.
//!
//! What is allowed is what [`allow`] said, and otherwise half of what is free: on Linux the smaller of the memory
//! that is available and the limit of the control group, read once; 4 GB on other systems. [`within`] says otherwise for
//! one thread: [`crate::sweep`] gives each of the points that are solved at the same time its part.
//!
//! ```
//! use groktime::{Error, memory};
//! memory::allow(Some(8_000_000_000));
//! assert!(memory::check("a matrix of 1000 × 1000", 8e6).is_ok());
//! let refused = memory::check("a matrix of 1e6 × 1e6", 8e12);
//! assert!(matches!(refused, Err(Error::Memory { needed: 8e12, allowed: 8_000_000_000, .. })));
//! memory::allow(None);
//! ```

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// What every process has: below it nothing is looked up.
const ALWAYS: f64 = (1 << 20) as f64;
/// Where the system says nothing of its memory.
const ELSEWHERE: u64 = 4_000_000_000;
/// In the place of an amount: what the system says.
const AUTOMATIC: u64 = u64::MAX;

/// What may be taken, in bytes.
static ALLOWED: AtomicU64 = AtomicU64::new(AUTOMATIC);

thread_local! {
    /// What may be taken on this thread, in the place of what the process may take.
    static HERE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Allows so many bytes from now on, in the whole process; `None` allows half of what is free.
pub fn allow(bytes: Option<u64>) {
    ALLOWED.store(bytes.map_or(AUTOMATIC, |bytes| bytes.min(AUTOMATIC - 1)), Ordering::Relaxed);
}

/// The bytes that a computation may take here and now.
pub fn allowed() -> u64 {
    if let Some(bytes) = HERE.get() {
        return bytes;
    }
    static FREE: OnceLock<u64> = OnceLock::new();
    match ALLOWED.load(Ordering::Relaxed) {
        AUTOMATIC => *FREE.get_or_init(|| system::free().map_or(ELSEWHERE, |free| free / 2)),
        bytes => bytes,
    }
}

/// Refuses what needs more than is [`allowed`]. `needed` is in bytes, a real number: no product of sizes
/// overflows it.
///
/// # Errors
///
/// [`Error::Memory`] with both numbers.
pub fn check(what: impl Into<String>, needed: f64) -> Result<()> {
    if needed <= ALWAYS {
        return Ok(());
    }
    let allowed = allowed();
    match needed <= allowed as f64 {
        true => Ok(()),
        false => Err(Error::Memory { what: what.into(), needed, allowed }),
    }
}

/// Refuses an array of numbers of 8 bytes of the given shape.
///
/// ```
/// let e = groktime::memory::check_array("features", &[1 << 40, usize::MAX]).unwrap_err();
/// assert!(e.to_string().starts_with("features (1099511627776 × 18446744073709551615) needs about 1.6e32 bytes"));
/// ```
///
/// # Errors
///
/// [`Error::Memory`].
pub fn check_array(name: &str, shape: &[usize]) -> Result<()> {
    let needed = shape.iter().fold(8.0, |product, &n| product * n as f64);
    if needed <= ALWAYS {
        return Ok(());
    }
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    check(format!("{name} ({})", sizes.join(" × ")), needed)
}

/// The same for what returns no error.
///
/// # Panics
///
/// Where [`check_array`] has an error: a panic can be caught, an allocation that fails ends the process.
#[track_caller]
#[allow(clippy::panic)]
pub(crate) fn demand(name: &str, shape: &[usize]) {
    if let Err(e) = check_array(name, shape) {
        panic!("{e}");
    }
}

/// Does some work for which so many bytes are allowed, whatever the process may take; on this thread only.
///
/// ```
/// use groktime::memory::{check, within};
/// assert!(within(1 << 30, || check("eight megabytes", 8e6)).is_ok());
/// assert!(within(1 << 22, || check("eight megabytes", 8e6)).is_err());
/// ```
pub fn within<R>(bytes: u64, work: impl FnOnce() -> R) -> R {
    /// Puts back what was there, also when the work panics.
    struct Before(Option<u64>);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let _before = Before(HERE.replace(Some(bytes)));
    work()
}

/// An amount as people write it: `8GB`, `512MB`, `1.5e9`, `4GiB`, or `auto` for half of what is free (`None`).
///
/// ```
/// use groktime::memory::parse;
/// assert_eq!(parse("8GB"), Ok(Some(8_000_000_000)));
/// assert_eq!(parse("1.5 GiB"), Ok(Some(1_610_612_736)));
/// assert_eq!(parse("auto"), Ok(None));
/// assert!(parse("much").is_err() && parse("-1GB").is_err() && parse("8 XB").is_err());
/// ```
///
/// # Errors
///
/// A text that says what was expected.
pub fn parse(text: &str) -> std::result::Result<Option<u64>, String> {
    if text.trim().eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    let wrong =
        || format!("{text:?} is not an amount of memory, expected auto, or bytes such as 8GB, 512MB or 2e9");
    let lower = text.trim().to_ascii_lowercase();
    let unit_at = lower.rfind(|c: char| c.is_ascii_digit() || c == '.').ok_or_else(wrong)? + 1;
    let (number, unit) = lower.split_at(unit_at);
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let factor = match unit.trim() {
        "" | "b" => 1.0,
        unit => {
            let power = "kmgt".find(&unit[..1]).ok_or_else(wrong)? as i32 + 1;
            match &unit[1..] {
                "" | "b" => 1e3_f64.powi(power),
                "ib" => 1024_f64.powi(power),
                _ => return Err(wrong()),
            }
        }
    };
    let bytes = number * factor;
    match bytes >= 1.0 && bytes.is_finite() {
        true => Ok(Some(bytes as u64)),
        false => Err(wrong()),
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::read_to_string;
    use std::path::Path;

    /// The memory that is free for this process, in bytes.
    pub(super) fn free() -> Option<u64> {
        let available = read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
        let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
        let limits = groups.lines().filter_map(|line| limit(line, Path::new("/sys/fs/cgroup")));
        available.into_iter().chain(limits).min()
    }

    /// `MemAvailable:  123 kB`.
    fn available(text: &str) -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilo| kilo.saturating_mul(1024))
    }

    /// The limit of one control group of a process and of those that hold it: `0::/a/b` is of version 2,
    /// `4:memory:/a/b` of version 1.
    fn limit(line: &str, root: &Path) -> Option<u64> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (folder, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // In a container the group's own path may not be there, its root is.
        let inner = Path::new(path.trim_start_matches('/'));
        let limits = inner
            .ancestors()
            .filter_map(|part| read_to_string(folder.join(part).join(file)).ok()?.trim().parse::<u64>().ok());
        limits.min()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_linux_says_is_read() {
            let text = "MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:    8000000 kB\n";
            assert_eq!(available(text), Some(8_192_000_000));
            assert_eq!(available("MemTotal: 1 kB"), None);
            assert!(free().is_some_and(|bytes| bytes > 1 << 20));
        }

        #[test]
        fn the_smallest_limit_of_all_groups_counts() {
            let root = tempfile::tempdir().expect("a folder");
            let put = |path: &str, text: &str| {
                let path = root.path().join(path);
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                std::fs::write(path, text).expect("written");
            };
            put("a/memory.max", "4000\n");
            put("a/b/memory.max", "max\n");
            put("memory/memory.limit_in_bytes", "9000\n");
            put("memory/c/memory.limit_in_bytes", "7000\n");
            assert_eq!(limit("0::/a/b", root.path()), Some(4000));
            assert_eq!(limit("0::/not/there", root.path()), None);
            assert_eq!(limit("4:cpu,memory:/c", root.path()), Some(7000));
            assert_eq!(limit("4:memory:/elsewhere", root.path()), Some(9000));
            assert_eq!(limit("3:cpu:/c", root.path()), None);
            assert_eq!(limit("nonsense", root.path()), None);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn free() -> Option<u64> {
        None
    }
}
