//! Propositions 1 and 2: what a decoder that fits says of the embeddings.

use super::catalogue;
use ndarray::ArrayView2;

use super::scalar;
use crate::effective::Problem;
use crate::effective::parallelograms::check_embeddings;
use crate::error::Result;
use crate::theorem::{Form, Hypothesis, Judged, Side};

/// Propositions 1 and 2 for given embeddings. A decoder sees E_i + E_j only, so it can fit the training set if and
/// only if samples at one place have one label.
///
/// Prop. 1: if some decoder fits, every parallelogram of the embeddings among training samples is one of
/// the labels. Prop. 2: if an injective decoder fits, every parallelogram of the labels is one of the
/// embeddings. Places count as equal within `tolerance` times the largest coordinate.
///
/// ```
/// use groktime::effective::theorems::representation_statements;
/// use groktime::effective::{Problem, Task};
/// use groktime::theorem::Outcome;
/// let problem = Problem::full(Task::addition(5)?);
/// let line = ndarray::Array2::from_shape_fn((5, 1), |(k, _)| k as f64);
/// let judged = representation_statements(&problem, line.view(), 1e-12)?;
/// assert!(judged.iter().all(|j| j.verdict.outcome == Outcome::Holds));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// E has not one row a symbol, or is not finite.
pub fn representation_statements(
    problem: &Problem,
    embeddings: ArrayView2<'_, f64>,
    tolerance: f64,
) -> Result<Vec<Judged>> {
    check_embeddings(problem.symbols(), embeddings)?;
    let near = tolerance * embeddings.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let place = |[i, j]: [u32; 2]| &embeddings.row(i as usize) + &embeddings.row(j as usize);
    let samples: Vec<(usize, ndarray::Array1<f64>)> = problem
        .classes()
        .enumerate()
        .flat_map(|(s, class)| class.iter().map(move |&pair| (s, pair)))
        .map(|(s, pair)| (s, place(pair)))
        .collect();
    // Pairs of samples at one place, with equal labels, and both.
    let (mut of_places, mut of_labels, mut common) = (0_u64, 0_u64, 0_u64);
    for (k, (s, x)) in samples.iter().enumerate() {
        for (r, y) in &samples[..k] {
            let together = x.iter().zip(y).all(|(x, y)| (x - y).abs() <= near);
            of_places += u64::from(together);
            of_labels += u64::from(s == r);
            common += u64::from(together && s == r);
        }
    }
    let fits = || Hypothesis::fact("some decoder fits the training set", Some(common == of_places));
    let injective =
        Hypothesis::fact("an injective decoder fits it", Some(common == of_places && common == of_labels));
    Ok(vec![
        scalar(
            &catalogue::DECODER_FITS,
            Form::Printed,
            "parallelograms of E that are ones of D",
            Side::Equal,
            of_places as f64,
            vec![fits()],
        )
        .judge_exact(common as f64),
        scalar(
            &catalogue::INJECTIVE_FITS,
            Form::Printed,
            "parallelograms of D that are ones of E",
            Side::Equal,
            of_labels as f64,
            vec![fits(), injective],
        )
        .judge_exact(common as f64),
    ])
}
