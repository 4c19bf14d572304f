//! Many problems: each solved once, on all threads, kept in a journal on disk that survives what happens.
//!
//! A sweep is a number of *points* 0, 1, …, and a function that solves one of them. Each result is appended to
//! the [journal](Journal) as soon as it is there, as one line of JSON. A process that is killed or runs out of
//! disk loses the points in flight and nothing else, and [`Sweep::run`] on the same journal goes on where it
//! stopped. [Shards](Shard) split the points over processes or machines; [`merge`] puts their journals together.
//!
//! Each point has a name, the fingerprint of [what it solves](Sweep::what), and each line of the journal says
//! the name of its point and ends in the fingerprint of the line. A changed bit is an error that names the line; and
//! when settings are mended, the points that are still the same are kept.
//!
//! What a finished sweep leaves on disk depends on its settings alone: the same bytes for any number of threads,
//! after any number of interruptions, from one process or from shards. Two things make it so. Each point is
//! solved on one thread, in a rayon pool of its own of that one thread, so that no kernel inside sees more. And
//! the lines, which arrive in any order, are put in the order of the points at the end.
//!
//! ```
//! use std::ops::ControlFlow;
//! use groktime::ridge::{Recipe, Settings};
//! use groktime::sweep::Sweep;
//!
//! let decays = groktime::sweep::grid::logarithmic(1e-5, 1e-3, 3)?;
//! let what = |point: u64| format!("t2 of 20 samples, width 100, decay {}", decays[point as usize]);
//! let sweep = Sweep::new(&decays, 3, &what);
//! let solve = |point: u64| {
//!     let settings = Settings { weight_decay: decays[point as usize], ..Settings::default() };
//!     let instance = Recipe { samples: 20, width: 100, ..Recipe::default() }.draw()?;
//!     let spectrum = instance.problem().spectrum(Default::default())?;
//!     Ok(spectrum.descent(&settings)?.times(0.01, 0.01)?.test.time())
//! };
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("decays.jsonl");
//! let ended = sweep.run(&path, solve, |_| ControlFlow::Continue(()))?;
//! assert_eq!(ended.done, 3);
//! // Again: everything is there, nothing is solved.
//! assert_eq!(sweep.run(&path, solve, |_| ControlFlow::Continue(()))?.solved, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod grid;
mod journal;
mod line;
mod merge;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;

pub use self::journal::Journal;
pub use self::line::{Line, fingerprint};
pub use self::merge::merge;
use crate::error::{Error, Result};
use crate::memory;

/// Points of one sweep: a journal of so many lines is the most that is useful on one disk.
pub const MOST_POINTS: u64 = 100_000_000;

/// Every `of`-th point, from `index` on: points of neighbouring index cost about the same, so that shards end
/// at about the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0, as ranks and array indices count.
    pub index: u64,
    pub of: u64,
}

impl Shard {
    /// All points.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// Whether a point belongs to it.
    ///
    /// ```
    /// use groktime::sweep::Shard;
    /// let second = Shard { index: 1, of: 3 };
    /// assert_eq!((0..9).filter(|&point| second.has(point)).collect::<Vec<u64>>(), [1, 4, 7]);
    /// ```
    pub fn has(self, point: u64) -> bool {
        point % self.of == self.index
    }
}

/// Many problems.
#[derive(Clone, Copy)]
pub struct Sweep<'a, S> {
    /// What the whole is called: its JSON stands at the head of the journal.
    pub settings: &'a S,
    /// The points are 0 to `points − 1`.
    pub points: u64,
    /// All that the result of a point depends on, as a text of any form. A line of a journal counts for the
    /// point that is solved from the same text.
    pub what: &'a (dyn Fn(u64) -> String + Sync),
    pub shard: Shard,
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Points in the journal, those of earlier runs included.
    pub done: u64,
    /// Points solved by this run.
    pub solved: u64,
    /// Points that this run refused for want of memory.
    pub refused: u64,
    /// Points of the shard.
    pub total: u64,
}

/// How a run of a sweep ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Points in the journal, those of earlier runs included.
    pub done: u64,
    /// Points solved by this run.
    pub solved: u64,
    /// Points of the shard.
    pub total: u64,
    /// The points that need more memory than is allowed, ascending, with what they need. They are not in the
    /// journal: the next run tries them again.
    pub refused: Vec<(u64, Error)>,
}

impl<'a, S> Sweep<'a, S> {
    /// All points of a sweep.
    pub fn new(settings: &'a S, points: u64, what: &'a (dyn Fn(u64) -> String + Sync)) -> Sweep<'a, S> {
        Sweep { settings, points, what, shard: Shard::WHOLE }
    }

    fn name(&self, point: u64) -> String {
        named(self.what, point)
    }
}

/// What stands for a point in a journal.
fn named(what: &dyn Fn(u64) -> String, point: u64) -> String {
    fingerprint(what(point).as_bytes())
}

impl<S: Serialize> Sweep<'_, S> {
    /// Solves the points that are not in the journal at `path`, which is made if it is not there. `watch` hears
    /// of the start and of each point; when it breaks, the points in flight are finished and kept, and the sweep
    /// ends early. The threads are as many as those of the current rayon pool.
    ///
    /// # Errors
    ///
    /// - [`Error::Parameter`]: a shard that does not exist, or more than [`MOST_POINTS`] points.
    /// - [`Error::File`]: the file is not a journal, or one without any point of this sweep, or a line of it is
    ///   damaged, or another process writes to it.
    /// - [`Error::Output`]: a line could not be written. Those before it are kept.
    /// - What `solve` returns: the sweep stops. A failure that belongs to one point and should not stop the
    ///   others is a result: make `R` an enum. [`Error::Memory`] alone does not stop it: what a machine has
    ///   room for is not a result, and the point is in [`Ended::refused`] instead of the journal.
    pub fn run<R: Serialize>(
        &self,
        path: &Path,
        solve: impl Fn(u64) -> Result<R> + Sync,
        watch: impl FnMut(Progress) -> ControlFlow<()> + Send,
    ) -> Result<Ended> {
        let journal = Journal::open(path, self)?;
        let pending = journal.pending();
        let total = journal.total();
        let done = total - pending.len() as u64;
        let progress = Progress { done, solved: 0, refused: 0, total };
        let mut keeper = Keeper { journal, watch, progress, refused: Vec::new(), error: None };
        if (keeper.watch)(keeper.progress).is_break() {
            return Ok(Ended { done, solved: 0, total, refused: Vec::new() });
        }
        let threads = rayon::current_num_threads().min(pending.len());
        let (next, stop, keeper) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(keeper));
        let what = self.what;
        // So many points need memory at the same time.
        let part = memory::allowed() / threads.max(1) as u64;
        let work = || -> Result<()> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            let pool = pool.map_err(|e| Error::Numerical { method: "sweep", detail: e.to_string() })?;
            while !stop.load(Ordering::Relaxed) {
                let Some(&point) = pending.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let solved = || solve(point).and_then(|r| line::line(point, &named(what, point), &r));
                let result = pool.install(|| memory::within(part, solved));
                // A poisoned lock: another worker panicked, and its panic is passed on below.
                let Ok(mut keeper) = keeper.lock() else { break };
                if keeper.keep(point, result).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let ends = workers.into_iter().map(|w| w.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
            ends.collect::<Result<Vec<()>>>()
        })?;
        let keeper = keeper.into_inner().map_err(|_| poisoned())?;
        if let Some(error) = keeper.error {
            return Err(error);
        }
        keeper.journal.close()?;
        let Progress { done, solved, total, .. } = keeper.progress;
        let mut refused = keeper.refused;
        refused.sort_by_key(|(point, _)| *point);
        Ok(Ended { done, solved, total, refused })
    }
}

fn poisoned() -> Error {
    Error::Numerical { method: "sweep", detail: "a worker panicked".to_owned() }
}

/// Who writes: one result at a time.
struct Keeper<W> {
    journal: Journal,
    watch: W,
    progress: Progress,
    refused: Vec<(u64, Error)>,
    /// The first error.
    error: Option<Error>,
}

impl<W: FnMut(Progress) -> ControlFlow<()>> Keeper<W> {
    fn keep(&mut self, point: u64, line: Result<String>) -> ControlFlow<()> {
        if let Err(error @ Error::Memory { .. }) = line {
            self.refused.push((point, error));
            self.progress.refused += 1;
            return (self.watch)(self.progress);
        }
        if let Err(error) = line.and_then(|line| self.journal.append(point, &line)) {
            self.error.get_or_insert(error);
            return ControlFlow::Break(());
        }
        self.progress.done += 1;
        self.progress.solved += 1;
        (self.watch)(self.progress)
    }
}
