//! Events: the first time at which a function of the state changes sign.

use super::path::{Path, Point, Step};

/// Which changes of sign count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    #[default]
    Both,
    /// From negative to positive.
    Rising,
    /// From positive to negative.
    Falling,
}

/// Where a function of the state changes sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Root {
    /// The best estimate.
    pub t: f64,
    /// The sign is still the old one here,
    pub before: f64,
    /// and the new one here (or zero). The two are a few units in the last place apart.
    pub after: f64,
}

/// Finds sign changes of `g(t, y)` step by step, on the dense output.
///
/// A change of sign is seen when it lies between two of the times at which g is looked at: the ends of the
/// steps and, with [`subdivide`](Event::subdivide), equidistant times within. The first such change of a step
/// is located by bracketing, to a few units in the last place of t; its error is that of y divided by |dg/dt|.
///
/// ```
/// use std::ops::ControlFlow;
/// use groktime::ode::{DenseFlow, Direction, Event, Options, bdf_observed};
///
/// // y = e^{−t} falls below ½ at log 2.
/// let mut flow = DenseFlow::new(1, |_, y, dy| dy[0] = -y[0], |_, _, mut j| j[(0, 0)] = -1.0);
/// let mut event = Event::new(|p| p.y[0] - 0.5, Direction::Falling);
/// let mut half = None;
/// bdf_observed(&mut flow, 0.0..100.0, &[1.0], &Options::default(), |step| {
///     half = event.locate(step);
///     if half.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// })?;
/// assert!((half.unwrap().t - 2.0_f64.ln()).abs() < 1e-7);
/// # Ok::<(), groktime::Error>(())
/// ```
pub struct Event<G> {
    g: G,
    direction: Direction,
    subdivisions: usize,
    /// g at the end of the last step.
    last: Option<(f64, f64)>,
    y: Vec<f64>,
}

impl<G: FnMut(Point<'_>) -> f64> Event<G> {
    /// The event that g changes its sign.
    pub fn new(g: G, direction: Direction) -> Event<G> {
        Event { g, direction, subdivisions: 1, last: None, y: Vec::new() }
    }

    /// Looks at g at the ends of so many equal parts of each step.
    pub fn subdivide(self, subdivisions: usize) -> Event<G> {
        Event { subdivisions: subdivisions.max(1), ..self }
    }

    /// The first event in this step. Give it all steps in order.
    pub fn locate(&mut self, step: &Step<'_>) -> Option<Root> {
        self.y.resize(step.y().len(), 0.0);
        let mut left = match self.last {
            Some(last) if last.0 == step.t_old => last,
            _ => self.look(step, step.t_old),
        };
        let mut root = None;
        for i in 1..=self.subdivisions {
            let t = if i == self.subdivisions {
                step.t
            } else {
                step.t_old + (step.t - step.t_old) * (i as f64 / self.subdivisions as f64)
            };
            let right = self.look(step, t);
            if root.is_none() && self.happens(left.1, right.1) {
                root = Some(self.bracket(step, left, right));
            }
            // A zero has the sign that came before it.
            left = if right.1 == 0.0 && left.1 != 0.0 && !self.happens(left.1, right.1) {
                (t, left.1)
            } else {
                right
            };
        }
        self.last = Some(left);
        root
    }

    fn look(&mut self, step: &Step<'_>, t: f64) -> (f64, f64) {
        step.interpolate(t, &mut self.y);
        (t, (self.g)(Point { t, y: &self.y, epoch: step.epoch }))
    }

    fn happens(&self, left: f64, right: f64) -> bool {
        let rising = left < 0.0 && right >= 0.0;
        let falling = left > 0.0 && right <= 0.0;
        match self.direction {
            Direction::Both => rising || falling,
            Direction::Rising => rising,
            Direction::Falling => falling,
        }
    }

    /// Chandrupatla's method: inverse quadratic interpolation where it is safe, else bisection.
    fn bracket(&mut self, step: &Step<'_>, left: (f64, f64), right: (f64, f64)) -> Root {
        let sign = left.1.signum();
        // a: the newest point, b: the other end of the bracket, c: the one before.
        let (mut a, mut b) = (right, left);
        let mut fraction = 0.5;
        for _ in 0..200 {
            let width = (b.0 - a.0).abs();
            if a.1 == 0.0 || width <= 2.0 * f64::EPSILON * a.0.abs().max(b.0.abs()) || width < 1e-300 {
                break;
            }
            let t = a.0 + fraction * (b.0 - a.0);
            if t == a.0 || t == b.0 {
                break;
            }
            let new = self.look(step, t);
            let c;
            if (new.1 * sign > 0.0) == (a.1 * sign > 0.0) {
                c = a;
            } else {
                c = b;
                b = a;
            }
            a = new;
            fraction = proportion(a, b, c);
            // Stay off the ends by what the bracket may still be wide.
            let least = f64::EPSILON * a.0.abs().max(b.0.abs()) / (b.0 - a.0).abs();
            fraction = if least < 0.5 { fraction.clamp(least, 1.0 - least) } else { 0.5 };
        }
        let (before, after) = if a.1 * sign > 0.0 { (a.0, b.0) } else { (b.0, a.0) };
        let best = if a.1.abs() <= b.1.abs() { a.0 } else { b.0 };
        Root { t: best, before, after }
    }
}

/// Where between a and b to look next.
fn proportion(a: (f64, f64), b: (f64, f64), c: (f64, f64)) -> f64 {
    let xi = (a.0 - b.0) / (c.0 - b.0);
    let phi = (a.1 - b.1) / (c.1 - b.1);
    if phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi {
        let first = a.1 / (b.1 - a.1) * (c.1 / (b.1 - c.1));
        let second = (c.0 - a.0) / (b.0 - a.0) * (a.1 / (c.1 - a.1)) * (b.1 / (c.1 - b.1));
        first + second
    } else {
        0.5
    }
}

impl Path {
    /// The first time at which `g` changes its sign (see [`Event`]); `None`: it does not, or nothing was
    /// recorded.
    pub fn first_root(&self, g: impl FnMut(Point<'_>) -> f64, direction: Direction) -> Option<Root> {
        let mut event = Event::new(g, direction);
        self.steps().find_map(|step| event.locate(&step))
    }
}
