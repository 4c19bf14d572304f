//! Statements and verdicts in JSON: null where a number is not finite.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Hypothesis, Judged, Source, Standing};

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

impl Serialize for Hypothesis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Hypothesis", 4)?;
        out.serialize_field("name", self.name)?;
        out.serialize_field("have", &self.have.and_then(finite))?;
        out.serialize_field("need", &self.need.and_then(finite))?;
        let holds = match self.standing {
            Standing::Holds => Some(true),
            Standing::Fails => Some(false),
            Standing::NotEvaluated | Standing::Open => None,
        };
        out.serialize_field("holds", &holds)?;
        out.end()
    }
}

/// As people cite it.
impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Judged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Judged { statement: s, verdict: v, .. } = self;
        let mut out = serializer.serialize_struct("Statement", 21)?;
        out.serialize_field("id", &s.id())?;
        out.serialize_field("paper", s.source.paper)?;
        out.serialize_field("source", s.source)?;
        out.serialize_field("says", s.source.says)?;
        out.serialize_field("form", &s.form)?;
        out.serialize_field("quantity", s.quantity)?;
        out.serialize_field("side", &s.side)?;
        out.serialize_field("claim", s.claim.name())?;
        out.serialize_field("value", &finite(v.value))?;
        out.serialize_field("measured", &finite(v.measured))?;
        out.serialize_field("at_time", &v.at_time)?;
        out.serialize_field("slack", &finite(v.slack))?;
        out.serialize_field("rounding", &finite(v.rounding))?;
        out.serialize_field("tight", &v.tight)?;
        out.serialize_field("probability", &s.probability.map(|p| p.stated))?;
        out.serialize_field("probability_exact", &s.probability.and_then(|p| p.exact))?;
        out.serialize_field("probability_over", &s.probability.map(|p| p.over))?;
        out.serialize_field("hypotheses", &s.hypotheses)?;
        out.serialize_field("outcome", &v.outcome)?;
        out.serialize_field("reason", &v.reason)?;
        out.serialize_field("erratum", &s.erratum())?;
        out.end()
    }
}
