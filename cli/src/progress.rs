//! Signs of life on standard error, when that is a terminal (indicatif hides them otherwise).

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{self, Failure};

/// Floating-point operations a second of one thread that any machine of the last ten years reaches.
const RATE: f64 = 2e9;

/// Says so before something begins that takes more than a minute at a modest rate on this process's threads;
/// `operations` are counted, not measured.
pub fn announce(operations: f64, shown: bool) {
    let minutes = operations / (RATE * rayon::current_num_threads() as f64) / 60.0;
    if shown && minutes > 1.0 {
        let (amount, unit) = match minutes {
            m if m < 100.0 => (m, "minutes"),
            m if m < 4800.0 => (m / 60.0, "hours"),
            m => (m / 1440.0, "days"),
        };
        eprintln!("groktime: this may take about {} {unit}", output::short(amount.ceil()));
    }
}

/// Something whose length is not known.
pub fn spinner(name: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(name);
    styled(bar, "{spinner} {msg} {elapsed}")
}

/// Something that goes from 0 to 1.
pub struct Progress(ProgressBar);

/// Parts of the bar.
const PARTS: u64 = 1000;

impl Progress {
    pub fn new(name: &'static str, shown: bool) -> Progress {
        let bar = if shown { ProgressBar::new(PARTS) } else { ProgressBar::hidden() };
        Progress(styled(bar.with_message(name), "{spinner} {msg} {wide_bar} {percent}% {elapsed}"))
    }

    pub fn at(&self, fraction: f64) {
        self.0.set_position((fraction * PARTS as f64) as u64);
    }

    /// What is being done now.
    pub fn doing(&self, what: String) {
        self.0.set_message(what);
    }

    /// Standard output while the bar is away.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        self.0.suspend(|| output::print(text))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Many things of about equal cost: how many are done, how fast, how long the rest will take.
pub struct Tally(ProgressBar);

impl Tally {
    pub fn new(name: &'static str, total: u64, shown: bool) -> Tally {
        let bar = if shown { ProgressBar::new(total) } else { ProgressBar::hidden() };
        Tally(styled(
            bar.with_message(name),
            "{spinner} {msg} {wide_bar} {pos}/{len}, {per_sec}, {elapsed} and {eta} to go",
        ))
    }

    /// What was done before: it does not count in the rate.
    pub fn begin(&self, done: u64) {
        self.0.set_position(done);
        self.0.reset_eta();
    }

    pub fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
