//! The program as a script and as a person use it: JSON, exit codes, files, errors.

mod common;

use std::path::{Path, PathBuf};

use groktime::data::features::{gaussian_matrix, gaussian_vector, generator, unit_vector};
use groktime::data::files::write_npy;
use ndarray::{Array1, Array2};
use serde_json::Value;

use common::{groktime, json, refused, run};

struct Files {
    folder: tempfile::TempDir,
    features: Array2<f64>,
    teacher: Array1<f64>,
    init: Array1<f64>,
}

impl Files {
    fn new(n: usize, m: usize) -> Files {
        let features = gaussian_matrix(n, m, 1.0 / m as f64, &mut generator(1, 0));
        let teacher = unit_vector(m, &mut generator(1, 1));
        let init = gaussian_vector(m, 1.0, &mut generator(1, 2));
        let files = Files { folder: tempfile::tempdir().expect("a folder"), features, teacher, init };
        write_npy(&files.path("F.npy"), files.features.view()).expect("written");
        write_npy(&files.path("T.npy"), files.teacher.view()).expect("written");
        write_npy(&files.path("I.npy"), files.init.view()).expect("written");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// t1, t2 and the losses at some steps by the loop that the closed form replaces.
fn descend(files: &Files, decay: f64, steps: usize, at: &[usize]) -> (i64, Option<usize>, Vec<(f64, f64)>) {
    let (n, m) = files.features.dim();
    let mut theta = files.init.clone();
    let (mut t1, mut t2, mut losses) = (-1, None, Vec::new());
    for t in 0..=steps {
        let error = &theta - &files.teacher;
        let residual = files.features.dot(&error);
        let train = residual.dot(&residual) / (2 * n) as f64;
        let test = error.dot(&error) / m as f64;
        if train >= 0.01 {
            t1 = t as i64;
        }
        if test <= 0.01 && t2.is_none() {
            t2 = Some(t);
        }
        if at.contains(&t) {
            losses.push((train, test));
        }
        theta = &theta - &(files.features.t().dot(&residual) / n as f64) - &(&theta * decay);
    }
    (t1, t2, losses)
}

#[test]
fn files_to_times_agree_with_the_loop() {
    let files = Files::new(20, 150);
    let covariance = format!("isotropic:{:?}", 1.0 / 150.0);
    let out = json(&[
        "ridge",
        "--features",
        &files.text("F.npy"),
        "--teacher",
        &files.text("T.npy"),
        "--init",
        &files.text("I.npy"),
        "--covariance",
        &covariance,
        "--step-size",
        "1",
        "--weight-decay",
        "1e-3",
        "--train-threshold",
        "0.01",
        "--test-threshold",
        "0.01",
        "--at",
        "0,10,1000",
        "--json",
    ]);
    let (t1, t2, losses) = descend(&files, 1e-3, 5_000, &[0, 10, 1000]);
    assert_eq!(out["model"], "ridge");
    assert_eq!(out["clock"], "gd");
    assert_eq!(out["schema"], 1);
    assert_eq!(out["t1"], t1);
    assert_eq!(out["t2"].as_u64(), t2.map(|t| t as u64));
    assert_eq!(out["t1_interval"], serde_json::json!([t1, t1]));
    assert_eq!(out["at"], serde_json::json!([0, 10, 1000]));
    for (i, (train, test)) in losses.iter().enumerate() {
        let close = |key: &str, x: f64| {
            let value = out[key][i].as_f64().expect("a number");
            assert!((value - x).abs() <= 1e-11 * x, "{key}[{i}]: {value} against {x}");
        };
        close("train_loss", *train);
        close("test_loss", *test);
    }
    assert_eq!(out["test_risk"], "exact");
    // A file does not tell that its features are Gaussian.
    assert_eq!(out["test_accuracy"], serde_json::json!([null, null, null]));
    for key in ["source", "form", "quantity", "side", "claim", "value", "measured", "hypotheses", "outcome"] {
        assert!(out["statements"][0].get(key).is_some(), "statement without {key}");
    }
}

#[test]
fn steps_are_exact_integers_far_out() {
    let out =
        json(&["ridge", "--samples", "5", "--width", "9", "--at", "0,1e6,1000000000000000001", "--json"]);
    assert_eq!(out["at"], serde_json::json!([0, 1_000_000, 1_000_000_000_000_000_001_u64]));
    let limit = out["train_loss_limit"].as_f64().expect("a limit");
    let last = out["train_loss"][2].as_f64().expect("a loss");
    assert!((last - limit).abs() <= 1e-12 * limit);
}

#[test]
fn flow_reports_real_times() {
    let out = json(&["ridge", "--flow", "--samples", "20", "--width", "150", "--at", "0.5,7", "--json"]);
    assert_eq!(out["clock"], "flow");
    assert_eq!(out["at"], serde_json::json!([0.5, 7.0]));
    let (lo, hi) = (out["t2_interval"][0].as_f64().unwrap(), out["t2_interval"][1].as_f64().unwrap());
    let t2 = out["t2"].as_f64().unwrap();
    assert!(lo <= t2 && t2 <= hi && hi - lo < 1e-6 * t2);
}

#[test]
fn never_and_from_the_start() {
    let out =
        json(&["ridge", "--samples", "10", "--width", "30", "--weight-decay", "0", "--json", "--at", "0"]);
    assert_eq!(out["t2"], Value::Null, "without weight decay the complement never decays");
    let limit = out["test_loss_limit"].as_f64().expect("a limit");
    assert!(limit > 0.01, "the limit explains the null: {limit}");
    let out = json(&[
        "ridge",
        "--samples",
        "10",
        "--width",
        "30",
        "--train-threshold",
        "10",
        "--test-threshold",
        "100",
        "--json",
    ]);
    assert_eq!((out["t1"].as_i64(), out["t2"].as_i64()), (Some(-1), Some(0)));
}

#[test]
fn floats_read_back() {
    let arguments = ["ridge", "--samples", "10", "--width", "30", "--at", "3", "--json"];
    let (_, first, _) = run(&arguments);
    let (_, second, _) = run(&arguments);
    assert_eq!(first, second, "same seed, same bytes");
    let loss = json(&arguments)["train_loss"][0].as_f64().expect("a loss");
    assert!(first.contains(&format!("{loss:?}")));
}

#[test]
fn runs_do_not_depend_on_threads() {
    let arguments =
        ["ridge", "--runs", "6", "--samples", "20", "--width", "50", "--json", "--at", "10", "--flow"];
    let with = |threads: &str| {
        let output =
            groktime().args(arguments).env("RAYON_NUM_THREADS", threads).output().expect("it starts");
        assert!(output.status.success());
        output.stdout
    };
    let one = with("1");
    assert_eq!(one, with("2"));
    assert_eq!(one, with("5"));
    let out: Value = serde_json::from_slice(&one).expect("JSON");
    assert_eq!(out["runs"].as_array().map(Vec::len), Some(6));
    assert!(out["summary"]["t1"]["median"].is_number());
}

#[test]
fn a_table_a_picture_and_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (code, stdout, stderr) = run(&[
        "ridge",
        "--samples",
        "20",
        "--width",
        "150",
        "--plot",
        &path("a.svg"),
        "--csv",
        &path("a.csv"),
    ]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for text in ["t1", "t2", "delay", "Thm 4.4", "holds", "not-applicable"] {
        assert!(stdout.contains(text), "no {text} in the table");
    }
    let svg = std::fs::read_to_string(path("a.svg")).expect("a picture");
    assert!(svg.contains("training loss") && svg.contains("t₂"));
    let csv = std::fs::read_to_string(path("a.csv")).expect("a file");
    assert!(csv.starts_with("time,train_loss,train_loss_error,test_loss,test_loss_error,"));
    // Every value stands beside its error bar.
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').skip(1).collect();
        for pair in cells.chunks(2) {
            assert_eq!(pair[0].is_empty(), pair[1].is_empty(), "{line}");
        }
    }
    let (code, stdout, _) = run(&["ridge", "--plot", &path("a.png"), "--quiet"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(std::fs::read(path("a.png")).expect("a picture").starts_with(b"\x89PNG"));
}

#[test]
fn digits_fit_and_generalise() {
    let out = json(&[
        "ridge",
        "--features",
        "digits",
        "--samples",
        "150",
        "--width",
        "800",
        "--weight-decay",
        "1e-5",
        "--test-threshold",
        "0.6",
        "--accuracy-threshold",
        "0.8",
        "--json",
    ]);
    assert_eq!(out["test_risk"], "held-out(1647)");
    assert!(out["t2"].as_u64().expect("it generalises") > 0);
    assert!(out["t_accuracy"].as_u64().is_some());
}

#[test]
fn bad_numbers_are_refused() {
    refused(&["ridge", "--step-size", "0"], &["step size", "0"]);
    refused(&["ridge", "--step-size", "nan"], &["step size", "NaN"]);
    refused(&["ridge", "--step-size", "1000"], &["1000", "largest stable"]);
    refused(&["ridge", "--weight-decay", "-1"], &["weight decay", "-1"]);
    refused(&["ridge", "--train-threshold", "0"], &["training threshold"]);
    refused(&["ridge", "--test-threshold", "-0.5"], &["test threshold", "-0.5"]);
    refused(&["ridge", "--samples", "0"], &["samples", "0"]);
    refused(&["ridge", "--width", "0"], &["width", "0"]);
    refused(&["ridge", "--init-variance", "-2"], &["init"]);
    refused(&["ridge", "--noise-std", "-2"], &["noise"]);
    refused(&["ridge", "--at", "1,x"], &["x"]);
    refused(&["ridge", "--at", "1.5"], &["1.5", "whole steps"]);
    refused(&["ridge", "--at", "-1"], &["-1"]);
    refused(&["ridge", "--runs", "0"], &["runs"]);
    refused(&["ridge", "--accuracy-threshold", "1.5"], &["accuracy threshold", "1.5"]);
    refused(&["ridge", "--failure-probability", "2"], &["failure probability"]);
    refused(&["ridge", "--features", "gausian"], &["gausian", "gaussian"]);
    refused(&["ridge", "--teacher", "relu-neuron"], &["ReLU"]);
    refused(&["ridge", "--steps-size", "1"], &["--steps-size"]);
    refused(&["rigde"], &["rigde"]);
    refused(&["reproduce", "ridge-99"], &["ridge-99", "ridge-1"]);
    refused(&["verify", "everything"], &["everything"]);
}

#[test]
fn bad_files_are_refused() {
    let files = Files::new(6, 10);
    let features = files.text("F.npy");
    refused(&["ridge", "--features", &features], &["--covariance"]);
    refused(
        &["ridge", "--features", "no/such/file.npy", "--covariance", "isotropic:1"],
        &["no/such/file.npy"],
    );
    refused(&["ridge", "--features", &features, "--covariance", "isotropic:-1"], &["-1"]);
    refused(
        &["ridge", "--features", &features, "--covariance", "isotropic:1", "--samples", "3"],
        &["--samples", "6"],
    );
    write_npy(&files.path("short.npy"), Array1::<f64>::zeros(9).view()).expect("written");
    let short = files.text("short.npy");
    refused(
        &["ridge", "--features", &features, "--covariance", "isotropic:1", "--teacher", &short],
        &["teacher", "[9]", "[10]"],
    );
    refused(
        &["ridge", "--features", &features, "--covariance", "isotropic:1", "--init", &short],
        &["initial parameters", "[9]", "[10]"],
    );
    let mut hurt = files.features.clone();
    hurt[(2, 3)] = f64::NAN;
    write_npy(&files.path("nan.npy"), hurt.view()).expect("written");
    refused(
        &["ridge", "--features", &files.text("nan.npy"), "--covariance", "isotropic:1"],
        &["features", "NaN", "[2, 3]"],
    );
    let bytes = std::fs::read(files.path("F.npy")).expect("bytes");
    std::fs::write(files.path("cut.npy"), &bytes[..bytes.len() - 100]).expect("written");
    refused(&["ridge", "--features", &files.text("cut.npy"), "--covariance", "isotropic:1"], &["cut.npy"]);
    std::fs::write(files.path("bad.csv"), "1,2\n3,oops\n").expect("written");
    refused(
        &["ridge", "--features", &files.text("bad.csv"), "--covariance", "isotropic:1"],
        &["bad.csv", "line 2", "oops"],
    );
    let skew = ndarray::array![[1.0, 0.5], [0.0, 1.0]];
    write_npy(&files.path("skew.npy"), skew.view()).expect("written");
    write_npy(&files.path("two.npy"), ndarray::array![[1.0, 0.5]].view()).expect("written");
    refused(
        &["ridge", "--features", &files.text("two.npy"), "--covariance", &files.text("skew.npy")],
        &["covariance", "symmetric"],
    );
}

#[test]
fn outputs_that_cannot_be_written_are_failures() {
    let (code, _, stderr) =
        run(&["ridge", "--samples", "5", "--width", "9", "--csv", "/nonexistent-folder/a.csv", "--quiet"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("/nonexistent-folder"));
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("a.jpg");
    let (code, _, stderr) = run(&["ridge", "--plot", &picture.display().to_string(), "--quiet"]);
    assert!(code == 2 || code == 3, "{stderr}");
    assert!(!picture.exists());
}

#[test]
fn verify_holds() {
    let out = json(&["verify", "ridge", "--json"]);
    assert_eq!(out["violated"], false);
    let rows = out["statements"].as_array().expect("rows");
    assert!(rows.len() > 20);
    for row in rows {
        let applicable = row["applicable"].as_u64().expect("a count");
        assert!(applicable > 0, "{} is never applicable", row["source"]);
        assert_ne!(row["outcome"], "violated", "{}", row["source"]);
        // Nothing holds by instances that could not have failed.
        let informative = row["informative"].as_u64().expect("a count");
        assert!(informative > 0 || row["outcome"] == "undetermined", "{row}");
        assert!(
            informative > 0 || row["note"].as_str().is_some_and(|n| n.contains("no informative")),
            "{row}"
        );
    }
    let erratum = rows.iter().find(|r| r["outcome"] == "known-erratum").expect("the printed (7)");
    assert_eq!(erratum["source"], "2601.19791 (7)");
}

fn four_files(folder: &Path, name: &str) -> Value {
    for extension in ["csv", "svg", "png"] {
        let path = folder.join(format!("{name}.{extension}"));
        assert!(path.metadata().is_ok_and(|m| m.len() > 100), "{}", path.display());
    }
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("JSON");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn figures_show_what_is_published() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let (code, _, stderr) = run(&["reproduce", "ridge-1", "ridge-2", "ridge-control", "--out", &out]);
    assert_eq!(code, 0, "{stderr}");
    for name in ["ridge-1", "ridge-2", "ridge-control"] {
        let document = four_files(folder.path(), name);
        for check in document["checks"].as_array().expect("checks") {
            assert_eq!(check["verdict"], "agrees", "{name}: {check}");
        }
    }
}

#[test]
fn gaussian_features_of_any_covariance() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("C.npy");
    let m = 40;
    let covariance =
        Array2::from_shape_fn((m, m), |(i, j)| 0.5_f64.powi((i as i32 - j as i32).abs()) / m as f64);
    write_npy(&path, covariance.view()).expect("written");
    let out = json(&[
        "ridge",
        "--features",
        "gaussian",
        "--covariance",
        &path.display().to_string(),
        "--samples",
        "20",
        "--test-threshold",
        "0.1",
        "--at",
        "0",
        "--json",
    ]);
    assert_eq!(out["test_risk"], "exact");
    assert_eq!(out["settings"]["width"], m);
    assert!(out["test_accuracy"][0].is_number(), "Gaussian features: the accuracy is exact");
}
