//! Ranges of axes, ticks and their labels.

use super::{Axis, Scale};

/// Values beyond this are shown at it, so that no difference of two of them overflows.
const LARGEST: f64 = 1e300;
/// The same for logarithms; far past any exponent, and exact in integers.
const LARGEST_LOG: f64 = 1e12;

/// The shown part of an axis, in positions: the values themselves, or their decimal logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Scale {
    /// Where a value lies on the axis; `None` for one that it cannot show.
    pub(super) fn position(self, value: f64) -> Option<f64> {
        let position = match self {
            Scale::Linear => value.clamp(-LARGEST, LARGEST),
            Scale::Log if value <= 0.0 => return None,
            Scale::Log => value.log10(),
            Scale::Log10Values => value.clamp(-LARGEST_LOG, LARGEST_LOG),
        };
        (value.is_finite() && position.is_finite()).then_some(position)
    }
}

impl Range {
    /// The range asked for, or else the range of the values widened by the fraction `padding`.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, padding: f64) -> Self {
        let scale = axis.scale;
        if let Some(range) = Self::asked(axis) {
            return range;
        }
        let bounds = values
            .filter_map(|v| scale.position(v))
            .fold(None, |b, p| Some(b.map_or((p, p), |(l, h): (f64, f64)| (l.min(p), h.max(p)))));
        let (low, high) = bounds.unwrap_or((0.0, 1.0));
        let size = low.abs().max(high.abs());
        // Values closer than this count as one: the labels could not tell them apart.
        let (smallest, window) = match scale {
            Scale::Linear if size == 0.0 => (1e-300, 2.0),
            Scale::Linear => ((size * 1e-6).max(1e-300), (size * 0.2).max(1e-299)),
            _ => (1e-3_f64.max(size * 1e-6), 1.0_f64.max(size * 1e-3)),
        };
        if high - low < smallest {
            let middle = low + (high - low) / 2.0;
            return Range { scale, low: middle - window / 2.0, high: middle + window / 2.0 };
        }
        let room = (high - low) * padding;
        Range { scale, low: low - room, high: high + room }
    }

    /// The range that the caller gave, if the scale can show it.
    pub(super) fn asked(axis: &Axis) -> Option<Self> {
        let (low, high) = axis.range?;
        let (low, high) = (axis.scale.position(low)?, axis.scale.position(high)?);
        let distinct = high - low > 1e-300 + 1e-9 * low.abs().max(high.abs());
        distinct.then_some(Range { scale: axis.scale, low, high })
    }

    /// Where a value lies: 0 at the low end, 1 at the high end. Finite for every shown value.
    pub(super) fn fraction(&self, value: f64) -> Option<f64> {
        self.scale.position(value).map(|p| self.of_position(p))
    }

    pub(super) fn contains(&self, value: f64) -> bool {
        self.fraction(value).is_some_and(|f| (0.0..=1.0).contains(&f))
    }

    fn of_position(&self, position: f64) -> f64 {
        // Far outside, only the direction matters.
        ((position - self.low) / (self.high - self.low)).clamp(-1e6, 1e6)
    }

    /// Ticks for an axis of the given length in pixels. `extent` says how many pixels along the axis
    /// a label takes; labels never come closer than that.
    pub(super) fn ticks(&self, pixels: f64, extent: impl Fn(&str) -> f64) -> Ticks {
        match self.scale {
            Scale::Linear => self.number_ticks(pixels, &extent),
            _ => self.decade_ticks(pixels, &extent),
        }
    }

    fn number_ticks(&self, pixels: f64, extent: &dyn Fn(&str) -> f64) -> Ticks {
        self.even_ticks(self.low, self.high, |position| position, pixels, extent)
    }

    /// Multiples of 1, 2 or 5 times a power of ten from `low` to `high`.
    fn even_ticks(
        &self,
        low: f64,
        high: f64,
        position: fn(f64) -> f64,
        pixels: f64,
        extent: &dyn Fn(&str) -> f64,
    ) -> Ticks {
        steps((high - low) * 36.0 / pixels)
            .map(|(mantissa, exponent)| {
                let indices = multiples(low, high, mantissa as f64 * power(exponent));
                let numbers: Vec<_> = indices.map(|i| (i * mantissa, exponent)).collect();
                self.label_numbers(&numbers, position)
            })
            .find(|major| fits(major, pixels, extent))
            .map_or(Ticks::default(), |major| Ticks { major, minor: vec![] })
    }

    fn decade_ticks(&self, pixels: f64, extent: &dyn Fn(&str) -> f64) -> Ticks {
        let decades = self.high - self.low;
        // Below two decades, and where f64 can hold the values, plain numbers say more than powers.
        let plain = self.low > -300.0 && self.high < 300.0;
        if decades < 2.0 && plain {
            return self.short_log_ticks(pixels, extent);
        }
        if decades < 2.0 {
            let exponents = Range { scale: Scale::Linear, ..*self };
            let mut ticks = exponents.number_ticks(pixels, &|l| extent(l) + extent("10^"));
            ticks.major.iter_mut().for_each(|(_, label)| *label = format!("10^{label}"));
            return ticks;
        }
        for (mantissa, exponent) in steps((decades * 10.0 / pixels).max(1.0)) {
            let every = mantissa * 10_i64.pow(exponent.clamp(0, 17) as u32);
            let major: Vec<_> = multiples(self.low, self.high, every as f64)
                .map(|i| (self.of_position((i * every) as f64), format!("10{}", superscript(i * every))))
                .collect();
            if fits(&major, pixels, extent) {
                return Ticks { major, minor: self.minor_ticks(every, pixels / decades) };
            }
        }
        Ticks::default()
    }

    /// Between decade labels: 2 to 9 times the power, or the decades left out, if there is room.
    fn minor_ticks(&self, every: i64, pixels_per_decade: f64) -> Vec<f64> {
        let mantissas = match every {
            1 if pixels_per_decade >= 28.0 => 1..=9,
            2.. if pixels_per_decade >= 5.0 => 1..=1,
            _ => return vec![],
        };
        (self.low.floor() as i64..=self.high.ceil() as i64)
            .flat_map(|decade| mantissas.clone().map(move |m| decade as f64 + f64::from(m).log10()))
            .map(|position| self.of_position(position))
            .filter(|f| (0.0..=1.0).contains(f))
            .collect()
    }

    /// A logarithmic axis over less than two decades: 1, 2, 5, 10, … or else evenly spaced numbers.
    fn short_log_ticks(&self, pixels: f64, extent: &dyn Fn(&str) -> f64) -> Ticks {
        let numbers: Vec<_> = (self.low.floor() as i32..=self.high.ceil() as i32)
            .flat_map(|decade| [1, 2, 5].map(|m| (m, decade)))
            .filter(|&(m, decade)| {
                let f = self.of_position(f64::from(decade) + (m as f64).log10());
                (0.0..=1.0).contains(&f)
            })
            .collect();
        let major = self.label_numbers(&numbers, f64::log10);
        if major.len() >= 3 && fits(&major, pixels, extent) {
            let every = if self.high - self.low > 0.5 { 1 } else { 0 };
            return Ticks { major, minor: self.minor_ticks(every, pixels / (self.high - self.low)) };
        }
        self.even_ticks(10_f64.powf(self.low), 10_f64.powf(self.high), f64::log10, pixels, extent)
    }

    /// Labels the numbers mantissa·10^exponent, all in the same notation.
    fn label_numbers(&self, numbers: &[(i64, i32)], position: impl Fn(f64) -> f64) -> Vec<(f64, String)> {
        let plain = numbers.iter().all(|&(m, e)| m == 0 || fits_plain(m, e));
        numbers
            .iter()
            .map(|&(m, e)| (self.of_position(position(m as f64 * power(e))), number(m, e, plain)))
            .collect()
    }
}

/// Places along an axis, as fractions of its length.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticks {
    pub(super) major: Vec<(f64, String)>,
    pub(super) minor: Vec<f64>,
}

/// 1, 2 or 5 times a power of ten, as (mantissa, exponent), from `smallest` up.
fn steps(smallest: f64) -> impl Iterator<Item = (i64, i32)> {
    let first = smallest.log10().floor() as i32;
    (first..first + 20)
        .flat_map(|exponent| [1, 2, 5].map(|mantissa| (mantissa, exponent)))
        .filter(move |&(mantissa, exponent)| mantissa as f64 * power(exponent) >= smallest * (1.0 - 1e-9))
}

/// The i for which i·step lies in the range, up to rounding.
fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = i64> {
    let (low, high) = (low / step, high / step);
    let slack = (high - low) * 1e-9;
    (low - slack).ceil() as i64..=(high + slack).floor() as i64
}

/// 10^exponent; the quotient is the nearest number more often than powi of a negative exponent.
fn power(exponent: i32) -> f64 {
    if exponent < 0 && exponent > -300 { 1.0 / 10_f64.powi(-exponent) } else { 10_f64.powi(exponent) }
}

fn fits(ticks: &[(f64, String)], pixels: f64, extent: &dyn Fn(&str) -> f64) -> bool {
    ticks.windows(2).all(|pair| {
        let [(a, first), (b, second)] = pair else { return true };
        (b - a) * pixels >= (extent(first) + extent(second)) / 2.0
    })
}

/// Whether mantissa·10^exponent reads well without a power of ten.
fn fits_plain(mantissa: i64, exponent: i32) -> bool {
    let leading = mantissa.unsigned_abs().ilog10() as i32 + exponent;
    (-4..5).contains(&leading) && exponent > -9
}

/// Writes mantissa·10^exponent exactly: "0.25", "−3", "2.5×10⁻⁷".
fn number(mantissa: i64, exponent: i32, plain: bool) -> String {
    if mantissa == 0 {
        return "0".to_owned();
    }
    let sign = if mantissa < 0 { "−" } else { "" };
    let all = mantissa.unsigned_abs().to_string();
    let digits = all.trim_end_matches('0');
    let exponent = exponent + (all.len() - digits.len()) as i32;
    if !plain {
        let power = superscript(i64::from(exponent) + digits.len() as i64 - 1);
        return match digits.split_at(1) {
            ("1", "") => format!("{sign}10{power}"),
            (first, "") => format!("{sign}{first}×10{power}"),
            (first, rest) => format!("{sign}{first}.{rest}×10{power}"),
        };
    }
    let places = (-exponent).max(0) as usize;
    if exponent >= 0 {
        format!("{sign}{digits}{}", "0".repeat(exponent as usize))
    } else if places >= digits.len() {
        format!("{sign}0.{}{digits}", "0".repeat(places - digits.len()))
    } else {
        let (whole, part) = digits.split_at(digits.len() - places);
        format!("{sign}{whole}.{part}")
    }
}

/// An integer in superscript digits: −3 is "⁻³".
pub(super) fn superscript(value: i64) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
    };
    value.to_string().chars().map(raised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(scale: Scale, low: f64, high: f64, pixels: f64, extent: f64) -> Vec<String> {
        let axis = Axis { scale, range: Some((low, high)), ..Axis::default() };
        let range = Range::new(&axis, std::iter::empty(), 0.05);
        range.ticks(pixels, |_| extent).major.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn powers_of_ten_are_superscripts() {
        assert_eq!(superscript(-1600), "⁻¹⁶⁰⁰");
        assert_eq!(superscript(1234567890), "¹²³⁴⁵⁶⁷⁸⁹⁰");
        assert_eq!(ticks(Scale::Log, 1e-3, 1.0, 300.0, 20.0), ["10⁻³", "10⁻²", "10⁻¹", "10⁰"]);
        assert_eq!(ticks(Scale::Log10Values, -1600.0, 0.0, 300.0, 60.0).first().unwrap(), "10⁻¹⁵⁰⁰");
    }

    #[test]
    fn numbers_are_written_exactly() {
        assert_eq!(number(3, -1, true), "0.3");
        assert_eq!(number(-250, -2, true), "−2.5");
        assert_eq!(number(1250, -3, true), "1.25");
        assert_eq!(number(20, 3, true), "20000");
        assert_eq!(number(25, -8, false), "2.5×10⁻⁷");
        assert_eq!(number(10, 6, false), "10⁷");
        assert_eq!(ticks(Scale::Linear, 0.0, 0.5, 300.0, 40.0), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(ticks(Scale::Linear, -2e7, 2e7, 200.0, 45.0), ["−2×10⁷", "−10⁷", "0", "10⁷", "2×10⁷"]);
    }

    #[test]
    fn a_short_log_axis_has_plain_numbers() {
        assert_eq!(ticks(Scale::Log, 0.9, 60.0, 300.0, 20.0), ["1", "2", "5", "10", "20", "50"]);
        assert!(ticks(Scale::Log, 1.2, 1.9, 300.0, 20.0).contains(&"1.5".to_owned()));
        assert!(!ticks(Scale::Log10Values, -1600.2, -1600.1, 300.0, 20.0).is_empty());
    }

    #[test]
    fn labels_never_overlap() {
        for decades in [1.0, 2.0, 3.0, 8.0, 20.0, 77.0, 300.0, 1600.0, 1e6, 1e11] {
            let axis = Axis { scale: Scale::Log10Values, range: Some((-decades, 0.3)), ..Axis::default() };
            let range = Range::new(&axis, std::iter::empty(), 0.0);
            let extent = |label: &str| 8.0 * label.chars().count() as f64;
            for pixels in [120.0, 330.0, 540.0] {
                let major = range.ticks(pixels, extent).major;
                assert!(!major.is_empty() && fits(&major, pixels, &extent), "{decades} {pixels} {major:?}");
            }
        }
    }

    #[test]
    fn hostile_ranges_give_few_finite_ticks() {
        let values = [0.0, -0.0, 5e-324, 1e-300, 1.0, 1.0 + f64::EPSILON, -7.0, 1e18, f64::MAX, -f64::MAX];
        for scale in [Scale::Linear, Scale::Log, Scale::Log10Values] {
            for a in values {
                for b in values {
                    let axis = Axis { scale, ..Axis::default() };
                    let range = Range::new(&axis, [a, b, f64::NAN, f64::INFINITY].into_iter(), 0.05);
                    let ticks = range.ticks(540.0, |l| 8.0 * l.chars().count() as f64);
                    assert!(ticks.major.len() < 60 && ticks.minor.len() < 600, "{scale:?} {a} {b}");
                    assert!(!ticks.major.is_empty(), "{scale:?} {a} {b} {range:?}");
                    assert!(ticks.major.iter().all(|(f, _)| (-0.01..=1.01).contains(f)), "{scale:?} {a} {b}");
                }
            }
        }
    }
}
