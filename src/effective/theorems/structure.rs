//! What holds of a training set by itself: nullities, counts, spectra.

use super::catalogue;
use super::scalar;
use crate::effective::{
    Problem, Spectrum, Tangent, even_third_eigenvalue, full_parallelograms, smith_invariants,
};
use crate::error::Result;
use crate::linalg::EPS;
use crate::theorem::{Form, Hypothesis, Judged, Side};

/// Largest p for which Smith forms are computed.
const SMITH_LIMIT: usize = 60;

impl Spectrum<'_> {
    /// The statements about the training set: degeneracy, ideal accuracy, counts, closed-form spectra.
    ///
    /// ```
    /// use groktime::effective::{Problem, Task};
    /// use groktime::theorem::Outcome;
    /// let problem = Problem::full(Task::addition(10)?);
    /// let statements = problem.spectrum(Default::default())?.statements()?;
    /// assert!(statements.iter().all(|s| s.verdict.outcome != Outcome::Violated));
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// An integer normal form that does not fit.
    pub fn statements(&self) -> Result<Vec<Judged>> {
        let task = self.problem.task();
        match (task.is_addition(), task.commutative()) {
            (true, _) => Ok(self.addition_statements()),
            (false, true) => self.modular_statements(),
            (false, false) => group_statements(self.problem),
        }
    }

    fn addition_statements(&self) -> Vec<Judged> {
        let (problem, task) = (self.problem, self.problem.task());
        let p = task.symbols();
        let n0 = self.nullity.value as f64;
        let addition = || Hypothesis::fact("addition without wrap", Some(task.is_addition()));
        let unique = || vec![addition(), Hypothesis::at_most("n0 ≤ 2", n0, 2.0)];
        let full = || Hypothesis::at_least("D = D0", problem.samples().len() as f64, task.samples() as f64);
        let implied = problem.implied_by_keys(&problem.echelon());
        let seen = problem.classes().filter(|c| !c.is_empty()).count() as f64;
        let size = problem.samples().len() as f64;
        let mut judged = vec![
            scalar(&catalogue::DEGENERACY, Form::Printed, "nullity", Side::Lower, 2.0, vec![addition()])
                .judge_exact(n0),
            scalar(
                &catalogue::RANK,
                Form::Derived,
                "nullity",
                Side::Lower,
                (p as f64 - (size - seen)).max(0.0),
                vec![addition()],
            )
            .judge_exact(n0),
            scalar(
                &catalogue::FEWEST,
                Form::Derived,
                "samples",
                Side::Lower,
                p as f64,
                [unique(), vec![Hypothesis::at_least("p ≥ 4", p as f64, 4.0)]].concat(),
            )
            .judge_exact(size),
            scalar(&catalogue::IDEAL_RQI, Form::Printed, "rqi_bar", Side::Equal, 1.0, unique())
                .judge_exact(implied.rqi),
            scalar(&catalogue::IDEAL_ACCURACY, Form::Printed, "acc_bar", Side::Equal, 1.0, unique())
                .judge_exact(implied.accuracy)
                .with_known_erratum(),
            scalar(
                &catalogue::IDEAL_ACCURACY,
                Form::Corrected,
                "acc_bar",
                Side::Equal,
                problem.seen_samples() as f64 / task.samples() as f64,
                unique(),
            )
            .judge(implied.accuracy, 4.0 * EPS)
            .certain(),
        ];
        let k = (p / 2) as f64;
        let count = if p % 2 == 0 {
            k * (k - 1.0) * (4.0 * k + 1.0) / 6.0
        } else {
            (k + 1.0) * k / 2.0 + 4.0 * (k + 1.0) * k * (k - 1.0) / 6.0
        };
        judged.push(
            scalar(
                &catalogue::COUNT,
                Form::Derived,
                "parallelograms",
                Side::Equal,
                count,
                vec![addition(), full()],
            )
            .judge_exact(problem.parallelograms() as f64),
        );
        let even = even_third_eigenvalue(p).unwrap_or(f64::NAN);
        let third = self.values.get(2).copied().unwrap_or(0.0);
        let largest = self.values.last().copied().unwrap_or(0.0);
        let rounding = p as f64 * EPS * largest;
        let even_full =
            || vec![addition(), full(), Hypothesis::fact("p even, p ≥ 4", Some(p % 2 == 0 && p >= 4))];
        judged.push(
            scalar(&catalogue::THIRD_BOUND, Form::Derived, "mu3", Side::Upper, even, even_full())
                .judge(third, rounding),
        );
        judged.push(
            scalar(&catalogue::THIRD_VALUE, Form::Derived, "mu3", Side::Equal, even, even_full())
                .judge(third, rounding),
        );
        judged
    }

    fn modular_statements(&self) -> Result<Vec<Judged>> {
        let (problem, task) = (self.problem, self.problem.task());
        let p = task.symbols() as f64;
        let hypotheses = || {
            vec![
                Hypothesis::fact(
                    "addition modulo an odd p",
                    Some(task.is_modular() && task.symbols() % 2 == 1),
                ),
                Hypothesis::at_least("D = D0", problem.samples().len() as f64, task.samples() as f64),
            ]
        };
        let applies = task.is_modular() && task.symbols() <= SMITH_LIMIT;
        let torsion = match applies {
            true => smith_invariants(problem)?.iter().fold(1.0, |product, &d| product * d as f64),
            false => f64::NAN,
        };
        let rounding = p * EPS * p * p;
        Ok(vec![
            scalar(&catalogue::MODULAR_NULLITY, Form::Derived, "nullity", Side::Equal, 1.0, hypotheses())
                .judge_exact(self.nullity.value as f64),
            scalar(
                &catalogue::MODULAR_SMALLEST,
                Form::Derived,
                "mu2",
                Side::Equal,
                p * (p + 3.0) / 2.0,
                hypotheses(),
            )
            .judge(self.values.get(1).copied().unwrap_or(0.0), rounding),
            scalar(
                &catalogue::MODULAR_LARGEST,
                Form::Derived,
                "mu_max",
                Side::Equal,
                p * (p + 3.0) / 2.0,
                hypotheses(),
            )
            .judge(self.values.last().copied().unwrap_or(0.0), rounding),
            scalar(
                &catalogue::MODULAR_CIRCLES,
                Form::Derived,
                "torsion",
                Side::Equal,
                p,
                [hypotheses(), vec![Hypothesis::at_most("p ≤ 60 (Smith form)", p, SMITH_LIMIT as f64)]]
                    .concat(),
            )
            .judge_exact(torsion),
        ])
    }
}

/// Appendix H: the symmetric group of three letters.
fn group_statements(problem: &Problem) -> Result<Vec<Judged>> {
    let task = problem.task();
    let is_s3 = !task.commutative() && task.symbols() == 6;
    let s3 = || Hypothesis::fact("S3", Some(is_s3));
    let full = Hypothesis::at_least("D = D0", problem.samples().len() as f64, task.samples() as f64);
    let mut judged = vec![
        scalar(&catalogue::GROUP_COUNT, Form::Derived, "parallelograms", Side::Equal, 90.0, vec![s3(), full])
            .judge_exact(problem.parallelograms() as f64),
    ];
    // The gauge freedoms of a representation are tangent to all its parallelograms.
    let (nullity, least) = match *task == crate::effective::Task::s3() {
        true => {
            let tangent = Tangent::s3();
            let least = tangent.nullity(&Problem::full(task.clone()))?.value as f64;
            (tangent.nullity(problem)?.value as f64, least)
        }
        false => (f64::NAN, f64::NAN),
    };
    let hypotheses = vec![s3(), Hypothesis::at_least("|P0(D0)| ≥ 1", full_parallelograms(task) as f64, 1.0)];
    judged.push(
        scalar(
            &catalogue::GROUP_DEGENERACY,
            Form::Derived,
            "tangent nullity",
            Side::Lower,
            least,
            hypotheses,
        )
        .judge_exact(nullity),
    );
    Ok(judged)
}
