//! No size ends the program: it answers, or says how much memory it would need.

mod common;

use std::time::Duration;

use common::{Folder, groktime, refused, run};
use groktime::sweep::grid::Law;

/// Commands and the flags of them that are sizes.
const COMMANDS: [(&str, &[&str]); 16] = [
    ("ridge", &["--samples", "--width"]),
    ("ridge --covariance isotropic:0.1", &["--samples", "--width"]),
    ("ridge --features sphere", &["--samples", "--width"]),
    ("ridge --features relu", &["--samples", "--width", "--input-dim", "--test-samples"]),
    ("ridge --features fourier", &["--samples", "--width", "--input-dim", "--test-samples"]),
    ("ridge --features digits", &["--samples", "--width"]),
    ("ridge --samples 3 --width 4", &["--runs"]),
    ("diagonal --horizon 1 --no-statements", &["--samples", "--dimension", "--sparsity"]),
    ("diagonal --task l2-gap --horizon 1 --no-statements", &["--samples", "--dimension"]),
    ("diagonal --task gaussian --loss squared --horizon 1 --no-statements", &["--samples", "--dimension"]),
    ("completion --horizon 1", &["--dimension", "--count"]),
    ("completion --task low-rank --horizon 1", &["--dimension", "--rank", "--count"]),
    ("effective --init gaussian", &["--symbols", "--size", "--dimension"]),
    ("effective --symbols 5 --fraction 0.5", &["--runs"]),
    ("network --task add --budget 1", &["--symbols", "--samples", "--batch"]),
    ("network --task zero-teacher --budget 1", &["--samples", "--dimension", "--batch"]),
];

#[test]
fn random_sizes_are_answered_or_refused() {
    let mut refusals = 0;
    for round in 0..64_usize {
        let (command, flags) = COMMANDS[round % COMMANDS.len()];
        // Even on a logarithmic scale; the first rounds are of smaller ones.
        let to = if round < COMMANDS.len() { 1e3 } else { 1e18 };
        let sizes = Law::LogUniform { from: 1.0, to }.draw(flags.len(), round as u64, 0).expect("sizes");
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        for (flag, size) in flags.iter().zip(&sizes) {
            words.extend([(*flag).to_owned(), (*size as u64).to_string()]);
        }
        words.extend(["--memory", "10MB", "--quiet"].map(str::to_owned));
        let output = groktime().args(&words).timeout(Duration::from_secs(60)).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(code.is_some_and(|code| code <= 3), "{words:?}: {code:?} {stderr}");
        refusals += usize::from(code == Some(2) && stderr.contains("are allowed"));
    }
    assert!(refusals > 20, "{refusals}");
}

#[test]
fn what_needs_too_much_says_how_much() {
    let folder = Folder::new();
    let far = folder.file("O.csv", "0,99999,1\n");
    let farther = folder.file("P.csv", "0,999999999,1\n");
    let amounts = &["needs about", "are allowed", "--memory"];
    for command in [
        &["completion", "--observations", &far][..],
        &["completion", "--observations", &farther],
        &["ridge", "--width", "2000000000"],
        &["diagonal", "--dimension", "10000000000"],
        &["completion", "--dimension", "10000000000"],
        &["network", "--task", "zero-teacher", "--dimension", "10000000000"],
    ] {
        refused(&[command, &["--memory", "1GB"]].concat(), amounts);
        // What is free is little against these.
        refused(command, amounts);
    }
    for command in [&["ridge"][..], &["verify", "all"], &["reproduce", "all"], &["report", "out"]] {
        refused(&[command, &["--memory", "much"]].concat(), &["much", "8GB"]);
    }
    // The path, and the states of a figure.
    refused(&["completion", "--dimension", "290", "--memory", "100MB"], amounts);
    refused(&["verify", "completion", "--memory", "1MB"], amounts);
    assert_eq!(run(&["ridge", "--samples", "10", "--width", "20", "--memory", "auto"]).0, 0);
    // A sweep: sizes of axes.
    for axis in [
        "[grid]\nseed = { from = 0, to = 999999999999999999 }",
        "[grid]\nstep-size = { log = [1, 2], points = 999999999999 }",
    ] {
        let config = folder.file("s.toml", &format!("model = 'ridge'\n{axis}\n"));
        refused(&["sweep", &config, "--out", &folder.text("s.jsonl")], &["s.toml, line 3", "needs about"]);
    }
    let config = folder
        .file("s.toml", "model = 'ridge'\ndraws = 999999999999\n[random]\nseed = { integer = [0, 9] }\n");
    refused(&["sweep", &config, "--out", &folder.text("s.jsonl")], &["s.toml", "needs about"]);
}

/// A long run is not lost to a folder that is not there.
#[test]
fn outputs_are_tried_before_anything_is_computed() {
    for command in [
        &["network", "--budget", "100000000"][..],
        &["network", "--task", "zero-teacher", "--budget", "100000000"],
        &["ridge", "--samples", "3000", "--width", "4000"],
        &["diagonal", "--samples", "3000", "--dimension", "4000"],
        &["completion", "--dimension", "900"],
        &["effective", "--symbols", "3000", "--full"],
    ] {
        let mut outputs = vec!["--csv=/nonexistent/x.csv", "--plot=/nonexistent/x.svg"];
        match command[0] {
            "diagonal" | "completion" => outputs.push("--weights=/nonexistent/x.npy"),
            "network" => outputs.push("--resume=/nonexistent/x.npz"),
            _ => {}
        }
        for output in outputs {
            let limit = Duration::from_secs(30);
            let done =
                groktime().args(command).arg(output).args(["--memory", "100GB"]).timeout(limit).output();
            let done = done.expect("it starts");
            let stderr = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(3), "{command:?} {output}: {stderr}");
            assert!(stderr.contains("/nonexistent/x") && done.stdout.is_empty(), "{stderr}");
        }
    }
}

/// Before the work begins: the program is stopped after two seconds, and has said it.
#[test]
fn what_takes_minutes_says_so_first() {
    for command in [
        &["completion", "--dimension", "900", "--count", "2000", "--horizon", "1e9"][..],
        &["network", "--budget", "100000000"],
    ] {
        let output = groktime().args(command).timeout(Duration::from_secs(2)).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("this may take about"), "{command:?}: {stderr}");
    }
}
