//! The configuration of a sweep. Each error says in which line of the file, about which key, and what was expected.

use std::ops::Range;
use std::path::Path;

use groktime::sweep::fingerprint;
use groktime::sweep::grid::{Law, linear, logarithmic};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys;
use super::parameters::{self, Kind, Parameter, nearest, nearest_key};
use super::plan::{Axis, Plan, Setting};
use crate::models::{MODELS, Model};
use crate::output::Failure;

const TOP: [&str; 7] = ["model", "keep", "draws", "seed", "fixed", "grid", "random"];

type Key<'t> = Spanned<DeString<'t>>;
type Entry<'t> = Spanned<DeValue<'t>>;

pub fn read(path: &Path) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|e| Failure::Input(format!("{}: cannot read the file: {e}", path.display())))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Plan, Failure> {
    let file = File { path, text };
    let document = DeTable::parse(text)
        .map_err(|e| file.wrong(e.span().unwrap_or(0..0), &format!("not TOML: {}", e.message())))?;
    let top = document.get_ref();
    for (key, _) in in_order(top) {
        if !TOP.contains(&key.get_ref().as_ref()) {
            return Err(file.unknown(key, "a sweep has no key", &TOP));
        }
    }
    let model = file.model(top)?;
    let reader = Reader { file, model, parameters: parameters::of(model) };
    let plan = reader.plan(top)?;
    plan.check().map_err(|(name, text)| {
        let axes = || plan.fixed.iter().chain(&plan.grid).chain(&plan.random);
        let line = name.and_then(|name| axes().find(|axis| axis.name == name)).map(|axis| axis.line);
        file.wrong_at(line.unwrap_or(1), &text)
    })?;
    Ok(plan)
}

/// Entries in the order of the file.
fn in_order<'a, 't>(table: &'a DeTable<'t>) -> Vec<(&'a Key<'t>, &'a Entry<'t>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn get<'a, 't>(table: &'a DeTable<'t>, name: &str) -> Option<(&'a Key<'t>, &'a Entry<'t>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

#[derive(Clone, Copy)]
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn line(&self, span: Range<usize>) -> usize {
        self.text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
    }

    fn wrong(&self, span: Range<usize>, what: &str) -> Failure {
        self.wrong_at(self.line(span), what)
    }

    fn wrong_at(&self, line: usize, what: &str) -> Failure {
        Failure::Input(format!("{}, line {line}: {what}", self.path.display()))
    }

    /// A key that does not exist: the one that is meant, or all that there are.
    fn unknown(&self, key: &Key<'_>, what: &str, names: &[&str]) -> Failure {
        let given = key.get_ref();
        let hint = match nearest(given, names.iter().copied()) {
            Some(name) => format!("did you mean {name:?}?"),
            None => format!("there are {}", names.join(", ")),
        };
        self.wrong(key.span(), &format!("{what} {given:?}; {hint}"))
    }

    fn model(&self, top: &DeTable<'_>) -> Result<&'static Model, Failure> {
        let names = MODELS.map(|m| m.name);
        let Some((_, value)) = get(top, "model") else {
            return Err(self.wrong_at(1, &format!("model is missing, expected one of {}", names.join(", "))));
        };
        let given = self.string("model", value)?;
        let found = MODELS.iter().find(|m| m.name == given);
        found.ok_or_else(|| {
            let text = format!("model is {given:?}, expected one of {}", names.join(", "));
            self.wrong(value.span(), &text)
        })
    }

    fn string<'v>(&self, name: &str, value: &'v Entry<'_>) -> Result<&'v str, Failure> {
        value.get_ref().as_str().ok_or_else(|| self.kind(name, value, "text in quotes"))
    }

    /// A value of the wrong kind.
    fn kind(&self, name: &str, value: &Entry<'_>, expected: &str) -> Failure {
        let shown = self.text.get(value.span()).unwrap_or_default();
        let shown: String = match shown.chars().count() > 40 {
            true => shown.chars().take(39).chain(['…']).collect(),
            false => shown.to_owned(),
        };
        self.wrong(
            value.span(),
            &format!("{name} is {shown} ({}), expected {expected}", value.get_ref().type_str()),
        )
    }

    fn number(&self, name: &str, value: &Entry<'_>) -> Result<f64, Failure> {
        let parsed = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => {
                scalar(value).and_then(|text| text.parse::<f64>().ok())
            }
            _ => None,
        };
        parsed.ok_or_else(|| self.kind(name, value, "a number"))
    }

    fn whole(&self, name: &str, value: &Entry<'_>) -> Result<u64, Failure> {
        let parsed = match value.get_ref() {
            DeValue::Integer(_) => scalar(value).and_then(|text| text.parse().ok()),
            _ => None,
        };
        parsed.ok_or_else(|| self.kind(name, value, "a whole number of at least 0"))
    }

    fn table<'v, 't>(&self, name: &str, value: &'v Entry<'t>) -> Result<&'v DeTable<'t>, Failure> {
        value.get_ref().as_table().ok_or_else(|| self.kind(name, value, &format!("a table: [{name}]")))
    }

    /// `[from, to]`.
    fn pair(&self, name: &str, value: &Entry<'_>) -> Result<(f64, f64), Failure> {
        match value.get_ref().as_array().map(|list| list.iter().collect::<Vec<_>>()).as_deref() {
            Some(&[from, to]) => Ok((self.number(name, from)?, self.number(name, to)?)),
            _ => Err(self.kind(name, value, "two numbers: [from, to]")),
        }
    }
}

/// A number or text as it would stand on the command line.
fn scalar(value: &Entry<'_>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(n) if n.radix() == 10 => Some(n.as_str().trim_start_matches('+').to_owned()),
        DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n.to_string()),
        DeValue::Float(x) => Some(x.as_str().trim_start_matches('+').to_owned()),
        _ => None,
    }
}

struct Reader<'a> {
    file: File<'a>,
    model: &'static Model,
    parameters: Vec<Parameter>,
}

impl Reader<'_> {
    fn plan(&self, top: &DeTable<'_>) -> Result<Plan, Failure> {
        let file = &self.file;
        let keep = match get(top, "keep") {
            Some((_, value)) => self.keep(value)?,
            None => Vec::new(),
        };
        let fixed =
            self.section(top, "fixed", |parameter, value| Ok(vec![self.setting(parameter, value)?]))?;
        let grid = self.section(top, "grid", |parameter, value| self.grid(parameter, value))?;
        let draws = get(top, "draws").map(|(_, value)| file.whole("draws", value).map(|n| (n, value)));
        let seed = get(top, "seed").map_or(Ok(0), |(_, value)| file.whole("seed", value))?;
        let count = match (draws.transpose()?, get(top, "random")) {
            (Some((0, value)), _) => return Err(file.kind("draws", value, "at least 1")),
            (Some((n, _)), Some(_)) => n as usize,
            (Some((_, value)), None) => {
                return Err(file.wrong(value.span(), "draws goes with [random], which is not there"));
            }
            (None, Some((key, _))) => {
                return Err(file.wrong(key.span(), "[random] needs draws = N, above the tables"));
            }
            (None, None) => 1,
        };
        let random =
            self.section(top, "random", |parameter, value| self.random(parameter, value, count, seed))?;
        let plan = Plan { model: self.model, fixed, grid, random, draws: count, keep };
        self.once(&plan)?;
        if let Some((_, value)) = get(top, "keep") {
            self.known(value, &plan)?;
        }
        Ok(plan)
    }

    /// Each key of `keep` is one that the results have.
    fn known(&self, value: &Entry<'_>, plan: &Plan) -> Result<(), Failure> {
        let keys = keys::of(self.model);
        let many = plan.many();
        let Some(wrong) = plan.keep.iter().find(|key| !keys.has(key, many)) else { return Ok(()) };
        let hint = match nearest_key(wrong, keys.names(many)) {
            Some(name) => format!("did you mean {name:?}?"),
            None => format!("there are {}", keys.names(many).collect::<Vec<_>>().join(", ")),
        };
        let text = format!("keep: the results of {} have no key {wrong:?}; {hint}", self.model.name);
        Err(self.file.wrong(value.span(), &text))
    }

    fn keep(&self, value: &Entry<'_>) -> Result<Vec<String>, Failure> {
        let list = value.get_ref().as_array().map(|list| list.iter().collect::<Vec<_>>()).unwrap_or_default();
        if list.is_empty() {
            return Err(self.file.kind("keep", value, "a list of keys of the results: [\"t1\", \"t2\"]"));
        }
        list.into_iter().map(|key| self.file.string("keep", key).map(str::to_owned)).collect()
    }

    /// The entries of one table.
    fn section(
        &self,
        top: &DeTable<'_>,
        name: &str,
        values: impl Fn(&Parameter, &Entry<'_>) -> Result<Vec<Setting>, Failure>,
    ) -> Result<Vec<Axis>, Failure> {
        let Some((_, table)) = get(top, name) else { return Ok(Vec::new()) };
        let axis = |(key, value): (&Key<'_>, &Entry<'_>)| {
            let parameter = self.parameter(key)?;
            let values = values(parameter, value)?;
            Ok(Axis { name: parameter.name.clone(), values, line: self.file.line(key.span()) })
        };
        in_order(self.file.table(name, table)?).into_iter().map(axis).collect()
    }

    fn parameter(&self, key: &Key<'_>) -> Result<&Parameter, Failure> {
        let given = key.get_ref();
        if let Some(found) = self.parameters.iter().find(|p| p.name == *given) {
            return Ok(found);
        }
        if parameters::outputs(self.model).iter().any(|name| name == given) {
            let text = format!(
                "{given:?} is about one run and not about its problem: a sweep has --out, --csv, --npz and --memory"
            );
            return Err(self.file.wrong(key.span(), &text));
        }
        let names: Vec<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
        Err(self.file.unknown(key, &format!("{} has no parameter", self.model.name), &names))
    }

    /// Each parameter in one table only.
    fn once(&self, plan: &Plan) -> Result<(), Failure> {
        let all = [("fixed", &plan.fixed), ("grid", &plan.grid), ("random", &plan.random)];
        let mut seen: Vec<(&str, &Axis)> = Vec::new();
        for (section, axes) in all {
            for axis in axes {
                if let Some((other, first)) = seen.iter().find(|(_, a)| a.name == axis.name) {
                    let text =
                        format!("{} is in [{section}] and, line {}, in [{other}]", axis.name, first.line);
                    return Err(self.file.wrong_at(axis.line, &text));
                }
                seen.push((section, axis));
            }
        }
        Ok(())
    }

    /// One value.
    fn setting(&self, parameter: &Parameter, value: &Entry<'_>) -> Result<Setting, Failure> {
        let name = &parameter.name;
        match (parameter.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(on)) => Ok(Setting::Switch(*on)),
            (Kind::Switch, _) => Err(self.file.kind(name, value, "true or false")),
            (Kind::Whole, DeValue::Float(_)) => match self.file.number(name, value)? {
                x if x.fract() == 0.0 && x.abs() < 1e15 => Ok(Setting::Text(format!("{x}"))),
                _ => Err(self.file.kind(name, value, "a whole number")),
            },
            // Lists of the command line are separated by commas.
            (Kind::Text, DeValue::Array(list)) => {
                let parts: Option<Vec<String>> = list.iter().map(scalar).collect();
                let parts = parts.filter(|parts| !parts.is_empty());
                let parts = parts.ok_or_else(|| self.file.kind(name, value, "a list of numbers or texts"))?;
                Ok(Setting::Text(parts.join(",")))
            }
            (kind, _) => {
                let expected = if kind == Kind::Whole { "a whole number" } else { "a number or text" };
                let text = scalar(value).ok_or_else(|| self.file.kind(name, value, expected))?;
                Ok(Setting::Text(text))
            }
        }
    }

    fn list(&self, parameter: &Parameter, value: &Entry<'_>, else_: &str) -> Result<Vec<Setting>, Failure> {
        match value.get_ref().as_array() {
            Some(list) if list.iter().next().is_some() => {
                list.iter().map(|value| self.setting(parameter, value)).collect()
            }
            _ => Err(self.file.kind(&parameter.name, value, &format!("a list of values, or {else_}"))),
        }
    }

    /// Values of a grid: a list, or a range.
    fn grid(&self, parameter: &Parameter, value: &Entry<'_>) -> Result<Vec<Setting>, Failure> {
        const KEYS: [&str; 6] = ["log", "linear", "points", "from", "to", "step"];
        const FORMS: &str =
            "{ log = [from, to], points = n }, { linear = [from, to], points = n }, { from = a, to = b }";
        let (file, name) = (&self.file, &parameter.name);
        let Some(table) = value.get_ref().as_table() else { return self.list(parameter, value, FORMS) };
        if let Some((key, _)) =
            in_order(table).into_iter().find(|(key, _)| !KEYS.contains(&key.get_ref().as_ref()))
        {
            return Err(file.unknown(key, &format!("a range of {name} has no key"), &KEYS));
        }
        let points = |otherwise: &str| match get(table, "points") {
            Some((_, points)) => file.whole("points", points),
            None => Err(file.kind(name, value, otherwise)),
        };
        let failed = |e: groktime::Error| file.wrong(value.span(), &format!("{name}: {e}"));
        let numbers = match (get(table, "log"), get(table, "linear"), get(table, "from"), get(table, "to")) {
            (Some((_, ends)), None, None, None) => {
                let (from, to) = file.pair("log", ends)?;
                logarithmic(from, to, points("points = n beside log")? as usize).map_err(failed)?
            }
            (None, Some((_, ends)), None, None) => {
                let (from, to) = file.pair("linear", ends)?;
                linear(from, to, points("points = n beside linear")? as usize).map_err(failed)?
            }
            (None, None, Some((_, from)), Some((_, to))) => {
                let step = get(table, "step").map_or(Ok(1), |(_, step)| file.whole("step", step))?;
                let (from, to) = (file.whole("from", from)?, file.whole("to", to)?);
                if step == 0 || from > to {
                    return Err(file.kind(name, value, "from ≤ to and a step of at least 1"));
                }
                let count = (to - from) / step + 1;
                let failed = |e: groktime::Error| file.wrong(value.span(), &format!("{name}: {e}"));
                groktime::memory::check_array("values of a grid", &[8, count as usize]).map_err(failed)?;
                return Ok((from..=to)
                    .step_by(step as usize)
                    .map(|n| Setting::Text(n.to_string()))
                    .collect());
            }
            _ => return Err(file.kind(name, value, &format!("a list, or one of {FORMS}"))),
        };
        let mut settings = self.settings(parameter, value, &numbers)?;
        // Whole numbers that round to the same.
        settings.dedup();
        Ok(settings)
    }

    fn settings(
        &self,
        parameter: &Parameter,
        value: &Entry<'_>,
        all: &[f64],
    ) -> Result<Vec<Setting>, Failure> {
        match parameter.kind {
            Kind::Switch => Err(self.file.kind(&parameter.name, value, "a list of true and false")),
            kind => Ok(all.iter().map(|&x| Setting::of_number(x, kind)).collect()),
        }
    }

    /// One value a draw: from a list, or by a law.
    fn random(
        &self,
        parameter: &Parameter,
        value: &Entry<'_>,
        count: usize,
        seed: u64,
    ) -> Result<Vec<Setting>, Failure> {
        const KEYS: [&str; 3] = ["uniform", "log-uniform", "integer"];
        const FORMS: &str =
            "{ uniform = [from, to] }, { log-uniform = [from, to] }, { integer = [from, to] }";
        let (file, name) = (&self.file, &parameter.name);
        // The stream is the parameter's own: another parameter more does not change its draws.
        let stream = u64::from_str_radix(&fingerprint(name.as_bytes()), 16).unwrap_or(0);
        let failed = |e: groktime::Error| file.wrong(value.span(), &format!("{name}: {e}"));
        let Some(table) = value.get_ref().as_table() else {
            let choices = self.list(parameter, value, FORMS)?;
            let last = choices.len() as u64 - 1;
            let drawn = Law::Integer { from: 0, to: last }.draw(count, seed, stream).map_err(failed)?;
            return Ok(drawn.into_iter().map(|k| choices[k as usize].clone()).collect());
        };
        let (key, ends) = match in_order(table)[..] {
            [(key, ends)] => (key, ends),
            _ => return Err(file.kind(name, value, &format!("a list, or one of {FORMS}"))),
        };
        let (from, to) = file.pair(name, ends)?;
        let law = match key.get_ref().as_ref() {
            "uniform" => Law::Uniform { from, to },
            "log-uniform" => Law::LogUniform { from, to },
            "integer" if from.fract() == 0.0 && to.fract() == 0.0 && from >= 0.0 => {
                Law::Integer { from: from as u64, to: to as u64 }
            }
            "integer" => return Err(file.kind(name, ends, "two whole numbers of at least 0")),
            _ => return Err(file.unknown(key, &format!("a law of {name} has no key"), &KEYS)),
        };
        let drawn = law.draw(count, seed, stream).map_err(failed)?;
        let kind = if matches!(law, Law::Integer { .. }) && parameter.kind != Kind::Switch {
            Kind::Whole
        } else {
            parameter.kind
        };
        self.settings(&Parameter { name: name.clone(), kind }, value, &drawn)
    }
}

#[cfg(test)]
mod tests;
