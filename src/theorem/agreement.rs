//! What two integrated runs at tighter tolerances say of one claim.

use super::{Claim, Judged, Recomputed};

/// The two runs may differ by this part of what the claim is short of.
const AGREEMENT: f64 = 0.25;

/// Neither a tighter tolerance nor two verdicts that agree confirm a failure: the curves of the two runs have to
/// agree, at the time of the failure, to well below what the claim is short of. Their difference is allowed for.
/// `tolerances` are those of the two runs, for the reason that is given if they do not agree.
pub(crate) fn agree(coarse: &Judged, fine: &Judged, tolerances: [f64; 2]) -> Result<Recomputed, String> {
    let (a, b) = (&coarse.verdict, &fine.verdict);
    let apart = (a.slack - b.slack).abs();
    let differ = || {
        let at = b.at_time.map_or(String::new(), |t| format!(" at t = {t:e}"));
        let [rough, tight] = tolerances;
        let by = format!("{apart:.2e}{at} (rounding {:.2e})", b.rounding);
        format!(
            "slacks at rtol {rough:e} and {tight:e} are {:.2e} and {:.2e}, apart by {by}",
            a.slack, b.slack
        )
    };
    let envelope = matches!(fine.statement.claim, Claim::Envelope { .. });
    if envelope && (a.at_time.is_none() || b.at_time.is_none()) {
        // A domain that ends before the time of the failure has nothing to compare there.
        return Err(differ());
    }
    let point = Recomputed { value: b.value, measured: b.measured, slack: b.slack, rounding: b.rounding };
    match (a.slack + a.rounding, b.slack + b.rounding) {
        (a, b) if a >= 0.0 && b >= 0.0 && point.rounding.is_finite() => Ok(point),
        (a, b) if a < 0.0 && b < 0.0 && apart <= AGREEMENT * -b => {
            Ok(Recomputed { rounding: point.rounding + apart, ..point })
        }
        _ => Err(differ()),
    }
}
