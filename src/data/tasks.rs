//! Tasks with many more coordinates than samples: the classification tasks on which kernel and rich
//! regimes differ, and linear regression.

use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngExt};

use super::design::Design;
use super::features::{gaussian_matrix, gaussian_vector, generator, unit_vector};
use crate::error::{Error, Result, check};
use crate::memory;

/// The law of (x, y) and of the teacher w*.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// x uniform on {±1}^d, w* random signs on the first `relevant` (odd) coordinates, y = sign⟨w*, x⟩:
    /// the maximum L1 margin finds it.
    SparseSigns { relevant: usize },
    /// z ~ N(0, I), w* a random unit vector, y = sign⟨w*, z⟩, x = z + y(gap/2)w*: a gap along w*, which
    /// the maximum L2 margin finds.
    Gap { gap: f64 },
    /// x ~ N(0, I), y = ⟨w*, x⟩ + noise, with w* ~ N(0, I/relevant) on the first `relevant` coordinates;
    /// `relevant` = d is the dense teacher.
    Regression { relevant: usize, noise_std: f64 },
}

/// A task and how much of it to draw. The teacher, the samples, the noise and the test samples each have
/// their own stream of the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    pub law: Law,
    /// n and d.
    pub samples: usize,
    pub dimension: usize,
    pub seed: u64,
}

/// Samples of a task.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub design: Design,
    /// ±1 for classification, real for regression.
    pub labels: Array1<f64>,
    /// w*.
    pub teacher: Array1<f64>,
}

/// Streams of the seed.
const TEACHER: u64 = 0;
const TRAINING: u64 = 1;
const TEST: u64 = 2;
/// Added to the stream of the samples for the noise of their labels.
const NOISE: u64 = 16;

impl Task {
    /// The training samples.
    ///
    /// ```
    /// use groktime::data::tasks::{Law, Task};
    /// let law = Law::SparseSigns { relevant: 3 };
    /// let drawn = Task { law, samples: 64, dimension: 1000, seed: 0 }.draw()?;
    /// assert!(drawn.design.is_packed());
    /// let mut outputs = vec![0.0; 64];
    /// drawn.design.apply(drawn.teacher.as_slice().unwrap(), &mut outputs, Default::default());
    /// assert!(outputs.iter().zip(&drawn.labels).all(|(f, y)| f * y >= 1.0));
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A size of zero, a teacher larger than the dimension or of an even number of signs, a gap or a noise
    /// that is negative.
    pub fn draw(&self) -> Result<Drawn> {
        self.draw_from(self.samples, TRAINING)
    }

    /// Test samples: the same teacher, other draws.
    ///
    /// # Errors
    /// As [`draw`](Task::draw).
    pub fn draw_test(&self, samples: usize) -> Result<Drawn> {
        self.draw_from(samples, TEST)
    }

    fn draw_from(&self, n: usize, stream: u64) -> Result<Drawn> {
        let d = self.dimension;
        check("samples", n as f64, |x| x >= 1.0, "at least 1")?;
        check("dimension", d as f64, |x| x >= 1.0, "at least 1")?;
        self.check_memory(n)?;
        let mut of_teacher = generator(self.seed, TEACHER);
        let rng = &mut generator(self.seed, stream);
        match self.law {
            Law::SparseSigns { relevant } => {
                check_relevant(relevant, d)?;
                if relevant % 2 == 0 {
                    let expected = "an odd number (so that no label is zero)".to_owned();
                    return Err(Error::Parameter { name: "relevant", value: relevant as f64, expected });
                }
                let sign =
                    |k| if k >= relevant { 0.0 } else { 2.0 * f64::from(of_teacher.random::<bool>()) - 1.0 };
                let teacher: Array1<f64> = (0..d).map(sign).collect();
                let design = random_signs(n, d, rng)?;
                let sum = |i| (0..relevant).map(|k| teacher[k] * design.entry(i, k)).sum::<f64>();
                let labels = (0..n).map(|i| sum(i).signum()).collect();
                Ok(Drawn { design, labels, teacher })
            }
            Law::Gap { gap } => {
                check("gap", gap, |x| x >= 0.0, "at least 0")?;
                let teacher = unit_vector(d, &mut of_teacher);
                let mut x = gaussian_matrix(n, d, 1.0, rng);
                let labels = x.dot(&teacher).mapv(f64::signum);
                for (mut x, y) in x.axis_iter_mut(Axis(0)).zip(&labels) {
                    x.scaled_add(y * gap / 2.0, &teacher);
                }
                Ok(Drawn { design: Design::new(x.view())?, labels, teacher })
            }
            Law::Regression { relevant, noise_std } => {
                check_relevant(relevant, d)?;
                check("noise standard deviation", noise_std, |x| x >= 0.0, "at least 0")?;
                let mut teacher = Array1::zeros(d);
                let entries = gaussian_vector(relevant, 1.0 / relevant as f64, &mut of_teacher);
                teacher.slice_mut(ndarray::s![..relevant]).assign(&entries);
                let x: Array2<f64> = gaussian_matrix(n, d, 1.0, rng);
                let noise =
                    gaussian_vector(n, noise_std * noise_std, &mut generator(self.seed, stream + NOISE));
                let labels = x.dot(&teacher) + noise;
                Ok(Drawn { design: Design::new(x.view())?, labels, teacher })
            }
        }
    }
}

impl Task {
    /// Signs take a bit each, real data are drawn in f64 and kept as a design beside it; the teacher.
    fn check_memory(&self, n: usize) -> Result<()> {
        let (samples, d) = (n as f64, self.dimension as f64);
        let data = match self.law {
            Law::SparseSigns { .. } => 8.0 * (samples / 64.0).ceil() * d,
            Law::Gap { .. } | Law::Regression { .. } => 16.0 * samples * d,
        };
        memory::check(
            format!("{n} samples of dimension {}", self.dimension),
            data + 8.0 * (samples + 2.0 * d),
        )
    }
}

fn check_relevant(relevant: usize, dimension: usize) -> Result<()> {
    let expected = format!("between 1 and the dimension {dimension}");
    check("relevant", relevant as f64, |_| (1..=dimension).contains(&relevant), &expected).map(|_| ())
}

/// n × d independent signs: 64 samples of a coordinate are one draw.
///
/// # Errors
/// No sample or no coordinate.
pub fn random_signs(samples: usize, dimension: usize, rng: &mut impl Rng) -> Result<Design> {
    let mut word = 0;
    Design::signs(samples, dimension, |i, _| {
        if i % 64 == 0 {
            word = rng.next_u64();
        }
        word >> (i % 64) & 1 == 1
    })
}
