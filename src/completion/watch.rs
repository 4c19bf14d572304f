//! A run watches itself: what the exact flow conserves, and that its objective only falls. A breach beyond what the
//! tolerance explains ends in an error, never in a result.

/// A breach is an error of more than so many tolerances.
const BREACH: f64 = 100.0;

/// 𝓛 + (λ/2)‖θ‖², term by term.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balance {
    /// 𝓛.
    pub loss: f64,
    /// ‖U‖² + ‖V‖².
    pub square_norm: f64,
    pub weight_decay: f64,
    /// The mean square that errors are relative to: of the data, or of W where that is larger.
    pub data: f64,
}

impl Balance {
    fn objective(&self) -> f64 {
        self.loss + 0.5 * self.weight_decay * self.square_norm
    }

    /// What an error of `relative` in W and θ changes in the objective: 𝓛 is a sum of squares of differences that
    /// are known to `relative` times the data.
    fn allowance(&self, relative: f64) -> f64 {
        let s = relative * self.data.sqrt();
        2.0 * s * self.loss.sqrt() + s * s + relative * self.weight_decay * self.square_norm
    }
}

/// What became of the invariants of one run.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    rtol: f64,
    steps: usize,
    /// Of the last step.
    lowest: Option<f64>,
    reference: Option<Vec<f64>>,
    epoch: f64,
    before: f64,
    /// What went wrong, when, and by how much.
    pub breach: Option<String>,
}

impl Watch {
    pub fn new(rtol: f64) -> Watch {
        Watch { rtol, steps: 0, lowest: None, reference: None, epoch: 0.0, before: 0.0, breach: None }
    }

    /// d𝓛_λ/dt = −‖∇𝓛_λ‖² ≤ 0: the objective must not rise.
    pub fn objective(&mut self, t: f64, balance: &Balance) {
        let (now, allowed) = (balance.objective(), balance.allowance(BREACH * self.rtol));
        if let Some(before) = self.lowest
            && (now.is_nan() || now > before + allowed + 64.0 * f64::EPSILON * before)
        {
            self.breach.get_or_insert_with(|| {
                format!(
                    "at t = {t:e} the regularised loss rose by {:e} to {now:e}, which the exact flow never does (the tolerance explains {allowed:e})",
                    now - before
                )
            });
        }
        self.lowest = Some(self.lowest.map_or(now, |before| before.min(now)));
    }

    /// The state was changed from outside the flow.
    pub fn restart(&mut self) {
        self.lowest = None;
    }

    /// Numbers that the exact flow conserves, each with the size that its rounding is relative to; `growth` is what
    /// the decay is undone with, `rounded` what rounding explains beside the tolerance.
    pub fn conserved(&mut self, t: f64, now: &[f64], sizes: &[f64], (growth, rounded): (f64, f64)) {
        self.steps += 1;
        let Some(reference) = &self.reference else {
            self.reference = Some(now.to_vec());
            self.steps = 0;
            return;
        };
        let apart = |((now, then), size): ((&f64, &f64), &f64)| {
            (now - then / growth).abs() / size.max(f64::MIN_POSITIVE)
        };
        let drift = now.iter().zip(reference).zip(sizes).map(apart).fold(0.0_f64, f64::max);
        self.epoch = self.epoch.max(drift);
        let allowed = BREACH * self.rtol.max(1e-13) * (1.0 + (self.steps as f64).sqrt()) + rounded;
        if drift.is_nan() || drift > allowed {
            self.breach.get_or_insert_with(|| {
                format!(
                    "at t = {t:e} e^{{2λt}}VᵀU, which the exact flow conserves, is off by {drift:e} (the tolerance explains {allowed:e})"
                )
            });
        }
    }

    /// From now on in other variables.
    pub fn new_epoch(&mut self) {
        self.before += self.epoch;
        self.epoch = 0.0;
        self.reference = None;
    }

    /// Largest drift that was seen, added up over the epochs.
    pub fn drift(&self) -> f64 {
        self.before + self.epoch
    }
}
