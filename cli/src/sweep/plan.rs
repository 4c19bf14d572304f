//! A sweep that is ready to run: which parameters each point has, and how a point is solved.

use std::path::Path;

use groktime::sweep::fingerprint;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::parameters::Kind;
use crate::Status;
use crate::models::Model;
use crate::output::{Failure, Said};

/// What a parameter is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    Switch(bool),
    /// As it would stand on the command line.
    Text(String),
}

/// A parameter with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub name: String,
    pub values: Vec<Setting>,
    /// Line of the configuration.
    pub line: usize,
}

pub struct Plan {
    pub model: &'static Model,
    /// One value each.
    pub fixed: Vec<Axis>,
    /// All combinations.
    pub grid: Vec<Axis>,
    /// One value a draw; each draw meets all combinations of the grid.
    pub random: Vec<Axis>,
    pub draws: usize,
    /// Keys of the results that are kept; all if empty.
    pub keep: Vec<String>,
}

/// What the journal says of a point.
#[derive(Serialize)]
pub struct Record {
    parameters: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// A statement that should hold does not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    violated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The error is one of input.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    input: bool,
}

impl Setting {
    pub fn of_number(x: f64, kind: Kind) -> Setting {
        match kind {
            Kind::Whole => Setting::Text(format!("{}", x.round())),
            _ => Setting::Text(format!("{x:?}")),
        }
    }

    fn flag(&self, name: &str) -> Option<String> {
        match self {
            Setting::Switch(false) => None,
            Setting::Switch(true) => Some(format!("--{name}")),
            Setting::Text(text) => Some(format!("--{name}={text}")),
        }
    }

    /// The file that it names, if it is a name.
    fn path(&self) -> Option<String> {
        match self {
            Setting::Switch(_) => None,
            Setting::Text(text) => {
                Some(text.split_once(".npz:").map_or(text.clone(), |(stem, _)| format!("{stem}.npz")))
            }
        }
    }

    /// A number where it is one, with all its digits.
    fn value(&self) -> Value {
        match self {
            Setting::Switch(on) => json!(on),
            Setting::Text(text) => match (text.parse::<u64>(), text.parse::<f64>()) {
                (Ok(n), _) => json!(n),
                (_, Ok(x)) if x.is_finite() => json!(x),
                _ => json!(text),
            },
        }
    }
}

impl Plan {
    /// All combinations, for each draw; [`u64::MAX`] when that is no number.
    pub fn points(&self) -> u64 {
        let sizes = self.grid.iter().map(|axis| axis.values.len() as u64);
        sizes.chain([self.draws as u64]).try_fold(1, u64::checked_mul).unwrap_or(u64::MAX)
    }

    /// Everything that the results depend on: what is at the head of the journal.
    pub fn settings(&self, files: &Map<String, Value>) -> Value {
        let axes = |axes: &[Axis]| -> Vec<Value> {
            let one = |a: &Axis| json!([a.name, a.values.iter().map(Setting::value).collect::<Vec<_>>()]);
            axes.iter().map(one).collect()
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.model.name,
            "fixed": self.fixed.iter().map(|a| (a.name.clone(), a.values[0].value())).collect::<Map<_, _>>(),
            "grid": axes(&self.grid),
            "random": axes(&self.random),
            "keep": self.keep,
            "files": files,
        })
    }

    /// Files that are named as values, by content.
    pub fn files(&self) -> Map<String, Value> {
        let paths = self.axes().flat_map(|axis| &axis.values).filter_map(Setting::path);
        let named = paths.filter_map(|path| {
            let bytes = Path::new(&path).is_file().then(|| std::fs::read(&path).ok()).flatten()?;
            Some((path, json!(fingerprint(&bytes))))
        });
        named.collect()
    }

    /// All that the result of a point depends on, as text: two points of two sweeps are the same problem if it is
    /// the same. `files` are the plan's own.
    pub fn what(&self, point: u64, files: &Map<String, Value>) -> String {
        let fixed = self.fixed.iter().map(|axis| (axis.name.as_str(), &axis.values[0]));
        let settings: Vec<(&str, &Setting)> = fixed.chain(self.varied(point)).collect();
        let named = settings.iter().filter_map(|(_, setting)| setting.path());
        let files: Map<String, Value> =
            named.filter_map(|path| files.get(&path).cloned().map(|hash| (path, hash))).collect();
        // A switch that is off is as if it were not there.
        let set = settings.into_iter().filter(|(_, setting)| **setting != Setting::Switch(false));
        let what = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.model.name,
            "parameters": set.map(|(name, setting)| (name.to_owned(), setting.value())).collect::<Map<_, _>>(),
            "keep": self.keep,
            "files": files,
        });
        what.to_string()
    }

    /// Whether its points are draws of many problems each, or one problem each.
    pub fn many(&self) -> bool {
        let runs = self.axes().find(|axis| axis.name == "runs").map(|axis| &axis.values);
        runs.is_some_and(|values| values.iter().all(|value| *value != Setting::Text("1".into())))
    }

    fn axes(&self) -> impl Iterator<Item = &Axis> {
        self.fixed.iter().chain(&self.grid).chain(&self.random)
    }

    /// What differs from point to point: draws are the slowest, the last key of the grid is the fastest.
    fn varied(&self, point: u64) -> Vec<(&str, &Setting)> {
        let mut rest = point;
        let mut varied = Vec::new();
        for axis in self.grid.iter().rev() {
            let size = axis.values.len() as u64;
            varied.push((axis.name.as_str(), &axis.values[(rest % size) as usize]));
            rest /= size;
        }
        varied.reverse();
        varied.extend(self.random.iter().map(|axis| (axis.name.as_str(), &axis.values[rest as usize])));
        varied
    }

    fn arguments(&self, varied: &[(&str, &Setting)]) -> Vec<String> {
        let fixed = self.fixed.iter().map(|axis| (axis.name.as_str(), &axis.values[0]));
        let flags = fixed.chain(varied.iter().copied()).filter_map(|(name, setting)| setting.flag(name));
        // The document is what is kept, and no bar is drawn.
        flags.chain(["--json".to_owned(), "--quiet".to_owned()]).collect()
    }

    /// What a point has of its own, as it stands in the journal.
    pub fn parameters(&self, point: u64) -> Map<String, Value> {
        self.varied(point).iter().map(|(name, setting)| ((*name).to_owned(), setting.value())).collect()
    }

    /// Solves one point. What goes wrong there is its result: the others go on.
    ///
    /// # Errors
    ///
    /// The memory it needs is not allowed: no result, since another machine may have it.
    pub fn solve(&self, point: u64) -> groktime::Result<Record> {
        let parameters = self.parameters(point);
        let record = Record { parameters, result: None, violated: false, error: None, input: false };
        Ok(match self.document(&self.varied(point)) {
            Ok((document, status)) => {
                Record { result: Some(document), violated: status == Status::Violated, ..record }
            }
            Err(Failure::Memory(refusal)) => return Err(refusal),
            Err(failure) => {
                let input = matches!(failure, Failure::Input(_));
                Record { error: Some(failure.to_string()), input, ..record }
            }
        })
    }

    fn document(&self, varied: &[(&str, &Setting)]) -> Result<(Value, Status), Failure> {
        let matches = (self.model.flags)().try_get_matches_from(self.arguments(varied));
        let answer = (self.model.answer)(&matches.map_err(|e| Failure::Input(e.to_string()))?)?;
        let Said::Json(mut document) = answer.said else {
            return Err(Failure::Computation("the model gave no document".into()));
        };
        if let (false, Value::Object(all)) = (self.keep.is_empty(), &mut document) {
            if let Some(missing) = self.keep.iter().find(|key| !all.contains_key(key.as_str())) {
                let names: Vec<&str> = all.keys().map(String::as_str).collect();
                let text =
                    format!("keep: the results have no key {missing:?}; there are {}", names.join(", "));
                return Err(Failure::Input(text));
            }
            all.retain(|key, _| self.keep.contains(key));
        }
        Ok((document, answer.status))
    }

    /// Parses the command line of each value, with the first value of all others.
    ///
    /// # Errors
    ///
    /// The first that the command line refuses, with the name of the parameter that it blames.
    pub fn check(&self) -> Result<(), (Option<String>, String)> {
        let firsts =
            || self.grid.iter().chain(&self.random).map(|axis| (axis.name.as_str(), &axis.values[0]));
        let parse = |varied: &[(&str, &Setting)]| {
            let matches = (self.model.flags)().try_get_matches_from(self.arguments(varied));
            matches.map(|_| ()).map_err(|e| blame(&e))
        };
        parse(&firsts().collect::<Vec<_>>())?;
        for axis in self.grid.iter().chain(&self.random) {
            for value in &axis.values {
                let others = firsts().filter(|(name, _)| *name != axis.name);
                parse(&others.chain([(axis.name.as_str(), value)]).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }
}

/// The flag that an error of the command line is about, and what it says.
fn blame(error: &clap::Error) -> (Option<String>, String) {
    use clap::error::{ContextKind, ContextValue};
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => Some(flag.clone()),
        Some(ContextValue::Strings(flags)) => flags.first().cloned(),
        _ => None,
    };
    let name = flag.map(|flag| {
        let name = flag.trim_start_matches('-');
        name.split([' ', '=', '<']).next().unwrap_or(name).to_owned()
    });
    let text = error.render().to_string();
    let text = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
    (name, text.split_whitespace().collect::<Vec<_>>().join(" "))
}
