//! What may be swept over: the flags of a model's own command, asked of its command line.

use std::any::TypeId;

use clap::{Arg, ArgAction};

use crate::models::Model;

/// A flag of a model, and so a key of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Given or not.
    Switch,
    /// A number of things: what falls between is rounded.
    Whole,
    /// Anything else that the command line takes.
    Text,
}

/// Flags that write files or choose what is printed: the journal is the output of a sweep.
const OUTPUT: &str = "Output";

/// The parameters of a model.
pub fn of(model: &Model) -> Vec<Parameter> {
    (model.flags)()
        .get_arguments()
        .filter(|a| a.get_help_heading() != Some(OUTPUT))
        .filter_map(parameter)
        .collect()
}

/// The flags of a model that a sweep has no use for.
pub fn outputs(model: &Model) -> Vec<String> {
    let command = (model.flags)();
    let outputs = command.get_arguments().filter(|a| a.get_help_heading() == Some(OUTPUT));
    outputs.filter_map(|a| a.get_long().map(str::to_owned)).collect()
}

fn parameter(arg: &Arg) -> Option<Parameter> {
    let name = arg.get_long()?.to_owned();
    let whole = [TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<u32>()];
    let kind = match arg.get_action() {
        ArgAction::SetTrue => Kind::Switch,
        ArgAction::Set if whole.iter().any(|id| arg.get_value_parser().type_id() == *id) => Kind::Whole,
        ArgAction::Set => Kind::Text,
        _ => return None,
    };
    Some(Parameter { name, kind })
}

/// The name that is meant, if one is near: at most a third of its letters differ, or two.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // An underscore for a dash is the likeliest slip.
    nearest_key(&given.replace('_', "-").to_lowercase(), names)
}

/// The same among keys of results, which have underscores.
pub fn nearest_key<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| strsim::damerau_levenshtein(given, name);
    let best = names.min_by_key(|name| distance(name))?;
    (3 * distance(best) <= best.chars().count().max(6)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::MODELS;

    #[test]
    fn flags_are_parameters() {
        let ridge = of(&MODELS[0]);
        let kind = |name: &str| ridge.iter().find(|p| p.name == name).map(|p| p.kind);
        assert_eq!(kind("samples"), Some(Kind::Whole));
        assert_eq!(kind("weight-decay"), Some(Kind::Text));
        assert_eq!(kind("flow"), Some(Kind::Switch));
        assert_eq!(kind("plot"), None);
        assert!(outputs(&MODELS[0]).iter().any(|name| name == "plot"));
    }

    #[test]
    fn slips_find_their_name() {
        let names = || ["weight-decay", "width", "samples"].into_iter();
        assert_eq!(nearest("weight_decay", names()), Some("weight-decay"));
        assert_eq!(nearest("wieght-decay", names()), Some("weight-decay"));
        assert_eq!(nearest("sample", names()), Some("samples"));
        assert_eq!(nearest("temperature", names()), None);
    }
}
