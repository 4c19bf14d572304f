//! `groktime diagonal` as a script and as a person use it: JSON, exit codes, files, errors.

mod common;

use std::path::PathBuf;

use groktime::Loss;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::data::files::{read_matrix, write_npy};
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::{Init, Problem, Settings};
use ndarray::{Array1, Array2, array};
use serde_json::Value;

use common::{groktime, json, numbers, refused, run};

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs(), "{a} against {b}");
}

/// A folder with data (Gaussian, 8 × 20) and labels ±1 and real.
struct Files {
    folder: tempfile::TempDir,
    x: Array2<f64>,
    signs: Array1<f64>,
    real: Array1<f64>,
}

impl Files {
    fn new() -> Files {
        let x = gaussian_matrix(8, 20, 1.0, &mut generator(3, 0));
        let real = x.column(0).to_owned() - x.column(1);
        let signs = real.mapv(f64::signum);
        let files = Files { folder: tempfile::tempdir().expect("a folder"), x, signs, real };
        write_npy(&files.path("X.npy"), files.x.view()).expect("written");
        write_npy(&files.path("s.npy"), files.signs.view()).expect("written");
        write_npy(&files.path("y.npy"), files.real.view()).expect("written");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, matrix: &Array2<f64>) -> String {
        write_npy(&self.path(name), matrix.view()).expect("written");
        self.text(name)
    }
}

#[test]
fn the_keys_of_the_contract() {
    let out = json(&["diagonal", "--json", "--samples", "16", "--dimension", "60", "--at", "0,10,2000"]);
    assert_eq!((&out["schema"], &out["model"]), (&Value::from(1), &Value::from("diagonal")));
    assert_eq!(out["at"], serde_json::json!([0.0, 10.0, 2000.0]));
    for key in [
        "train_loss",
        "train_accuracy",
        "test_accuracy",
        "test_loss",
        "parameter_norm",
        "margin_l2",
        "margin_l1",
    ] {
        assert_eq!(out[key].as_array().map(Vec::len), Some(3), "{key}");
    }
    for key in ["steps", "rhs", "jacobians", "rejected"] {
        assert!(out[key].is_u64(), "{key}");
    }
    // At the start w = 0: no margin, every answer a tie.
    assert_eq!(out["margin_l1"][0], Value::Null);
    assert_eq!(out["margin_l2"][0], Value::Null);
    assert_eq!((out["train_accuracy"][0].as_f64(), out["test_accuracy"][0].as_f64()), (Some(0.5), Some(0.5)));
    close(out["train_loss"][0].as_f64().unwrap(), 2.0_f64.ln(), 1e-14);
    close(out["parameter_norm"][0].as_f64().unwrap(), 128.0, 1e-14);
    let settings = &out["settings"];
    assert_eq!(settings["task"], "sparse");
    assert_eq!(settings["packed"], true);
    close(settings["init_coordinate"].as_f64().unwrap(), 128.0 / 120.0_f64.sqrt(), 1e-14);
    // ‖θ(0)‖ = 128 and λ = 10⁻³: 3 ln 128/λ.
    close(settings["horizon"].as_f64().unwrap(), 3e3 * 128.0_f64.ln(), 1e-14);
    let statement = &out["statements"][0];
    for key in ["source", "form", "quantity", "side", "claim", "value", "measured", "hypotheses", "outcome"] {
        assert!(statement.get(key).is_some(), "statement without {key}");
    }
}

/// Files give what the library gives (to the last bit, but serde_json reads floats to within one); the
/// horizon is among the times.
#[test]
fn files_agree_with_the_library() {
    let files = Files::new();
    let out = json(&[
        "diagonal",
        "--json",
        "--data",
        &files.text("X.npy"),
        "--labels",
        &files.text("s.npy"),
        "--loss",
        "exponential",
        "--depth",
        "3",
        "--init-coordinate",
        "2",
        "--weight-decay",
        "0.01",
        "--horizon",
        "300",
        "--at",
        "0,1,300",
        "--rtol",
        "1e-9",
    ]);
    let design = groktime::data::Design::new(files.x.view()).unwrap();
    let problem = Problem::new(design, files.signs.to_vec(), Loss::Exponential).unwrap();
    let settings = Settings {
        depth: 3,
        init: Init::Symmetric(2.0),
        weight_decay: 0.01,
        horizon: 300.0,
        rtol: 1e-9,
        ..Settings::default()
    };
    let flow = problem.integrate(&settings).unwrap();
    for (i, t) in [0.0, 1.0, 300.0].into_iter().enumerate() {
        let net = flow.snapshot(t).unwrap();
        close(out["train_loss"][i].as_f64().unwrap(), net.train_loss, 1e-15);
        close(out["parameter_norm"][i].as_f64().unwrap(), net.parameter_norm, 1e-15);
        assert_eq!(out["margin_l2"][i].is_null(), net.margin_l2.is_none());
        if let Some(margin) = net.margin_l2 {
            close(out["margin_l2"][i].as_f64().unwrap(), margin, 1e-15);
        }
        assert_eq!(out["test_accuracy"][i], Value::Null);
    }
    assert_eq!(out["rhs"], flow.statistics().rhs);
}

/// A held-out sample is scored by fractions, ties one half.
#[test]
fn held_out_samples() {
    let files = Files::new();
    let test = gaussian_matrix(50, 20, 1.0, &mut generator(4, 0));
    let mut labels = Array2::ones((50, 1));
    labels.rows_mut().into_iter().zip(test.rows()).for_each(|(mut y, x)| y[0] = (x[0] - x[1]).signum());
    let out = json(&[
        "diagonal",
        "--json",
        "--data",
        &files.text("X.npy"),
        "--labels",
        &files.text("s.npy"),
        "--test-data",
        &files.write("T.npy", &test),
        "--test-labels",
        &files.write("t.npy", &labels),
        "--at",
        "0,5000",
        "--init-norm",
        "20",
        "--weights",
        &files.text("W.npy"),
    ]);
    let weights = read_matrix(&files.path("W.npy")).unwrap();
    assert_eq!(weights.dim(), (2, 20));
    let right =
        test.rows().into_iter().zip(&labels).filter(|(x, y)| x.dot(&weights.row(1)) * **y > 0.0).count();
    assert_eq!(numbers(&out["test_accuracy"]), [0.5, right as f64 / 50.0]);
    assert_eq!(out["settings"]["tested_on"], "a held-out sample of 50");
}

/// The closed-form accuracy of drawn tasks against samples of them.
#[test]
fn drawn_tasks_are_tested_on_their_law() {
    for (flags, law) in [
        (["--task", "l2-gap", "--gap", "2"], Law::Gap { gap: 2.0 }),
        (["--task", "sparse", "--sparsity", "5"], Law::SparseSigns { relevant: 5 }),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("W.npy");
        let arguments = ["--samples", "40", "--dimension", "80", "--seed", "7", "--at", "3,9000"];
        let weights = ["--weights", path.to_str().unwrap()];
        let out = json(&[&["diagonal", "--json"][..], &flags[..], &arguments, &weights].concat());
        let weights = read_matrix(&path).unwrap();
        let task = Task { law, samples: 40, dimension: 80, seed: 7 };
        let test = task.draw_test(20_000).unwrap();
        for i in 0..2 {
            let mut outputs = vec![0.0; 20_000];
            test.design.apply(&weights.row(i).to_vec(), &mut outputs, Default::default());
            let right = outputs.iter().zip(&test.labels).filter(|(f, y)| *f * *y > 0.0).count() as f64 / 2e4;
            let exact = out["test_accuracy"][i].as_f64().unwrap();
            // Four standard errors, and the normal law for sums of signs.
            let slack = if flags[1] == "sparse" { 0.01 } else { 0.0 };
            assert!(
                (right - exact).abs() < 4.0 * (0.25 / 2e4_f64).sqrt() + slack,
                "{law:?}: {right} {exact}"
            );
        }
    }
}

/// Real labels; the slow flow and its distance, first order in λ.
#[test]
fn squared_loss_and_slow_flow() {
    let files = Files::new();
    let data = ["--data", &files.text("X.npy"), "--labels", &files.text("y.npy"), "--loss", "squared"];
    let out =
        json(&[&["diagonal", "--json"][..], &data[..], &["--at", "0,8000", "--init-norm", "60"]].concat());
    assert_eq!(out["margin_l1"], serde_json::json!([null, null]));
    assert_eq!(out["train_accuracy"], serde_json::json!([null, null]));
    assert!(out["train_loss"][1].as_f64().unwrap() < 1e-3);
    let slow = |decay: &str| {
        let flags = ["--slow-flow", "--init-norm", "60", "--horizon", "9", "--at", "0,4,9"];
        json(&[&["diagonal", "--json"][..], &data[..], &flags, &["--weight-decay", decay]].concat())
    };
    let (coarse, fine) = (slow("1e-3"), slow("1e-4"));
    assert_eq!(coarse["parameter_norm"], fine["parameter_norm"], "λ plays no part in the slow flow");
    assert_eq!(coarse["rhs"], Value::Null);
    let distance = |out: &Value| out["slow_flow_distance"].as_f64().unwrap();
    let ratio = distance(&coarse) / distance(&fine);
    assert!((9.0..11.0).contains(&ratio), "{ratio}");
    // Fitted at every τ.
    assert!(numbers(&coarse["train_loss"]).iter().all(|l| *l < 1e-20));
}

/// Data that no w separates are an answer: the margins are negative.
#[test]
fn data_that_are_not_separable() {
    let files = Files::new();
    let x = files.write("D.npy", &array![[1.0, 2.0], [1.0, 2.0], [0.5, -1.0]]);
    let y = files.write("l.npy", &array![[1.0], [-1.0], [1.0]]);
    let flags = ["--loss", "exponential", "--init-norm", "3", "--at", "0,100", "--weight-decay", "0.01"];
    let out = json(&[&["diagonal", "--json"][..], &["--data", &x, "--labels", &y][..], &flags].concat());
    assert!(out["margin_l2"][1].as_f64().unwrap() < 0.0);
}

#[test]
fn files_are_written_and_thread_counts_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let small =
        ["--samples", "10", "--dimension", "9000", "--at", "1,50", "--horizon", "60", "--no-statements"];
    let (code, stdout, stderr) = run(&[
        &["diagonal"][..],
        &small[..],
        &["--plot", &path("p.svg"), "--csv", &path("c.csv"), "--quiet"],
    ]
    .concat());
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    let csv = std::fs::read_to_string(path("c.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "time,train_loss,train_loss_error,test_loss,test_loss_error,train_accuracy,train_accuracy_error,\
         test_accuracy,test_accuracy_error,parameter_norm,parameter_norm_error,margin_l2,margin_l2_error,\
         margin_l1,margin_l1_error"
    );
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("1.0,") && lines[2].starts_with("50.0,"));
    assert!(std::fs::read_to_string(path("p.svg")).unwrap().contains("<svg"));
    let with = |threads: &str| {
        let mut command = groktime();
        command.arg("diagonal").args(small).arg("--json").env("RAYON_NUM_THREADS", threads);
        let output = command.output().expect("it starts");
        assert!(output.status.success());
        output.stdout
    };
    assert_eq!(with("1"), with("3"));
}

#[test]
fn bad_input_names_the_culprit() {
    let files = Files::new();
    let (x, s, y) = (files.text("X.npy"), files.text("s.npy"), files.text("y.npy"));
    let small = ["--samples", "4", "--dimension", "6"];
    let drawn = |more: &[&str], names: &[&str]| {
        refused(&[&["diagonal", "--json"][..], &small[..], more].concat(), names)
    };
    let given = |more: &[&str], names: &[&str]| {
        refused(&[&["diagonal", "--json"][..], &["--data", &x, "--labels", &s][..], more].concat(), names);
    };
    // Numbers out of range.
    drawn(&["--horizon", "0"], &["horizon", "0"]);
    drawn(&["--horizon", "-5"], &["horizon", "-5"]);
    drawn(&["--horizon", "inf"], &["horizon", "inf"]);
    drawn(&["--rtol", "1e-13"], &["rtol"]);
    drawn(&["--rtol", "0.1"], &["rtol", "0.1"]);
    drawn(&["--depth", "1"], &["depth", "1"]);
    drawn(&["--weight-decay", "-1"], &["weight-decay", "-1"]);
    drawn(&["--weight-decay", "nan"], &["weight-decay"]);
    drawn(&["--weight-decay", "0"], &["--horizon"]);
    drawn(&["--init-norm", "0"], &["init-norm"]);
    drawn(&["--init-coordinate", "-0.5"], &["init-coordinate", "-0.5"]);
    drawn(&["--at", "1,-2"], &["--at", "-2"]);
    drawn(&["--at", "7", "--horizon", "5"], &["7", "horizon 5"]);
    drawn(&["--sparsity", "2"], &["relevant", "2", "odd"]);
    drawn(&["--sparsity", "7"], &["relevant", "7", "dimension"]);
    refused(&["diagonal", "--json", "--samples", "0"], &["samples", "0"]);
    refused(&["diagonal", "--json", "--dimension", "0"], &["dimension", "0"]);
    refused(&["diagonal", "--json", "--task", "l2-gap", "--gap", "-1"], &["gap", "-1"]);
    // Words.
    drawn(&["--task", "dense"], &["dense", "sparse"]);
    drawn(&["--loss", "hinge"], &["hinge", "logistic"]);
    // Flags that exclude each other, or go with another task.
    drawn(&["--init-norm", "1", "--init-coordinate", "1"], &["--init-norm", "--init-coordinate"]);
    drawn(&["--init-norm", "1", "--init", &x], &["--init-norm", "--init"]);
    drawn(&["--gap", "2"], &["--gap", "l2-gap"]);
    drawn(&["--noise-std", "1"], &["--noise-std", "gaussian"]);
    drawn(&["--task", "l2-gap", "--sparsity", "3"], &["--sparsity"]);
    drawn(&["--task", "gaussian", "--loss", "logistic"], &["gaussian", "squared", "logistic"]);
    drawn(&["--slow-flow"], &["--slow-flow", "squared"]);
    given(&["--task", "sparse"], &["--task", "--data"]);
    given(&["--samples", "8"], &["--samples", "--data"]);
    refused(&["diagonal", "--json", "--data", &x], &["--labels"]);
    given(&["--test-data", &x], &["--test-labels"]);
    refused(&["diagonal", "--json", "--test-data", &x, "--test-labels", &s], &["--data"]);
    // Files that do not fit.
    given(&["--init", &x], &["--init", "[8, 20]", "[2, 20]"]);
    given(&["--init", "none.npy"], &["none.npy"]);
    refused(&["diagonal", "--json", "--data", &x, "--labels", &y], &["y.npy", "+1 or -1"]);
    let short = files.write("short.npy", &array![[1.0, -1.0]]);
    refused(&["diagonal", "--json", "--data", &x, "--labels", &short], &["short.npy", "2 labels", "8"]);
    let narrow = files.write("narrow.npy", &Array2::ones((8, 3)));
    given(&["--test-data", &narrow, "--test-labels", &s], &["--test-data", "3", "20"]);
    let mut holed = files.x.clone();
    holed[(1, 2)] = f64::NAN;
    let holed = files.write("nan.npy", &holed);
    refused(&["diagonal", "--json", "--data", &holed, "--labels", &s], &["nan.npy", "NaN", "[1, 2]"]);
    // A zero coordinate at depth 3.
    let mut start = Array2::ones((2, 20));
    start[(0, 4)] = 0.0;
    let start = files.write("zero.npy", &start);
    given(&["--init", &start, "--depth", "3"], &["u(0)", "0", "coordinate 4"]);
    // Outputs.
    drawn(&["--weights", "W.csv"], &["--weights", "W.csv", ".npy"]);
    drawn(&["--plot", "p.pdf"], &["--plot", "p.pdf", ".svg", ".png"]);
}

/// An output that cannot be written is a failure of the output: 3.
#[test]
fn outputs_that_cannot_be_written() {
    let small = ["--samples", "4", "--dimension", "6", "--horizon", "3"];
    for flag in ["--csv", "--plot", "--weights"] {
        let file = if flag == "--plot" { "/no/such/folder/p.svg" } else { "/no/such/folder/w.npy" };
        let (code, stdout, stderr) = run(&[&["diagonal"][..], &small[..], &[flag, file, "--json"]].concat());
        assert_eq!((code, stdout.as_str()), (3, ""), "{flag}: {stderr}");
        assert!(stderr.contains("/no/such/folder"), "{flag}: {stderr}");
    }
}
