//! Tasks that networks grok on: arithmetic tables, the zero teacher, digits.

use ndarray::{Array2, s};
use rand::seq::SliceRandom;

use super::sample::{Inputs, Sample, Targets};
use crate::data::features::{gaussian_matrix, generator};
use crate::effective::Task;
use crate::error::{Error, Result, check};

/// What is trained on, and what is kept back.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    pub train: Sample,
    pub test: Sample,
}

impl Split {
    /// Training and test sample.
    pub fn into_pair(self) -> (Sample, Sample) {
        (self.train, self.test)
    }
}

/// Streams of the seed: which samples are trained on, and the targets.
const CHOICE: u64 = 16;
const TEMPLATES: u64 = 17;

/// Cuts a sample in two: a random `size` of it to train on, the rest to test.
///
/// ```
/// use groktime::network::Sample;
/// use groktime::network::tasks::split;
/// let x = ndarray::Array2::from_shape_fn((10, 1), |(i, _)| i as f64);
/// let split = split(&Sample::classes(x.view(), vec![0; 10]), 7, 0)?;
/// assert_eq!((split.train.len(), split.test.len()), (7, 3));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// A size of zero, or one that leaves nothing to test on.
pub fn split(all: &Sample, size: usize, seed: u64) -> Result<Split> {
    let n = all.len();
    let expected = format!("at least 1 and below {n}, the number of samples");
    check("training samples", size as f64, |k| k >= 1.0 && k < n as f64, &expected)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut generator(seed, CHOICE));
    let (train, test) = order.split_at(size);
    Ok(Split { train: all.select(train)?, test: all.select(test)? })
}

/// (a, b) ↦ a + b mod p over all p² pairs, inputs one-hot(a) ⊕ one-hot(b) ∈ R^{2p}; ⌊fraction·p²⌉ pairs are
/// trained on. Source: arXiv 2311.18817, section 4 (p = 97, 40%: 3763 or 3764 pairs).
///
/// # Errors
/// p < 2; a fraction outside (0, 1).
pub fn modular_addition(p: usize, fraction: f64, seed: u64) -> Result<Split> {
    check("number of symbols", p as f64, |p| (2.0..=1000.0).contains(&p), "between 2 and 1000")?;
    check("training fraction", fraction, |r| r > 0.0 && r < 1.0, "between 0 and 1")?;
    crate::memory::check_array("one-hot inputs, three times", &[3, p * p, 2 * p])?;
    let mut x = Array2::zeros((p * p, 2 * p));
    let mut classes = Vec::with_capacity(p * p);
    for a in 0..p {
        for b in 0..p {
            x[(a * p + b, a)] = 1.0;
            x[(a * p + b, p + b)] = 1.0;
            classes.push(((a + b) % p) as u32);
        }
    }
    let size = (fraction * (p * p) as f64 + 0.5).floor() as usize;
    split(&Sample::classes(x.view(), classes), size, seed)
}

/// What the decoder of the toy model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// For each label a random vector N(0, I_m); the nearest one is the answer.
    Templates { outputs: usize },
    /// One output a label.
    Classes,
}

/// All samples of a table i ∘ j, for a net with embeddings, in the order of [`Task::all_pairs`]: [`split`] it, or
/// [`Sample::select`] the pairs to train on.
///
/// ```
/// use groktime::effective::Task;
/// use groktime::network::tasks::{Answer, composition, split};
/// // a + b mod 11 from 50 of the 66 unordered pairs.
/// let all = composition(&Task::modular(11)?, Answer::Templates { outputs: 30 }, 0)?;
/// assert_eq!(split(&all, 50, 0)?.test.len(), 16);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Templates of no outputs.
pub fn composition(task: &Task, answer: Answer, seed: u64) -> Result<Sample> {
    let pairs = task.all_pairs();
    let classes = pairs.iter().map(|&[i, j]| task.class(i as usize, j as usize) as u32).collect();
    Ok(Sample { targets: targets(answer, classes, task.classes(), seed)?, inputs: Inputs::Pairs(pairs) })
}

/// a + b of p numbers without wrap, for a net with embeddings: the p(p + 1)/2 unordered pairs, `size` of them
/// to train on. Source: arXiv 2205.10343 (p = 10, 45 of 55 pairs, 30 outputs).
///
/// ```
/// use groktime::network::tasks::{Answer, addition};
/// let split = addition(10, 45, Answer::Templates { outputs: 30 }, 0)?;
/// assert_eq!((split.train.len(), split.test.len()), (45, 10));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// p < 2 or p > 1000; a size of zero, or one that leaves nothing to test on.
pub fn addition(p: usize, size: usize, answer: Answer, seed: u64) -> Result<Split> {
    check("number of symbols", p as f64, |p| (2.0..=1000.0).contains(&p), "between 2 and 1000")?;
    split(&composition(&Task::addition(p)?, answer, seed)?, size, seed)
}

/// a·b in the symmetric group S3 (a is applied first), for a net that multiplies 3 × 3 embeddings: 36
/// ordered pairs. Source: arXiv 2205.10343, appendix H (24 to train on).
///
/// # Errors
/// A size of zero, or one that leaves nothing to test on.
pub fn s3(size: usize, answer: Answer, seed: u64) -> Result<Split> {
    split(&composition(&Task::s3(), answer, seed)?, size, seed)
}

fn targets(answer: Answer, classes: Vec<u32>, labels: usize, seed: u64) -> Result<Targets> {
    match answer {
        Answer::Classes => Ok(Targets::Classes(classes)),
        Answer::Templates { outputs } => {
            check("outputs", outputs as f64, |m| m >= 1.0, "at least 1")?;
            crate::memory::check_array("templates", &[labels, outputs])?;
            let templates = gaussian_matrix(labels, outputs, 1.0, &mut generator(seed, TEMPLATES));
            Ok(Targets::Templates { classes, templates })
        }
    }
}

/// x ~ N(0, I_d) with the answer 0 everywhere: the teacher of figures 1 and 4 of arXiv 2601.19791.
///
/// # Errors
/// A size of zero.
pub fn zero_teacher(train: usize, test: usize, dimension: usize, seed: u64) -> Result<Split> {
    for (name, size) in [("training samples", train), ("test samples", test), ("dimension", dimension)] {
        check(name, size as f64, |n| n >= 1.0, "at least 1")?;
    }
    let rows = train.saturating_add(test);
    crate::memory::check_array("inputs, twice", &[2, rows, dimension.saturating_add(1)])?;
    let draw = |n: usize, stream: u64| {
        let x = gaussian_matrix(n, dimension, 1.0, &mut generator(seed, stream));
        Sample::values(x.view(), Array2::zeros((n, 1)).view())
    };
    Ok(Split { train: draw(train, CHOICE), test: draw(test, CHOICE + 2) })
}

/// Images as rows of numbers and their digits, cut in two: the first `train` to train on, the next `test` to
/// test.
///
/// # Errors
/// Fewer images than asked for; labels that are not whole numbers of at least 0.
pub fn images(x: &Array2<f64>, labels: &[f64], train: usize, test: usize) -> Result<Split> {
    crate::error::check_shape("labels", &[labels.len()], &[x.nrows()], "one label an image")?;
    let expected = format!("at most {}, the number of images", x.nrows());
    check("training and test samples", (train + test) as f64, |n| n <= x.nrows() as f64, &expected)?;
    let classes = classes(labels)?;
    let part = |range: std::ops::Range<usize>| {
        Sample::classes(x.slice(s![range.clone(), ..]), classes[range].to_vec())
    };
    Ok(Split { train: part(0..train), test: part(train..train + test) })
}

/// Labels as classes.
///
/// # Errors
/// A label that is not a whole number of at least 0.
pub fn classes(labels: &[f64]) -> Result<Vec<u32>> {
    let class = |&y: &f64| match y.fract() == 0.0 && (0.0..1e9).contains(&y) {
        true => Ok(y as u32),
        false => Err(Error::Parameter {
            name: "label",
            value: y,
            expected: "a class: a whole number of at least 0".into(),
        }),
    };
    labels.iter().map(class).collect()
}
