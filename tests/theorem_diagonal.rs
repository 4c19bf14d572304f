use groktime::Loss;
use groktime::data::Design;
use groktime::data::features::{gaussian_matrix, generator, gaussian_vector};
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::{Init, Problem, Settings};

#[test]
fn show() {
    let task = Task { law: Law::SparseSigns { relevant: 3 }, samples: 10, dimension: 30, seed: 1 }.draw().unwrap();
    let signs = Problem::new(task.design, task.labels.to_vec(), Loss::Exponential).unwrap();
    let x = gaussian_matrix(6, 20, 1.0, &mut generator(1, 0));
    let y: Vec<f64> = (0..6).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let gauss = Problem::new(Design::new(x.view()).unwrap(), y, Loss::Exponential).unwrap();
    let real = gaussian_vector(6, 1.0, &mut generator(1, 1)).to_vec();
    let reg = Problem::new(Design::new(x.view()).unwrap(), real, Loss::Squared).unwrap();
    for (name, problem) in [("signs", &signs), ("gauss", &gauss), ("squared", &reg)] {
        for depth in [2, 3] {
            for (alpha, lambda) in [(30.0, 1e-2), (1e3, 1e-3), (1e8, 1e-8), (1e64, 1e-64)] {
                let horizon = (2.0 * f64::ln(alpha) + 6.0) / lambda;
                let settings = Settings { depth, init: Init::Symmetric(alpha), weight_decay: lambda, horizon, ..Settings::default() };
                let start = std::time::Instant::now();
                let run = match problem.integrate(&settings) { Ok(r) => r, Err(e) => { println!("{name} L={depth} α={alpha:e}: {e}"); continue } };
                let mid = std::time::Instant::now();
                let judged = run.statements(&Inputs::default());
                println!("== {name} L={depth} α={alpha:e} λ={lambda:e} run {:?} statements {:?} steps {:?}", mid - start, mid.elapsed(), run.statistics().steps);
                match judged {
                    Err(e) => println!("   ERROR {e}"),
                    Ok(judged) => for j in judged {
                        let v = j.verdict;
                        let why: Vec<String> = j.statement.hypotheses.iter().filter(|h| h.standing != groktime::theorem::Standing::Holds).map(|h| format!("{} [{:?} {:?}]", h.name, h.have, h.need)).collect();
                        println!("{:14} {:48} {:?} value {:.5e} measured {:.5e} slack {:.3e} rounding {:.2e} at {:.3} {}", v.outcome.name(), j.statement.source, j.statement.form, v.value, v.measured, v.slack, v.rounding, v.at_time.map_or(-1.0, |t| t * lambda / alpha.ln()), why.join("; "));
                    }
                }
            }
        }
    }
}
