//! Signs of life on standard error, when that is a terminal (indicatif hides them otherwise).

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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
}

impl Drop for Progress {
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
