//! `groktime completion` as a script uses it: the contract's keys, files, errors.

mod common;

use groktime::data::files::{read_array, write_npy};
use groktime::data::matrices::{multiplication_table, random_mask};
use ndarray::{Array3, Axis};

use common::{json, refused};

#[test]
fn files_to_json_and_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let table = multiplication_table(12);
    let mask = random_mask(12, 60, 1).expect("a count");
    write_npy(path("M.npy").as_ref(), table.view()).expect("written");
    write_npy(path("K.npy").as_ref(), mask.view()).expect("written");
    let out = json(&[
        "completion",
        "--matrix",
        &path("M.npy"),
        "--mask",
        &path("K.npy"),
        "--init-coordinate",
        "10",
        "--weight-decay",
        "1e-3",
        "--horizon",
        "8000",
        "--rtol",
        "1e-9",
        "--at",
        "0,1000,8000",
        "--weights",
        &path("W.npy"),
        "--plot",
        &path("P.svg"),
        "--csv",
        &path("T.csv"),
        "--json",
    ]);
    assert_eq!((out["model"].as_str(), out["schema"].as_u64()), (Some("completion"), Some(1)));
    for key in ["train_loss", "test_loss", "parameter_norm", "nuclear_norm", "rank"] {
        assert_eq!(out[key].as_array().map(Vec::len), Some(3), "{key}");
    }
    for key in ["steps", "rhs", "newton_failures", "invariant_drift", "components"] {
        assert!(out[key].is_number(), "{key}");
    }
    assert!((out["parameter_norm"][0].as_f64().expect("a number") - 10.0 * 24_f64.sqrt()).abs() < 1e-12);
    let weights: Array3<f64> =
        read_array(path("W.npy").as_ref()).expect("an array").into_dimensionality().expect("3-D");
    assert_eq!(weights.dim(), (3, 12, 12));
    // The losses in JSON are those of the matrices in the file.
    for (k, w) in weights.axis_iter(Axis(0)).enumerate() {
        let (mut train, mut test) = (0.0, 0.0);
        for ((at, x), seen) in table.indexed_iter().zip(&mask) {
            let square = (w[at] - x).powi(2);
            if *seen != 0.0 { train += square / 60.0 } else { test += square / 84.0 }
        }
        let close = |key: &str, value: f64| (out[key][k].as_f64().expect("a number") - value).abs() < 1e-12;
        assert!(close("train_loss", train) && close("test_loss", test), "{k}: {train} {test}");
    }
    let csv = std::fs::read_to_string(path("T.csv")).expect("written");
    assert!(csv.starts_with("time,train_loss,test_loss,parameter_norm,nuclear_norm,rank\n"), "{csv}");
    assert!(std::fs::read_to_string(path("P.svg")).expect("written").contains("test loss"));
}

#[test]
fn starts_from_files_and_slow_flow() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("O.csv"), "0,1,1\n1,2,0.5\n0,2,0.5\n3,4,1\n").expect("written");
    let mut factors = Array3::<f64>::zeros((2, 5, 5));
    factors.axis_iter_mut(Axis(0)).for_each(|mut f| f.diag_mut().fill(3.0));
    write_npy(path("UV.npy").as_ref(), factors.view()).expect("written");
    let common = ["--weight-decay", "0.01", "--horizon", "300", "--at", "10,300", "--json", "--observations"];
    let ask = |more: &[&str]| json(&[&["completion"][..], &common, &[path("O.csv").as_str()], more].concat());
    let file = ask(&["--init", &path("UV.npy")]);
    let identity = ask(&["--init-coordinate", "3"]);
    for k in 0..2 {
        let gap = file["nuclear_norm"][k].as_f64().expect("a number")
            - identity["nuclear_norm"][k].as_f64().expect("a number");
        assert!(gap.abs() < 1e-6, "{gap:e}");
    }
    assert_eq!(identity["components"], 2);
    assert!(identity["test_loss"][0].is_null(), "no truth");
    assert!(identity["warnings"][0].as_str().expect("a warning").contains("2 components"));
    let slow = json(&[
        "completion",
        "--slow-flow",
        "--dimension",
        "10",
        "--fraction",
        "0.4",
        "--horizon",
        "4",
        "--at",
        "0,4",
        "--json",
    ]);
    assert_eq!(slow["train_loss"][1], 0.0);
    assert!(slow["test_loss"][1].as_f64() < slow["test_loss"][0].as_f64());
}

#[test]
fn bad_input_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("A.csv"), "1,2\n3,1\n").expect("written");
    std::fs::write(path("K.csv"), "1,1\n1,1\n").expect("written");
    std::fs::write(path("Z.csv"), "0,0\n0,0\n").expect("written");
    std::fs::write(path("O.csv"), "0,7,1\n").expect("written");
    std::fs::write(path("H.csv"), "0,0.5,1\n").expect("written");
    refused(
        &["completion", "--matrix", &path("A.csv"), "--mask", &path("K.csv")],
        &["symmetric", "(0, 1)", "(1, 0)"],
    );
    refused(&["completion", "--matrix", &path("A.csv"), "--mask", &path("Z.csv")], &["mask"]);
    refused(&["completion", "--observations", &path("O.csv"), "--dimension", "3"], &["(0, 7)"]);
    refused(&["completion", "--observations", &path("H.csv")], &["0.5"]);
    refused(
        &["completion", "--dimension", "10", "--init-coordinate=-1", "--horizon", "10"],
        &["initial coordinate"],
    );
    refused(&["completion", "--dimension", "10", "--rtol", "1e-3"], &["rtol"]);
    refused(&["completion", "--dimension", "10", "--horizon", "10", "--at", "11"], &["horizon"]);
    refused(&["completion", "--dimension", "10", "--fraction", "1.5"], &["fraction"]);
    refused(&["completion", "--dimension", "10", "--weight-decay=-1"], &["--weight-decay", "-1"]);
}
