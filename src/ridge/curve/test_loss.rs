//! The test loss in whichever form the population allows.

use super::{Alternating, QuadraticForm, SumOfSquares};
use crate::crossing::{Curve, Enclosure, Point, Trend};
use crate::trajectory::Clock;

/// The test loss: undefined, a sum of squares, or a quadratic form.
#[derive(Clone, Debug)]
pub(crate) enum TestLoss<T> {
    Sum(SumOfSquares<T>),
    Form(QuadraticForm<T>),
    Undefined,
}

impl<T: Clock> TestLoss<T> {
    pub fn is_defined(&self) -> bool {
        !matches!(self, TestLoss::Undefined)
    }

    pub fn ln_value(&self, t: T) -> Option<f64> {
        match self {
            TestLoss::Sum(sum) => Some(sum.ln_value(t)),
            TestLoss::Form(form) => Some(form.ln_value(t)),
            TestLoss::Undefined => None,
        }
    }

    pub fn limits(&self) -> Option<[f64; 2]> {
        match self {
            TestLoss::Sum(sum) => Some(sum.limits()),
            TestLoss::Form(form) => Some(form.limits()),
            TestLoss::Undefined => None,
        }
    }
}

impl<T: Clock> TestLoss<T> {
    /// ln of the value and a bound on its error.
    pub fn ln_bounds(&self, t: T) -> Option<(f64, f64)> {
        match self {
            TestLoss::Sum(sum) => Some(sum.ln_bounds(t)),
            TestLoss::Form(form) => Some(form.ln_bounds(t)),
            TestLoss::Undefined => None,
        }
    }

    /// The value of the minimiser, whether or not the trajectory tends to it.
    pub fn at_minimiser(&self) -> Option<Point> {
        match self {
            TestLoss::Sum(sum) => Some(sum.at_minimiser()),
            TestLoss::Form(form) => Some(form.at_minimiser()),
            TestLoss::Undefined => None,
        }
    }
}

impl<T: Clock> Curve for TestLoss<T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        match self {
            TestLoss::Sum(sum) => sum.value(t),
            TestLoss::Form(form) => form.value(t),
            TestLoss::Undefined => Point { value: f64::NAN, rounding: f64::INFINITY },
        }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        match self {
            TestLoss::Sum(sum) => sum.enclose(from, to),
            TestLoss::Form(form) => form.enclose(from, to),
            TestLoss::Undefined => {
                Enclosure { lo: 0.0, hi: f64::INFINITY, trend: Trend::Unknown, rounding: 0.0 }
            }
        }
    }

    fn time_scale(&self) -> T {
        match self {
            TestLoss::Sum(sum) => sum.time_scale(),
            TestLoss::Form(form) => form.time_scale(),
            TestLoss::Undefined => T::from_f64(1.0),
        }
    }

    fn settled(&self, from: T) -> bool {
        match self {
            TestLoss::Sum(sum) => sum.settled(from),
            TestLoss::Form(form) => form.settled(from),
            TestLoss::Undefined => true,
        }
    }

    fn gives_up(&self, looks: f64) -> bool {
        match self {
            TestLoss::Sum(sum) => sum.gives_up(looks),
            TestLoss::Form(form) => form.gives_up(looks),
            TestLoss::Undefined => true,
        }
    }
}

impl<T: Clock> Alternating for TestLoss<T> {
    type Half = TestLoss<u64>;
    fn alternates(&self) -> bool {
        match self {
            TestLoss::Sum(sum) => sum.alternates(),
            TestLoss::Form(form) => form.alternates(),
            TestLoss::Undefined => false,
        }
    }
    fn half(&self, odd: bool) -> TestLoss<u64> {
        match self {
            TestLoss::Sum(sum) => TestLoss::Sum(sum.half(odd)),
            TestLoss::Form(form) => TestLoss::Form(form.half(odd)),
            TestLoss::Undefined => TestLoss::Undefined,
        }
    }
}
