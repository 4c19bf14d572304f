//! The keys of each model's document, so that `keep` is checked before anything is solved.

use crate::models::Model;

/// The keys that every document may have.
const ALWAYS: [&str; 5] = ["schema", "version", "model", "clock", "settings"];
/// A curve, and how far it may be off.
const ERROR: &str = "_error";

/// The keys of the answer to one problem, those that depend on flags included, and of the answer to many (`runs`).
pub struct Keys {
    one: &'static [&'static str],
    many: &'static [&'static str],
}

const RIDGE: Keys = Keys {
    one: &[
        "t1",
        "t2",
        "t1_interval",
        "t2_interval",
        "delay",
        "t_accuracy",
        "t_accuracy_interval",
        "at",
        "train_loss",
        "test_loss",
        "log_train_loss",
        "log_test_loss",
        "test_accuracy",
        "parameter_norm",
        "train_loss_limit",
        "test_loss_limit",
        "test_risk",
        "statements",
    ],
    many: &["runs", "summary"],
};

const DIAGONAL: Keys = Keys {
    one: &[
        "at",
        "train_loss",
        "test_loss",
        "train_accuracy",
        "test_accuracy",
        "parameter_norm",
        "margin_l2",
        "margin_l1",
        "transition",
        "steps",
        "rhs",
        "jacobians",
        "rejected",
        "slow_flow_distance",
        "slow_flow_distance_over_weight_decay",
        "weights_error",
        "statements",
    ],
    many: &[],
};

const COMPLETION: Keys = Keys {
    one: &[
        "at",
        "train_loss",
        "test_loss",
        "parameter_norm",
        "nuclear_norm",
        "rank",
        "components",
        "test_loss_floor",
        "warnings",
        "steps",
        "rhs",
        "jacobians",
        "rejected",
        "newton_failures",
        "invariant",
        "invariant_drift",
        "repairs",
        "weights_error",
        "statements",
    ],
    many: &[],
};

const EFFECTIVE: Keys = Keys {
    one: &[
        "symbols",
        "samples",
        "all_samples",
        "parallelograms",
        "all_parallelograms",
        "nullity",
        "nullity_certified",
        "smallest_nullity",
        "eigenvalues_G",
        "eigenvalues_H",
        "eigenvalues_proved",
        "lambda3",
        "t_h",
        "n_h",
        "rate",
        "t_rate",
        "rqi_bar",
        "acc_bar",
        "at",
        "loss",
        "log_loss",
        "rqi",
        "accuracy",
        "parameter_norm",
        "effective_dimension",
        "l0",
        "t_rqi",
        "t_rqi_interval",
        "t_accuracy",
        "t_accuracy_interval",
        "rqi_limit",
        "statements",
    ],
    many: &["symbols", "samples", "all_samples", "runs", "summary"],
};

const NETWORK: Keys = Keys {
    one: &[
        "steps",
        "train_loss",
        "test_loss",
        "train_accuracy",
        "test_accuracy",
        "parameter_norm",
        "layer_norms",
        "feature_rank",
        "phase",
        "train_step",
        "test_step",
        "end",
        "last_step",
        "integrator",
        "statements",
    ],
    many: &[],
};

/// The keys of a model's documents.
pub fn of(model: &Model) -> &'static Keys {
    match model.name {
        "ridge" => &RIDGE,
        "diagonal" => &DIAGONAL,
        "completion" => &COMPLETION,
        "effective" => &EFFECTIVE,
        _ => &NETWORK,
    }
}

impl Keys {
    /// The names that may be kept, of the answer to one problem or to many.
    pub fn names(&self, many: bool) -> impl Iterator<Item = &'static str> {
        let own = if many { self.many } else { self.one };
        own.iter().chain(&ALWAYS).copied()
    }

    /// Whether a document may have the key.
    pub fn has(&self, key: &str, many: bool) -> bool {
        let curve = key.strip_suffix(ERROR).filter(|_| !many);
        self.names(many).any(|name| name == key || curve == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::MODELS;
    use crate::output::Said;

    /// What a document has can be kept, and what can be kept is in a document.
    #[test]
    fn documents_have_these_keys() {
        let commands = [
            "ridge --samples=5 --width=8 --accuracy-threshold=0.9 --accuracy-tolerance=0.1",
            "ridge --samples=5 --width=8 --flow",
            "ridge --samples=5 --width=8 --runs=2",
            "diagonal --samples=5 --dimension=8 --horizon=1",
            "diagonal --task=gaussian --loss=squared --samples=5 --dimension=8 --horizon=1e-2 --slow-flow",
            "completion --dimension=4 --fraction=0.5",
            "effective --symbols=5 --fraction=0.6 --init=gaussian --accuracy-threshold=0.5",
            "effective --symbols=8 --fraction=0.8 --smallest=3",
            "effective --symbols=5 --fraction=0.6 --runs=2",
            "network --symbols=5 --budget=3",
            "network --symbols=5 --budget=0.01 --optimizer=flow --precision=f64",
        ];
        for command in commands {
            let mut words = command.split(' ');
            let name = words.next();
            let model = MODELS.iter().find(|m| Some(m.name) == name).expect("a model");
            let flags = words.chain(["--json", "--quiet"]);
            let matches = (model.flags)().try_get_matches_from(flags).expect("flags");
            let answer = (model.answer)(&matches).unwrap_or_else(|e| panic!("{command}: {e}"));
            let Said::Json(serde_json::Value::Object(document)) = answer.said else {
                panic!("{command}: no document")
            };
            for key in document.keys() {
                assert!(
                    of(model).has(key, command.contains("--runs")),
                    "{command}: {key:?} is not in the list"
                );
            }
        }
    }
}
