//! A trajectory is a function of time: whatever the model and however it was solved, one can ask it for
//! its state, losses, accuracy and norm at any time, and late times cost what early ones cost.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use ndarray::Array2;

use crate::error::{Error, Result};

mod sealed {
    /// There are two clocks: `u64` and `f64`.
    pub trait Clock {}
    impl Clock for u64 {}
    impl Clock for f64 {}
}

/// A clock: steps of gradient descent (`u64`) or the time of gradient flow (`f64`, τ = η·step).
pub trait Clock: sealed::Clock + Copy + PartialOrd + Debug + Display + Send + Sync + 'static {
    /// `"gd"` or `"flow"`, as in the program's JSON.
    const NAME: &'static str;
    /// The start.
    const ZERO: Self;
    /// The last time of the clock: 2⁶⁴ − 1 steps, or the largest finite number.
    const LAST: Self;
    /// Whether time is counted in whole steps, so that nothing happens between neighbouring times.
    const STEPS: bool;

    /// As a real number (rounded above 2⁵³ steps).
    fn as_f64(self) -> f64;
    /// The nearest time of this clock, from below for steps; saturates.
    fn from_f64(t: f64) -> Self;
    /// Exactly so many steps (as flow time: as many units).
    fn from_steps(steps: u64) -> Self;
    /// The number of steps; `None` for flow.
    fn steps(self) -> Option<u64>;
    /// Whether an odd number of steps has been made (never for flow).
    fn is_odd(self) -> bool;
    /// A time strictly between, near the middle on a logarithmic axis; `None` when there is none that
    /// matters: neighbouring steps, or flow times a few units in the last place apart.
    fn between(lo: Self, hi: Self) -> Option<Self>;
    /// `self + fraction·(hi − self)`, kept strictly between when there is a time between.
    fn towards(self, hi: Self, fraction: f64) -> Self;
    /// The next time: one step, or the next representable flow time.
    fn next(self) -> Self;
}

impl Clock for u64 {
    const NAME: &'static str = "gd";
    const ZERO: u64 = 0;
    const LAST: u64 = u64::MAX;
    const STEPS: bool = true;

    fn as_f64(self) -> f64 {
        self as f64
    }
    fn from_f64(t: f64) -> u64 {
        t as u64
    }
    fn from_steps(steps: u64) -> u64 {
        steps
    }
    fn steps(self) -> Option<u64> {
        Some(self)
    }
    fn is_odd(self) -> bool {
        self % 2 == 1
    }
    fn between(lo: u64, hi: u64) -> Option<u64> {
        if hi <= lo.saturating_add(1) {
            return None;
        }
        // Halve on the logarithmic axis while the ends differ by more than a factor of four.
        let middle =
            if hi / 4 > lo { (((lo as f64) + 1.0) * (hi as f64)).sqrt() as u64 } else { lo + (hi - lo) / 2 };
        Some(middle.clamp(lo + 1, hi - 1))
    }
    fn towards(self, hi: u64, fraction: f64) -> u64 {
        if hi <= self.saturating_add(1) {
            return self;
        }
        (self + ((hi - self) as f64 * fraction) as u64).clamp(self + 1, hi - 1)
    }
    fn next(self) -> u64 {
        self.saturating_add(1)
    }
}

impl Clock for f64 {
    const NAME: &'static str = "flow";
    const ZERO: f64 = 0.0;
    const LAST: f64 = f64::MAX;
    const STEPS: bool = false;

    fn as_f64(self) -> f64 {
        self
    }
    fn from_f64(t: f64) -> f64 {
        t
    }
    fn from_steps(steps: u64) -> f64 {
        steps as f64
    }
    fn steps(self) -> Option<u64> {
        None
    }
    fn is_odd(self) -> bool {
        false
    }
    fn between(lo: f64, hi: f64) -> Option<f64> {
        if hi - lo <= 4.0 * f64::EPSILON * hi || hi < 1e-307 {
            return None;
        }
        let middle = if lo == 0.0 {
            hi / 64.0
        } else if hi > 4.0 * lo {
            lo.sqrt() * hi.sqrt()
        } else {
            lo + (hi - lo) / 2.0
        };
        (lo < middle && middle < hi).then_some(middle)
    }
    fn towards(self, hi: f64, fraction: f64) -> f64 {
        self + (hi - self) * fraction
    }
    fn next(self) -> f64 {
        self.next_up()
    }
}

/// A number one can ask a trajectory for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Observable {
    TrainLoss,
    TestLoss,
    /// Natural logarithm of the training loss; finite long after the loss itself underflows.
    LogTrainLoss,
    LogTestLoss,
    /// Probability (or fraction of a test sample) that the model is right; the model says what "right" is.
    TestAccuracy,
    /// Fraction of training samples that are classified right, ties counting ½.
    TrainAccuracy,
    /// ‖θ‖₂.
    ParameterNorm,
    /// Fraction of the structure (parallelograms) that the representation has.
    RepresentationQuality,
    /// exp of the entropy of the shares of variance of the principal components.
    EffectiveDimension,
    /// Sum of the singular values of the effective weights.
    NuclearNorm,
    /// Rank of the effective weights; the model says above which size.
    Rank,
    /// Margin of a linear predictor, min_i y_i f_i, over ‖w‖₂ and over ‖w‖₁.
    MarginL2,
    MarginL1,
}

impl Observable {
    /// All of them.
    pub const ALL: [Observable; 13] = [
        Observable::TrainLoss,
        Observable::TestLoss,
        Observable::LogTrainLoss,
        Observable::LogTestLoss,
        Observable::TestAccuracy,
        Observable::TrainAccuracy,
        Observable::ParameterNorm,
        Observable::RepresentationQuality,
        Observable::EffectiveDimension,
        Observable::NuclearNorm,
        Observable::Rank,
        Observable::MarginL2,
        Observable::MarginL1,
    ];

    /// The name used in JSON and CSV.
    pub fn name(self) -> &'static str {
        match self {
            Observable::TrainLoss => "train_loss",
            Observable::TestLoss => "test_loss",
            Observable::LogTrainLoss => "log_train_loss",
            Observable::LogTestLoss => "log_test_loss",
            Observable::TestAccuracy => "test_accuracy",
            Observable::TrainAccuracy => "train_accuracy",
            Observable::ParameterNorm => "parameter_norm",
            Observable::RepresentationQuality => "rqi",
            Observable::EffectiveDimension => "effective_dimension",
            Observable::NuclearNorm => "nuclear_norm",
            Observable::Rank => "rank",
            Observable::MarginL2 => "margin_l2",
            Observable::MarginL1 => "margin_l1",
        }
    }
}

/// By its [name](Observable::name).
///
/// ```
/// use groktime::trajectory::Observable;
/// assert_eq!("margin_l1".parse::<Observable>()?, Observable::MarginL1);
/// assert!("margin".parse::<Observable>().is_err());
/// # Ok::<(), groktime::Error>(())
/// ```
impl FromStr for Observable {
    type Err = Error;

    fn from_str(name: &str) -> Result<Observable> {
        Observable::ALL.into_iter().find(|o| o.name() == name).ok_or_else(|| Error::Name {
            kind: "observable",
            found: name.into(),
            known: Observable::ALL.map(Observable::name).join(", "),
        })
    }
}

/// Observables at given times.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T> {
    pub times: Vec<T>,
    pub columns: Vec<Observable>,
    /// times × columns; NaN where an observable is not defined for the model.
    pub values: Array2<f64>,
}

impl<T> Table<T> {
    /// One column, `None` where the observable is undefined or was not asked for.
    ///
    /// ```
    /// use groktime::trajectory::{Observable, Table};
    /// let table = Table {
    ///     times: vec![0_u64, 1],
    ///     columns: vec![Observable::TrainLoss],
    ///     values: ndarray::array![[1.0], [f64::NAN]],
    /// };
    /// assert_eq!(table.column(Observable::TrainLoss), vec![Some(1.0), None]);
    /// assert_eq!(table.column(Observable::TestLoss), vec![None, None]);
    /// ```
    pub fn column(&self, what: Observable) -> Vec<Option<f64>> {
        match self.columns.iter().position(|&c| c == what) {
            None => vec![None; self.times.len()],
            Some(j) => self.values.column(j).iter().map(|&x| (!x.is_nan()).then_some(x)).collect(),
        }
    }
}

/// What every solved model can answer, whatever it is and however it was solved: a closed form, an integrated flow, a
/// slow flow, a trained run. `dyn Trajectory<Time = f64>` is one too. A model says its horizon and what its
/// observables are at one time; the rest follows. Its state (parameters, weights, embeddings) is its own method.
///
/// ```
/// use groktime::trajectory::{Observable, Trajectory};
/// /// A loss of e^{−t}.
/// struct Decay;
/// impl Trajectory for Decay {
///     type Time = f64;
///     fn horizon(&self) -> Option<f64> {
///         None
///     }
///     fn observe_one(&self, t: f64, what: &[Observable], out: &mut [f64]) -> groktime::Result<()> {
///         out.iter_mut().zip(what).for_each(|(out, what)| {
///             *out = if *what == Observable::TrainLoss { (-t).exp() } else { f64::NAN };
///         });
///         Ok(())
///     }
/// }
/// let solved: Box<dyn Trajectory<Time = f64>> = Box::new(Decay);
/// assert_eq!(solved.value(0.0, Observable::TrainLoss)?, 1.0);
/// assert_eq!(solved.column(&[0.0, 1e3], Observable::TrainLoss)?, vec![1.0, 0.0]);
/// assert!(solved.observe(&[0.0], &Observable::ALL)?.column(Observable::Rank)[0].is_none());
/// # Ok::<(), groktime::Error>(())
/// ```
pub trait Trajectory {
    /// Steps or flow time.
    type Time: Clock;

    /// The last time that can be asked for; `None`: any time.
    fn horizon(&self) -> Option<Self::Time>;

    /// Several observables at one time, NaN where one is not defined for the model; `out` is as long as `what`.
    ///
    /// # Errors
    /// A time past the horizon, or negative or NaN.
    fn observe_one(&self, t: Self::Time, what: &[Observable], out: &mut [f64]) -> Result<()>;

    /// Several observables at several times; the state is computed once a time.
    ///
    /// # Errors
    /// As [`Trajectory::observe_one`].
    fn observe(&self, times: &[Self::Time], what: &[Observable]) -> Result<Table<Self::Time>> {
        let mut values = Array2::from_elem((times.len(), what.len()), f64::NAN);
        let mut row = vec![f64::NAN; what.len()];
        for (&t, mut kept) in times.iter().zip(values.rows_mut()) {
            self.observe_one(t, what, &mut row)?;
            kept.iter_mut().zip(&row).for_each(|(kept, x)| *kept = *x);
        }
        Ok(Table { times: times.to_vec(), columns: what.to_vec(), values })
    }

    /// One observable at one time.
    ///
    /// # Errors
    /// As [`Trajectory::observe_one`].
    fn value(&self, t: Self::Time, what: Observable) -> Result<f64> {
        let mut value = [f64::NAN];
        self.observe_one(t, &[what], &mut value)?;
        Ok(value[0])
    }

    /// One observable at several times.
    ///
    /// # Errors
    /// As [`Trajectory::observe_one`].
    fn column(&self, times: &[Self::Time], what: Observable) -> Result<Vec<f64>> {
        Ok(self.observe(times, &[what])?.values.into_iter().collect())
    }
}

/// Times spaced evenly on a logarithmic axis, `per_decade` to a factor of ten, from `first` to `last`
/// (both included) and the start before them; duplicates removed.
///
/// ```
/// use groktime::trajectory::log_times;
/// assert_eq!(log_times(1_u64, 1000, 1), vec![0, 1, 10, 100, 1000]);
/// assert_eq!(log_times(1.0, 100.0, 1), vec![0.0, 1.0, 10.0, 100.0]);
/// ```
pub fn log_times<T: Clock>(first: T, last: T, per_decade: usize) -> Vec<T> {
    let (a, b) = (first.as_f64(), last.as_f64());
    let mut times = vec![T::ZERO];
    if a > 0.0 && b > a {
        // The ratio of times 1e-200 and 1e200 is no number; that of their logarithms is.
        let ratio = b / a;
        let decades = if ratio.is_finite() { ratio.log10() } else { b.log10() - a.log10() };
        let count = (decades * per_decade as f64).ceil().max(1.0) as usize;
        let at = |share: f64| match ratio.is_finite() {
            true => a * ratio.powf(share),
            false => 10.0_f64.powf(a.log10() + share * decades),
        };
        let inner = (0..count).map(|i| T::from_f64(round_near(at(i as f64 / count as f64))));
        times.extend(inner.filter(|t| *t < last));
    }
    times.push(last);
    times.dedup_by(|b, a| b <= a);
    times
}

/// Times that part the span from 0 to the horizon evenly, both included: the last is the horizon itself and none is
/// past it, which `horizon·k/parts` alone does not promise.
///
/// ```
/// use groktime::trajectory::even_times;
/// let horizon = 3.0 * 100_f64.ln() / 1e-3;
/// let times = even_times(horizon, 12);
/// assert_eq!((times.len(), times[0], times[12]), (13, 0.0, horizon));
/// ```
pub fn even_times(horizon: f64, parts: u32) -> Vec<f64> {
    let part = |k: u32| horizon * (f64::from(k) / f64::from(parts));
    (0..parts).map(|k| part(k).min(horizon)).chain([horizon]).collect()
}

/// Removes the last digits' noise, so that 10³ computed by powers is 1000 and not 999.999….
fn round_near(x: f64) -> f64 {
    let whole = x.round();
    if (x - whole).abs() <= 1e-9 * x.abs() { whole } else { x }
}
