//! `groktime effective --runs N`: how often a random training set has a unique structure, and its rate.

use groktime::effective::Ensemble;
use serde_json::json;

use super::Arguments;
use super::training_set::{settings, z0_name};
use crate::Status;
use crate::output::{Answer, Failure, Said, exact, short, write_csv};

pub fn answer(arguments: &Arguments) -> Result<Answer, Failure> {
    let (source, question) = (&arguments.source, &arguments.question);
    let task = source.task()?;
    let Some(size) = source.random_size(&task)? else {
        return Err(Failure::Input("--runs draws training sets: give --fraction r or --size N".into()));
    };
    if source.init.is_some() || arguments.output.plot.is_some() {
        return Err(Failure::Input("--init and --plot are about one training set: drop --runs".into()));
    }
    if !task.commutative() {
        return Err(Failure::Input(
            "--runs goes with commutative operations: ask for one set at a time".into(),
        ));
    }
    let ensemble = Ensemble { task: task.clone(), trials: arguments.runs, seed: source.seed };
    let rates = ensemble.rates(size)?;
    let convention = question.settings().convention;
    let lambda: Vec<f64> =
        rates.iter().map(|r| r.lambda(task.symbols(), convention, question.normalisation())).collect();
    let unique = groktime::effective::Proportion {
        successes: rates.iter().filter(|r| r.mu > 0.0).count(),
        trials: arguments.runs,
    };
    let interval = unique.interval(0.95)?;
    let ideal = ensemble.ideal(size)?;
    let mut sorted = lambda.clone();
    sorted.sort_by(f64::total_cmp);
    let quantile = |q: f64| sorted[(q * (sorted.len() - 1) as f64).round() as usize];
    let mean = lambda.iter().sum::<f64>() / lambda.len() as f64;
    if let Some(path) = &arguments.output.csv {
        let row = |(k, r): (usize, &groktime::effective::Rate)| {
            vec![k.to_string(), r.parallelograms.to_string(), exact(r.mu), exact(lambda[k])]
        };
        let rows: Vec<_> = rates.iter().enumerate().map(row).collect();
        write_csv(path, &["trial", "parallelograms", "mu", "lambda"], &rows)?;
    }
    let said = if arguments.output.json {
        Said::Json(json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "model": "effective",
            "settings": settings(arguments),
            "symbols": task.symbols(),
            "samples": size,
            "all_samples": task.samples(),
            "runs": arguments.runs,
            "summary": {
                "unique": {"successes": unique.successes, "probability": unique.estimate(), "interval_95": [interval.0, interval.1]},
                "lambda3": {
                    "mean": mean, "min": quantile(0.0), "q25": quantile(0.25), "median": quantile(0.5),
                    "q75": quantile(0.75), "max": quantile(1.0),
                },
                "rqi_bar": {"mean": ideal.rqi, "standard_error": ideal.rqi_error},
                "acc_bar": {"mean": ideal.accuracy, "standard_error": ideal.accuracy_error},
            },
        }))
    } else if arguments.output.quiet {
        Said::Nothing
    } else {
        let mut text = format!(
            "{} random training sets of {size} of {} samples, p = {}\n\n\
             P(unique structure)   {}   (95%: {} to {})\n\
             RQI-bar, Acc-bar      {}, {}   (means)\n",
            arguments.runs,
            task.samples(),
            task.symbols(),
            short(unique.estimate()),
            short(interval.0),
            short(interval.1),
            short(ideal.rqi),
            short(ideal.accuracy),
        );
        let cells = [mean, quantile(0.0), quantile(0.25), quantile(0.5), quantile(0.75), quantile(1.0)];
        let row =
            std::iter::once(format!("rate (Z0 = {})", z0_name(question))).chain(cells.map(short)).collect();
        text += &crate::table::table(&["", "mean", "min", "25%", "median", "75%", "max"], vec![row]);
        Said::Text(text)
    };
    Ok(Answer { said, status: Status::Done })
}
