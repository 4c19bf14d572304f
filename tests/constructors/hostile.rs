//! The generator of inputs, and the driver.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ndarray::{Array1, Array2};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Numbers that break careless code.
const HOSTILE: [f64; 16] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    -1.0,
    1.0,
    f64::MIN_POSITIVE,
    5e-324,
    1e-300,
    1e300,
    -1e300,
    f64::MAX,
    1e-17,
    9_007_199_254_740_993.0,
    1e18,
];

/// One input's source of numbers: half of the inputs are of ordinary ones alone.
pub struct Draw {
    rng: ChaCha8Rng,
    /// Chance that a number is hostile, and that a shape is wrong.
    chance: f64,
    seen: [u64; 2],
}

impl Draw {
    fn new(name: &str, index: u64) -> Draw {
        let stream = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let chance = [0.0, 0.0, 0.05, 0.3][(index % 4) as usize];
        Draw { rng: groktime::data::features::generator(index, stream), chance, seen: [0; 2] }
    }

    /// Whether something is to be wrong here.
    pub fn bad(&mut self) -> bool {
        self.chance > 0.0 && self.rng.random::<f64>() < self.chance
    }

    fn hostile(&mut self) -> f64 {
        HOSTILE[self.below(HOSTILE.len())]
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n as u32) as usize
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.rng.random::<f64>() < p
    }

    pub fn seed(&mut self) -> u64 {
        self.rng.random::<u64>()
    }

    /// From −2 to 2.
    pub fn number(&mut self) -> f64 {
        if self.bad() { self.hostile() } else { 4.0 * self.rng.random::<f64>() - 2.0 }
    }

    /// Between the bounds on a logarithmic axis.
    pub fn positive(&mut self, low: f64, high: f64) -> f64 {
        if self.bad() { self.hostile() } else { low * (high / low).powf(self.rng.random::<f64>()) }
    }

    /// From 1 to `most`, or 0, or one more.
    pub fn size(&mut self, most: usize) -> usize {
        if self.bad() { [0, most + 1][self.below(2)] } else { 1 + self.below(most) }
    }

    /// `n`, or something near it.
    pub fn about(&mut self, n: usize) -> usize {
        if self.bad() { self.size(n + 2) } else { n }
    }

    pub fn vector(&mut self, n: usize) -> Array1<f64> {
        let n = self.about(n);
        (0..n).map(|_| self.number()).collect()
    }

    pub fn matrix(&mut self, n: usize, m: usize) -> Array2<f64> {
        let (n, m) = (self.about(n), self.about(m));
        let entries = (0..n * m).map(|_| self.number()).collect();
        Array2::from_shape_vec((n, m), entries).expect("as many entries as asked for")
    }

    pub fn signs(&mut self, n: usize) -> Vec<f64> {
        let n = self.about(n);
        (0..n).map(|_| if self.bad() { self.hostile() } else { [1.0, -1.0][self.below(2)] }).collect()
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Damages some bytes.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.pick(&[0, 0xff, b',', b'\n', b'-', b'9', b'"', b'(', 0x80]),
                2 => bytes.truncate(at),
                3 => {
                    let piece = bytes[at..(at + 8).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
                4 => {
                    bytes.drain(at..(at + 5).min(bytes.len()));
                }
                _ => bytes.extend_from_slice(&[0; 3]),
            }
        }
    }

    /// Notes a result; an error must say something.
    pub fn note<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                self.seen[0] += 1;
                Some(value)
            }
            Err(e) => {
                assert!(e.to_string().len() > 10, "an error that says nothing: {e}");
                self.seen[1] += 1;
                None
            }
        }
    }
}

/// Runs a share of GROKTIME_INPUTS inputs (20,000 without it), or the one that GROKTIME_INPUT=name:index names.
pub fn attack(name: &str, share: f64, run: fn(&mut Draw)) {
    if let Ok(one) = std::env::var("GROKTIME_INPUT") {
        if let Some(index) = one.strip_prefix(&format!("{name}:")) {
            run(&mut Draw::new(name, index.parse().expect("a number after the colon")));
        }
        return;
    }
    let inputs = std::env::var("GROKTIME_INPUTS").ok();
    let total: f64 = inputs.as_ref().map_or(20_000.0, |n| n.parse().expect("GROKTIME_INPUTS is a number"));
    let count = (share * total).ceil() as u64;
    let (answers, errors) = (AtomicU64::new(0), AtomicU64::new(0));
    // Microseconds above the index, so that the largest tells which it was.
    let slowest = AtomicU64::new(0);
    let started = Instant::now();
    let failed: Vec<u64> = (0..count)
        .into_par_iter()
        .filter(|&index| {
            let began = Instant::now();
            let mut draw = Draw::new(name, index);
            let panicked = catch_unwind(AssertUnwindSafe(|| run(&mut draw))).is_err();
            answers.fetch_add(draw.seen[0], Ordering::Relaxed);
            errors.fetch_add(draw.seen[1], Ordering::Relaxed);
            slowest.fetch_max((began.elapsed().as_micros() as u64) << 32 | index, Ordering::Relaxed);
            panicked
        })
        .collect();
    if inputs.is_some() {
        println!(
            "| {name} | {count} | {} | {} | {:.0} | {:.1} ({name}:{}) |",
            answers.load(Ordering::Relaxed),
            errors.load(Ordering::Relaxed),
            started.elapsed().as_secs_f64(),
            (slowest.load(Ordering::Relaxed) >> 32) as f64 / 1000.0,
            slowest.load(Ordering::Relaxed) as u32,
        );
    }
    let first = failed.iter().take(5).map(|i| format!("{name}:{i}")).collect::<Vec<_>>().join(", ");
    assert!(failed.is_empty(), "{} of {count} inputs panicked; GROKTIME_INPUT= {first}", failed.len());
    // Both kinds of answers were met: the target is neither closed nor blind.
    assert!(answers.into_inner() > 0 && errors.into_inner() > 0, "{name}: one kind of answer only");
}
