//! `groktime effective --smallest K`: the bottom of the spectrum for many symbols.

use groktime::effective::{Proof, Smallest};
use ndarray::Array1;
use serde_json::{Value, json};

use super::Arguments;
use super::training_set::TrainingSet;
use crate::Status;
use crate::output::{Answer, Failure, Said, short};

pub fn answer(arguments: &Arguments, count: usize) -> Result<Answer, Failure> {
    let source = &arguments.source;
    if source.init.is_some() || arguments.question.at.is_some() || arguments.output.plot.is_some() {
        return Err(Failure::Input(
            "--smallest gives a part of the spectrum: --init, --at and --plot need all of it".into(),
        ));
    }
    if count < 3 {
        return Err(Failure::Input(format!("--smallest is {count}, expected at least 3: λ3 is the rate")));
    }
    let task = source.task()?;
    if !task.commutative() {
        return Err(Failure::Input("--smallest goes with commutative operations: drop it".into()));
    }
    let problem = source.problem()?;
    let proof = if arguments.no_proof { Proof::Numerical } else { Proof::Inertia };
    let found = problem.smallest_eigenvalues(count, proof)?;
    let values = Array1::from_vec(found.values.clone());
    let least = task.smallest_nullity();
    let set = TrainingSet::new(&arguments.question, &problem, values, found.nullity, least, 1);
    if let Some(path) = &arguments.output.csv {
        set.write(path)?;
    }
    let said = if arguments.output.json {
        let mut out = set.json(arguments);
        out.insert("eigenvalues_G_error".into(), json!(found.error));
        out.insert("eigenvalues_proved".into(), json!(found.proof == Proof::Inertia));
        out.insert("statements".into(), json!([]));
        Said::Json(Value::Object(out))
    } else if arguments.output.quiet {
        Said::Nothing
    } else {
        Said::Text(set.text(&arguments.question) + "\n" + &table(&found, &set))
    };
    Ok(Answer { said, status: Status::Done })
}

fn table(found: &Smallest, set: &TrainingSet<'_>) -> String {
    // As many decimals as are sure.
    let decimals = if found.error > 0.0 { (-found.error.log10()).clamp(0.0, 15.0) as usize } else { 0 };
    let rows = (0..found.values.len()).map(|k| {
        let h = set.hessian.as_ref().map_or("–".to_owned(), |h| short(h[k]));
        vec![(k + 1).to_string(), format!("{:.decimals$}", found.values[k]), h]
    });
    let proof = match found.proof {
        Proof::Inertia => "each at its own place in the spectrum: proved",
        Proof::Numerical => "that no smaller one is missed: not proved",
    };
    let table = crate::table::table(&["", "eigenvalue of G", "of H"], rows.collect());
    format!("{table}Eigenvalues of G to within {} ({proof}).\n", short(found.error))
}
