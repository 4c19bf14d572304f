//! Shapes of measured curves: generalisation in two stages, and the double descent of the rank of features. What
//! "Deep Grokking" (arXiv 2405.19454) shows by eye is decided by a rule here, which says no on noise.

use crate::error::{Error, Result, check, check_shape};

/// What counts as a stage.
///
/// | name | default | meaning |
/// |---|---|---|
/// | `gain` | 0.05 | least rise of the accuracy before and after the shoulder |
/// | `lesser` | 0.15 | the lower of the two largest slopes is at least this part of the higher |
/// | `shoulder` | 0.5 | the slope there is at most this part of the lower of the two largest slopes |
/// | `window` | 0.1 | curves are averaged over this part of the logarithmic axis |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageRule {
    pub gain: f64,
    pub lesser: f64,
    pub shoulder: f64,
    pub window: f64,
}

impl Default for StageRule {
    fn default() -> Self {
        StageRule { gain: 0.05, lesser: 0.15, shoulder: 0.5, window: 0.1 }
    }
}

/// Points of the logarithmic axis on which slopes are taken.
const GRID: usize = 400;

/// Two maxima of d accuracy/d log t with a shoulder between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoStages {
    /// Where the first and the second stage are steepest.
    pub first: f64,
    pub second: f64,
    /// Where the curve is flattest between them, and its value there.
    pub shoulder: f64,
    pub level: f64,
}

impl TwoStages {
    /// Looks for two stages in an accuracy at ascending, positive times; `None` when it rises once, or not at all.
    ///
    /// ```
    /// use groktime::grokking::{StageRule, TwoStages};
    /// let times: Vec<f64> = (0..200).map(|k| 10_f64.powf(2.0 + 0.015 * f64::from(k))).collect();
    /// let sigmoid = |t: f64, at: f64| 1.0 / (1.0 + (t / at).powf(-8.0));
    /// let twice: Vec<f64> = times.iter().map(|&t| 0.7 * sigmoid(t, 1e3) + 0.3 * sigmoid(t, 3e4)).collect();
    /// let found = TwoStages::find(&times, &twice, StageRule::default())?.unwrap();
    /// assert!((found.level - 0.7).abs() < 0.01 && (found.first / 1e3 - 1.0).abs() < 0.1);
    /// let once: Vec<f64> = times.iter().map(|&t| sigmoid(t, 1e3)).collect();
    /// assert_eq!(TwoStages::find(&times, &once, StageRule::default())?, None);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Curves of different lengths or of fewer than three points, times that are not positive and ascending, values
    /// that are not finite, a rule out of range.
    pub fn find(times: &[f64], accuracy: &[f64], rule: StageRule) -> Result<Option<TwoStages>> {
        check_curve(times, accuracy)?;
        check("gain", rule.gain, |g| g > 0.0 && g < 0.5, "between 0 and 0.5")?;
        check("lesser slope", rule.lesser, |l| (0.0..1.0).contains(&l), "at least 0 and below 1")?;
        check("shoulder", rule.shoulder, |s| s > 0.0 && s < 1.0, "between 0 and 1")?;
        check("window", rule.window, |w| (0.0..0.5).contains(&w), "at least 0 and below 0.5")?;
        let (start, end) = (times[0].ln(), times[times.len() - 1].ln());
        let step = (end - start) / (GRID - 1) as f64;
        let at = |k: usize| start + k as f64 * step;
        let sampled: Vec<f64> = (0..GRID).map(|k| interpolate(times, accuracy, at(k))).collect();
        let curve = averaged(&sampled, (rule.window * GRID as f64) as usize / 2);
        let slopes: Vec<f64> = curve.windows(2).map(|pair| (pair[1] - pair[0]) / step).collect();
        // The largest slope up to each place, and from it on, with where it is.
        let steeper = |best: &mut (f64, usize), k: usize| {
            if slopes[k] > best.0 {
                *best = (slopes[k], k);
            }
            *best
        };
        let mut best = (f64::NEG_INFINITY, 0);
        let before: Vec<(f64, usize)> = (0..slopes.len()).map(|k| steeper(&mut best, k)).collect();
        let mut best = (f64::NEG_INFINITY, 0);
        let mut after: Vec<(f64, usize)> = (0..slopes.len()).rev().map(|k| steeper(&mut best, k)).collect();
        after.reverse();
        let low = |range: &[f64]| range.iter().copied().fold(f64::INFINITY, f64::min);
        let high = |range: &[f64]| range.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let flattest = (1..slopes.len() - 1)
            .filter(|&k| {
                let (peaks, higher) = (before[k].0.min(after[k].0), before[k].0.max(after[k].0));
                let rises =
                    curve[k] - low(&curve[..=k]) >= rule.gain && high(&curve[k..]) - curve[k] >= rule.gain;
                rises && peaks >= rule.lesser * higher && slopes[k] <= rule.shoulder * peaks
            })
            .min_by(|&a, &b| slopes[a].total_cmp(&slopes[b]));
        let time = |k: usize| (at(k) + 0.5 * step).exp();
        Ok(flattest.map(|k| TwoStages {
            first: time(before[k].1),
            second: time(after[k].1),
            shoulder: time(k),
            level: curve[k],
        }))
    }
}

/// A fall, a rise and a second fall: (time, rank) of both minima and of the peak between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DoubleDescent {
    pub first_minimum: (f64, f64),
    pub peak: (f64, f64),
    pub second_minimum: (f64, f64),
}

impl DoubleDescent {
    /// Looks for a double descent in ranks at ascending, positive times. Both falls and the rise between them are at
    /// least `part` of the rank at the start; of several peaks the one that stands out most is taken.
    ///
    /// ```
    /// use groktime::grokking::DoubleDescent;
    /// // Layer 8 of figure 1c of arXiv 2405.19454, roughly.
    /// let times = [1.0, 13e3, 23e3, 33e3, 45e3, 60e3, 93e3];
    /// let ranks = [370.0, 240.0, 144.0, 200.0, 235.0, 150.0, 87.0];
    /// let found = DoubleDescent::find(&times, &ranks, 0.1)?.unwrap();
    /// assert_eq!((found.first_minimum.1, found.peak.1, found.second_minimum.1), (144.0, 235.0, 87.0));
    /// assert_eq!(DoubleDescent::find(&times, &[370.0, 300.0, 200.0, 150.0, 100.0, 90.0, 87.0], 0.1)?, None);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`TwoStages::find`]; a part outside (0, 1).
    pub fn find(times: &[f64], ranks: &[f64], part: f64) -> Result<Option<DoubleDescent>> {
        check_curve(times, ranks)?;
        check("part", part, |p| p > 0.0 && p < 1.0, "between 0 and 1")?;
        let least = part * ranks[0];
        let lowest = |range: std::ops::Range<usize>| range.min_by(|&a, &b| ranks[a].total_cmp(&ranks[b]));
        let candidates = (1..ranks.len() - 1).filter_map(|peak| {
            let (first, second) = (lowest(0..peak)?, lowest(peak + 1..ranks.len())?);
            let stands_out = ranks[peak] - ranks[first].max(ranks[second]);
            let falls = ranks[0] - ranks[first] >= least;
            (falls && stands_out >= least).then_some((stands_out, first, peak, second))
        });
        let best = candidates.max_by(|a, b| a.0.total_cmp(&b.0));
        let point = |k: usize| (times[k], ranks[k]);
        Ok(best.map(|(_, first, peak, second)| DoubleDescent {
            first_minimum: point(first),
            peak: point(peak),
            second_minimum: point(second),
        }))
    }
}

fn check_curve(times: &[f64], values: &[f64]) -> Result<()> {
    check_shape("values", &[values.len()], &[times.len()], "one a time")?;
    check("points of the curve", times.len() as f64, |n| n >= 3.0, "at least 3")?;
    for (index, &value) in values.iter().enumerate() {
        if !value.is_finite() {
            return Err(Error::NotFinite { name: "values", index: vec![index], value });
        }
    }
    let mut last = 0.0;
    for &t in times {
        check("time", t, |t| t > last, &format!("above {last}: positive and ascending"))?;
        last = t;
    }
    Ok(())
}

/// The polygon through the points, at a logarithm of time.
fn interpolate(times: &[f64], values: &[f64], ln_t: f64) -> f64 {
    let next = times.partition_point(|t| t.ln() < ln_t).clamp(1, times.len() - 1);
    let (a, b) = (times[next - 1].ln(), times[next].ln());
    let part = ((ln_t - a) / (b - a)).clamp(0.0, 1.0);
    values[next - 1] + part * (values[next] - values[next - 1])
}

/// Means over `half` neighbours on either side, fewer at the ends.
fn averaged(values: &[f64], half: usize) -> Vec<f64> {
    let mean = |k: usize| {
        let part = &values[k.saturating_sub(half)..(k + half + 1).min(values.len())];
        part.iter().sum::<f64>() / part.len() as f64
    };
    (0..values.len()).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::features::{gaussian_vector, generator};

    fn times() -> Vec<f64> {
        (0..120).map(|k| 10_f64.powf(3.0 + 2.0 * f64::from(k) / 119.0)).collect()
    }

    fn sigmoid(t: f64, at: f64, sharpness: f64) -> f64 {
        1.0 / (1.0 + (t / at).powf(-sharpness))
    }

    /// Two stages are found through the noise of a thousand test samples, and one stage stays one.
    #[test]
    fn stages_are_told_apart_under_noise() {
        let times = times();
        for seed in 0..200 {
            let noise = gaussian_vector(times.len(), 1.0, &mut generator(seed, 0));
            let noisy = |clean: &dyn Fn(f64) -> f64| -> Vec<f64> {
                let measured = |(&t, z): (&f64, &f64)| {
                    let p = clean(t);
                    (p + (p * (1.0 - p) / 1000.0).sqrt() * z).clamp(0.0, 1.0)
                };
                times.iter().zip(&noise).map(measured).collect()
            };
            let twice = noisy(&|t| 0.1 + 0.65 * sigmoid(t, 6e3, 8.0) + 0.2 * sigmoid(t, 5e4, 8.0));
            let found = TwoStages::find(&times, &twice, StageRule::default()).expect("a curve");
            let found = found.unwrap_or_else(|| panic!("seed {seed}: two stages"));
            assert!((found.level - 0.75).abs() < 0.03, "seed {seed}: {found:?}");
            assert!(
                (found.first / 6e3).ln().abs() < 0.3 && (found.second / 5e4).ln().abs() < 0.3,
                "{found:?}"
            );
            assert!(found.first < found.shoulder && found.shoulder < found.second);
            let once = noisy(&|t| 0.1 + 0.85 * sigmoid(t, 2e4, 6.0));
            assert_eq!(
                TwoStages::find(&times, &once, StageRule::default()).expect("a curve"),
                None,
                "{seed}"
            );
            let flat = noisy(&|_| 0.1);
            assert_eq!(
                TwoStages::find(&times, &flat, StageRule::default()).expect("a curve"),
                None,
                "{seed}"
            );
        }
    }

    #[test]
    fn descents_are_counted() {
        let times = times();
        let ranks = |shape: &dyn Fn(f64) -> f64| times.iter().map(|&t| shape(t)).collect::<Vec<f64>>();
        let double = ranks(&|t| {
            380.0 - 240.0 * sigmoid(t, 5e3, 8.0) + 90.0 * sigmoid(t, 2e4, 8.0) - 150.0 * sigmoid(t, 6e4, 8.0)
        });
        let found = DoubleDescent::find(&times, &double, 0.1).expect("a curve").expect("double");
        assert!(found.first_minimum.0 < found.peak.0 && found.peak.0 < found.second_minimum.0);
        assert!((found.peak.1 - 225.0).abs() < 15.0, "{found:?}");
        let single = ranks(&|t| 380.0 - 300.0 * sigmoid(t, 5e4, 8.0));
        assert_eq!(DoubleDescent::find(&times, &single, 0.1).expect("a curve"), None);
        // A rise alone, and a rise before any fall, are none.
        let risen = ranks(&|t| 300.0 + 80.0 * sigmoid(t, 1e4, 8.0) - 250.0 * sigmoid(t, 5e4, 8.0));
        assert_eq!(DoubleDescent::find(&times, &risen, 0.1).expect("a curve"), None);
    }

    #[test]
    fn bad_curves_are_named() {
        let rule = StageRule::default();
        let refused = |times: &[f64], values: &[f64], name: &str| {
            let error = TwoStages::find(times, values, rule).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
            assert!(DoubleDescent::find(times, values, 0.1).is_err());
        };
        refused(&[1.0, 2.0], &[0.0, 1.0], "at least 3");
        refused(&[1.0, 2.0, 3.0], &[0.0, 1.0], "values has shape");
        refused(&[0.0, 2.0, 3.0], &[0.0, 1.0, 1.0], "time is 0");
        refused(&[1.0, 3.0, 2.0], &[0.0, 1.0, 1.0], "time is 2");
        refused(&[1.0, 2.0, 3.0], &[0.0, f64::NAN, 1.0], "NaN");
        assert!(DoubleDescent::find(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0], 1.5).is_err());
        assert!(
            TwoStages::find(&[1.0, 2.0, 3.0], &[0.0, 0.5, 1.0], StageRule { gain: 0.0, ..rule }).is_err()
        );
    }
}
