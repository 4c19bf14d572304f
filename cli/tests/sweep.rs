//! `groktime sweep`: nothing is lost, and what a finished sweep leaves depends on its settings alone.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use groktime::data::features::{gaussian_matrix, generator};
use groktime::data::files::{read_array, read_vector, write_npy};
use serde_json::Value;

use common::{Folder, groktime, json, refused, run};

/// Twelve small problems of ridge regression, and a thirteenth to fourteenth that takes another clock.
const CONFIG: &str = r#"
model = "ridge"
keep = ["t1", "t2", "delay", "at", "test_loss"]
draws = 2
seed = 5

[fixed]
width = 60
test-threshold = 0.2
at = [0, 1e3]

[grid]
weight-decay = { log = [1e-4, 1e-3], points = 3 }
samples = [10, 20]

[random]
seed = { integer = [0, 1000] }
"#;

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}

/// The bytes that one undisturbed run leaves.
fn undisturbed(folder: &Folder, config: &str) -> Vec<u8> {
    let out = folder.text("undisturbed.jsonl");
    let (code, _, stderr) = run(&["sweep", config, "--out", &out, "--quiet"]);
    assert_eq!(code, 0, "{stderr}");
    bytes(&folder.path("undisturbed.jsonl"))
}

#[test]
fn points_are_what_the_command_says() {
    let folder = Folder::new();
    let config = folder.file("s.toml", CONFIG);
    let (out, csv, npz) = (folder.text("s.jsonl"), folder.text("s.csv"), folder.text("s.npz"));
    let told = json(&["sweep", &config, "--out", &out, "--csv", &csv, "--npz", &npz, "--json"]);
    assert_eq!((&told["points"], &told["done"], &told["solved"]), (&12.into(), &12.into(), &12.into()));
    let text = String::from_utf8(bytes(&folder.path("s.jsonl"))).expect("UTF-8");
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 13);
    assert_eq!(lines[0]["settings"]["model"], "ridge");
    let t2 = read_vector(&folder.path("s.npz:t2")).expect("t2");
    let losses = read_array(&folder.path("s.npz:test_loss")).expect("losses");
    assert_eq!(losses.shape(), [12, 2]);
    for (k, line) in lines[1..].iter().enumerate() {
        assert_eq!(line["point"], k);
        let parameters = &line["value"]["parameters"];
        let flag = |name: &str| parameters[name].to_string();
        let one = json(&[
            "ridge",
            "--width=60",
            "--test-threshold=0.2",
            "--at=0,1e3",
            "--json",
            "--samples",
            &flag("samples"),
            "--seed",
            &flag("seed"),
            "--weight-decay",
            &flag("weight-decay"),
        ]);
        for key in ["t1", "t2", "delay", "at", "test_loss"] {
            assert_eq!(line["value"]["result"][key], one[key], "point {k}: {key}");
        }
        assert_eq!(t2[k].is_finite().then_some(t2[k]), one["t2"].as_f64());
        assert_eq!(Some(losses[[k, 1]]), one["test_loss"][1].as_f64());
    }
    assert!(t2.iter().any(|t| t.is_finite()), "{t2}");
    let table = std::fs::read_to_string(csv).expect("a table");
    assert!(table.starts_with(
        "point,samples,seed,weight-decay,at[0],at[1],delay,t1,t2,test_loss[0],test_loss[1],error\n"
    ));
    assert_eq!(table.lines().count(), 13);
}

#[test]
fn threads_do_not_matter() {
    let folder = Folder::new();
    // Kernels of several threads inside: a problem of 150 × 900 alone would use them.
    let config = folder.file(
        "s.toml",
        "model = 'ridge'\n[fixed]\nfeatures = 'relu'\nteacher = 'relu-neuron'\ntest-threshold = 0.3\nsamples = 150\n\
         width = 900\n[grid]\nseed = { from = 0, to = 3 }\n",
    );
    let with = |threads: &str| {
        let name = format!("{threads}.jsonl");
        let mut command = groktime();
        command.args(["sweep", &config, "--out", &folder.text(&name)]).env("RAYON_NUM_THREADS", threads);
        assert!(command.output().expect("it runs").status.success());
        bytes(&folder.path(&name))
    };
    let one = with("1");
    assert_eq!(one, with("2"));
    assert_eq!(one, with("4"));
}

#[test]
fn shards_merge_to_one_run() {
    let folder = Folder::new();
    let config = folder.file("s.toml", CONFIG);
    let whole = undisturbed(&folder, &config);
    let names: Vec<String> = (0..5).map(|i| folder.text(&format!("{i}.jsonl"))).collect();
    for (i, name) in names.iter().enumerate() {
        let (code, _, stderr) =
            run(&["sweep", &config, "--out", name, "--shard", &format!("{i}/5"), "--quiet"]);
        assert_eq!(code, 0, "{stderr}");
    }
    let merged = folder.text("merged.jsonl");
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    let (code, _, stderr) = run(&[&["sweep", &config, "--out", &merged, "--merge"][..], &files].concat());
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(bytes(&folder.path("merged.jsonl")), whole);
    // A shard is missing, or is one of another sweep.
    let less = folder.text("less.jsonl");
    refused(&["sweep", &config, "--out", &less, "--merge", files[0], files[2]], &["of 12 points", "point 1"]);
    let other = folder.file("o.toml", &CONFIG.replace("width = 60", "width = 61"));
    refused(
        &[&["sweep", &other, "--out", &less, "--merge"][..], &files].concat(),
        &["fixed.width: 60 there, 61 here"],
    );
    assert!(!folder.path("less.jsonl").exists());
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groktime"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Killed at moments of all kinds, then resumed: as if nothing had happened.
#[test]
fn a_killed_sweep_goes_on() {
    let folder = Folder::new();
    let config = folder.file("s.toml", &CONFIG.replace("points = 3", "points = 40"));
    let whole = undisturbed(&folder, &config);
    let (out, path) = (folder.text("killed.jsonl"), folder.path("killed.jsonl"));
    let arguments = ["sweep", &config, "--out", &out, "--resume", "--quiet"];
    let length = || std::fs::metadata(&path).map_or(0, |m| m.len());
    let mut killed = 0;
    // Each time some lines further, at a moment within the next line.
    for round in 1..=12_u64 {
        let mut child = start(&arguments);
        let goal = whole.len() as u64 * round / 14;
        let began = Instant::now();
        while length() < goal && child.try_wait().expect("a state").is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "the sweep does not get on");
        }
        std::thread::sleep(Duration::from_micros(137 * round));
        // SIGKILL: nothing is cleaned up.
        child.kill().expect("killed");
        killed += usize::from(child.wait().expect("gone").code().is_none());
        assert!(length() >= goal, "something is lost");
    }
    assert!(killed >= 3, "killed {killed} times only");
    let (code, _, stderr) = run(&arguments);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(bytes(&path), whole);
    // Complete: nothing is solved again.
    let told = json(&["sweep", &config, "--out", &out, "--resume", "--json"]);
    assert_eq!(told["solved"], 0);
}

#[test]
fn an_unfinished_line_is_dropped() {
    let folder = Folder::new();
    let config = folder.file("s.toml", CONFIG);
    let whole = undisturbed(&folder, &config);
    let path = folder.path("cut.jsonl");
    let out = folder.text("cut.jsonl");
    let heading = whole.iter().position(|&b| b == b'\n').expect("a heading") + 1;
    // Inside the heading, at its end, inside a line, at the end of one, before the last line feed.
    let line = whole[heading..].iter().position(|&b| b == b'\n').expect("a line") + heading + 1;
    for cut in [1, heading - 1, heading, heading + 1, line - 1, line, line + 40, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).expect("written");
        let (code, _, stderr) = run(&["sweep", &config, "--out", &out, "--resume", "--quiet"]);
        assert_eq!(code, 0, "cut at {cut}: {stderr}");
        assert_eq!(bytes(&path), whole, "cut at {cut}");
    }
    // Damage that no interruption makes is not repaired silently.
    let mut hurt = whole.clone();
    hurt[heading + 3] = b'#';
    std::fs::write(&path, &hurt).expect("written");
    refused(&["sweep", &config, "--out", &out, "--resume"], &["cut.jsonl", "line 2", "damaged"]);
    let twice = [&whole[..line], &whole[heading..line]].concat();
    std::fs::write(&path, &twice).expect("written");
    refused(&["sweep", &config, "--out", &out, "--resume"], &["line 3", "point 0 is there twice"]);
    std::fs::write(&path, "point,t1\n0,1\n").expect("written");
    refused(&["sweep", &config, "--out", &out, "--resume"], &["cut.jsonl", "not the journal"]);
}

/// A limit on the size of files stands for the end of the disk.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_the_point_in_flight() {
    let folder = Folder::new();
    let config = folder.file("s.toml", CONFIG);
    let whole = undisturbed(&folder, &config);
    let out = folder.text("full.jsonl");
    let blocks = whole.len() as u64 * 2 / 3 / 512;
    // Without the signal, a write past the limit fails as one to a full disk does.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_groktime"), "sweep", &config, "--out", &out])
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .expect("sh");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("full.jsonl") && stderr.contains("too large"), "{stderr}");
    assert!(output.stdout.is_empty());
    let kept = bytes(&folder.path("full.jsonl"));
    // On one thread points come in order: all that fits is there, to the last whole line.
    assert!(whole.starts_with(&kept) && kept.last() == Some(&b'\n'));
    let next = whole[kept.len()..].iter().position(|&b| b == b'\n').expect("a line") + 1;
    assert!((kept.len() + next) as u64 > blocks * 512, "a line that fitted is lost");
    let (code, _, stderr) = run(&["sweep", &config, "--out", &out, "--resume", "--quiet"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(bytes(&folder.path("full.jsonl")), whole);
    if Path::new("/dev/full").exists() {
        let (code, stdout, stderr) = run(&["sweep", &config, "--out", "/dev/full"]);
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains("/dev/full"), "{stderr}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = Folder::new();
    let config = folder.file("s.toml", CONFIG);
    let out = folder.text("s.jsonl");
    let (code, _, _) = run(&["sweep", &config, "--out", &out, "--quiet"]);
    assert_eq!(code, 0);
    refused(&["sweep", &config, "--out", &out], &["s.jsonl", "--resume"]);
    let other = folder.file("o.toml", &CONFIG.replace("samples = [10, 20]", "samples = [11, 21]"));
    refused(&["sweep", &other, "--out", &out, "--resume"], &["settings.grid[1][1][0]: 10 there, 11 here"]);
    refused(&["sweep", &config, "--out", &out, "--resume", "--shard", "0/2"], &["another shard"]);
    refused(&["sweep", &config, "--out", &out, "--shard", "2/2"], &["0/2 to 1/2"]);
    refused(&["sweep", &config, "--out", &out, "--shard", "x"], &["0/4"]);
    refused(&["sweep", &folder.text("none.toml"), "--out", &out], &["none.toml"]);
    let slip = folder.file("w.toml", "model = 'diagonal'\n\n[grid]\ninit_norm = [1, 2]\n");
    refused(
        &["sweep", &slip, "--out", &folder.text("w.jsonl")],
        &["w.toml, line 4", "init_norm", "\"init-norm\""],
    );
    let keep = folder.file("k.toml", &CONFIG.replace("\"t1\"", "\"t3\""));
    refused(
        &["sweep", &keep, "--out", &folder.text("k.jsonl")],
        &["k.toml, line 3", "t3", "did you mean \"t1\"?"],
    );
    assert!(!folder.path("k.jsonl").exists(), "named before anything runs");
    // Outputs are tried before anything runs.
    for flag in ["--csv", "--npz"] {
        let (code, _, stderr) =
            run(&["sweep", &config, "--out", &folder.text("t.jsonl"), flag, "/nonexistent/x"]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("/nonexistent/x") && !folder.path("t.jsonl").exists(), "{stderr}");
    }
    // The content of a file that is named belongs to the settings.
    let features = folder.text("F.npy");
    let draw = |seed| gaussian_matrix(8, 30, 1.0 / 30.0, &mut generator(seed, 0));
    write_npy(features.as_ref(), draw(0).view()).expect("written");
    let text = format!(
        "model = 'ridge'\n[fixed]\nfeatures = '{features}'\ncovariance = 'isotropic:0.03'\n[grid]\nseed = [0, 1]\n"
    );
    let (files, out) = (folder.file("f.toml", &text), folder.text("f.jsonl"));
    assert_eq!(run(&["sweep", &files, "--out", &out]).0, 0);
    write_npy(features.as_ref(), draw(1).view()).expect("written");
    refused(&["sweep", &files, "--out", &out, "--resume"], &["settings.files", "F.npy"]);
}

/// A value more on an axis: what was there is not solved again, and the journal is that of one run.
#[test]
fn a_mended_configuration_goes_on() {
    let folder = Folder::new();
    let config = folder.file("s.toml", CONFIG);
    let out = folder.text("s.jsonl");
    assert_eq!(run(&["sweep", &config, "--out", &out, "--quiet"]).0, 0);
    let mended = folder.file("m.toml", &CONFIG.replace("samples = [10, 20]", "samples = [10, 15, 20]"));
    let told = json(&["sweep", &mended, "--out", &out, "--resume", "--json"]);
    assert_eq!((&told["done"], &told["solved"]), (&18.into(), &6.into()));
    assert_eq!(bytes(&folder.path("s.jsonl")), undisturbed(&folder, &mended));
    // Schema 1 is refused in one sentence.
    let old = "{\"journal\":\"groktime-sweep\",\"schema\":1,\"hash\":\"0\",\"points\":2,\"settings\":{}}\n";
    let out = folder.file("old.jsonl", old);
    refused(
        &["sweep", &config, "--out", &out, "--resume"],
        &["old.jsonl, line 1", "schema 1", "another file"],
    );
}

/// What the machine has no room for is not a result.
#[test]
fn a_refusal_is_tried_again() {
    let folder = Folder::new();
    let text = "model = 'ridge'\nkeep = ['t2']\n[fixed]\nsamples = 10\n[grid]\nwidth = [30, 40000, 1000000000000000]\n";
    let config = folder.file("s.toml", text);
    let out = folder.text("s.jsonl");
    let (code, _, stderr) = run(&["sweep", &config, "--out", &out, "--memory", "5MB"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("2 points are not in the journal") && stderr.contains("MB"), "{stderr}");
    assert_eq!(bytes(&folder.path("s.jsonl")).split(|&b| b == b'\n').count(), 3, "a heading and one line");
    let (code, _, stderr) = run(&["sweep", &config, "--out", &out, "--resume", "--memory", "1GB"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("1 points are") && stderr.contains("point 2"), "{stderr}");
    let fits = folder.file("f.toml", &text.replace(", 1000000000000000", ""));
    assert_eq!(json(&["sweep", &fits, "--out", &out, "--resume", "--json"])["solved"], 0);
}

/// One point that cannot be does not stop the others; the exit code tells.
#[test]
fn a_point_that_fails_is_kept_as_such() {
    let folder = Folder::new();
    let config = folder.file(
        "s.toml",
        "model = 'ridge'\nkeep = ['t2']\n[fixed]\nsamples = 10\nwidth = 30\n[grid]\nstep-size = [0.5, 500, 1.0]\n",
    );
    let (out, csv) = (folder.text("s.jsonl"), folder.text("s.csv"));
    let (code, _, stderr) = run(&["sweep", &config, "--out", &out, "--csv", &csv]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("1 of 3 points failed; point 1: step size 500 makes gradient descent diverge"));
    let table = std::fs::read_to_string(csv).expect("a table");
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[1].starts_with("0,0.5,") && rows[1].ends_with(','), "{table}");
    assert!(rows[2].starts_with("1,500,,step size 500 makes"), "{table}");
    // It stays: the settings are the same, so would be the failure.
    assert_eq!(run(&["sweep", &config, "--out", &out, "--resume"]).0, 3);
}

#[test]
fn every_model_can_be_swept() {
    let folder = Folder::new();
    let configs = [
        (
            "diagonal",
            "[fixed]\nsamples = 8\ndimension = 20\nno-statements = true\nat = [1, 100]\n[grid]\ninit-norm = [20, 40]\n",
        ),
        (
            "completion",
            "[fixed]\ndimension = 8\nfraction = 0.4\nat = [0]\n[grid]\nweight-decay = [1e-2, 1e-3]\n",
        ),
        (
            "effective",
            "[fixed]\nsymbols = 6\nruns = 50\n[grid]\nfraction = { linear = [0.2, 0.8], points = 3 }\n",
        ),
    ];
    for (model, rest) in configs {
        let config = folder.file("s.toml", &format!("model = '{model}'\n{rest}"));
        let (out, npz) = (folder.text(&format!("{model}.jsonl")), folder.text(&format!("{model}.npz")));
        let (code, _, stderr) = run(&["sweep", &config, "--out", &out, "--npz", &npz]);
        assert_eq!(code, 0, "{model}: {stderr}");
    }
    let unique = read_vector(&folder.path("effective.npz:summary.unique.probability")).expect("a summary");
    assert!(unique[0] <= unique[1] && unique[1] <= unique[2] && unique[2] > 0.5, "{unique}");
    let losses = read_array(&folder.path("diagonal.npz:train_loss")).expect("losses");
    assert_eq!(losses.shape(), [2, 2]);
}
