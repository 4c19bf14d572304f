//! `groktime reproduce` and `groktime report`: what is complete is kept, and the page needs nothing from elsewhere.

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{Folder, refused, run};

/// A figure that takes no time, in a folder.
fn figure(folder: &Folder, more: &[&str]) -> String {
    let out = folder.text("out");
    let (code, stdout, stderr) = run(&[&["reproduce", "effective-4c", "--out", &out][..], more].concat());
    assert_eq!(code, 0, "{stderr}");
    stdout
}

fn changed(folder: &Folder, name: &str) -> SystemTime {
    std::fs::metadata(folder.path("out").join(name)).and_then(|m| m.modified()).expect("a file")
}

#[test]
fn complete_figures_are_kept() {
    let folder = Folder::new();
    let kept = |said: String| said.contains("complete in");
    assert!(!kept(figure(&folder, &[])));
    let before = changed(&folder, "effective-4c.svg");
    assert!(kept(figure(&folder, &[])));
    assert_eq!(changed(&folder, "effective-4c.svg"), before);
    // Without one of its files, by another build, or cut short: made again.
    let file = |name: &str| folder.path("out").join(name);
    std::fs::remove_file(file("effective-4c.csv")).expect("removed");
    assert!(!kept(figure(&folder, &[])));
    let json = std::fs::read_to_string(file("effective-4c.json")).expect("JSON");
    let other = json.replace("\"program\": \"", "\"program\": \"0");
    std::fs::write(file("effective-4c.json"), other).expect("written");
    assert!(!kept(figure(&folder, &[])));
    std::fs::write(file("effective-4c.json"), &json[..json.len() / 2]).expect("written");
    assert!(!kept(figure(&folder, &[])));
    assert!(!kept(figure(&folder, &["--again"])));
}

/// Runs of a figure of many are kept one by one.
#[test]
fn a_figure_of_many_runs_goes_on() {
    let folder = Folder::new();
    let out = folder.text("out");
    let journal = || {
        let parts = std::fs::read_dir(folder.path("out").join("effective-6a.parts")).ok()?;
        let file = parts.flatten().next()?.path();
        std::fs::read(file).ok()
    };
    // The heading, and a line a run.
    let runs = |journal: &[u8]| journal.iter().filter(|&&b| b == b'\n').count().saturating_sub(1);
    let mut known = Vec::new();
    for _ in 0..2 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_groktime"))
            .args(["reproduce", "effective-6a", "--out", &out, "--quiet"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let began = Instant::now();
        while journal().map_or(0, |j| runs(&j)) <= runs(&known) && began.elapsed() < Duration::from_secs(120)
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        let found = journal().expect("a journal");
        let whole = known.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
        assert!(runs(&found) > runs(&known) && found.starts_with(&known[..whole]));
        known = found;
    }
}

#[test]
fn full_size_needs_images() {
    let folder = Folder::new();
    let out = folder.text("out");
    refused(&["reproduce", "omnigrok-mnist", "--full", "--out", &out], &["--images", "MNIST"]);
    let missing = folder.text("nowhere");
    refused(&["reproduce", "omnigrok-mnist", "--images", &missing, "--out", &out], &["train-images-idx3"]);
    let (code, stdout, _) = run(&["reproduce", "--list"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("--full") && stdout.contains("deep-1"), "{stdout}");
}

/// Killed at any moment: every file is whole, and another run makes what is missing.
#[test]
fn a_killed_run_goes_on() {
    let folder = Folder::new();
    let out = folder.text("out");
    for round in 0..6 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_groktime"))
            .args(["reproduce", "effective-4c", "ridge-control", "--out", &out])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let began = Instant::now();
        while !folder.path("out").is_dir() && began.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(15 * round));
        child.kill().expect("killed");
        child.wait().expect("gone");
        for entry in std::fs::read_dir(&out).expect("a folder") {
            let path = entry.expect("a file").path();
            let bytes = std::fs::read(&path).expect("a file");
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            let whole = match name.rsplit_once('.').map(|(_, extension)| extension) {
                // A temporary name of the writer: no one takes it for a result.
                _ if name.starts_with('.') => true,
                Some("json") => serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
                Some("svg") => bytes.ends_with(b"</svg>\n") || bytes.ends_with(b"</svg>"),
                Some("png") => bytes.ends_with(b"IEND\xaeB`\x82"),
                _ => bytes.ends_with(b"\n"),
            };
            assert!(whole, "{name} is cut after {} bytes", bytes.len());
        }
    }
    let (code, _, stderr) = run(&["reproduce", "effective-4c", "ridge-control", "--out", &out]);
    assert_eq!(code, 0, "{stderr}");
    for name in ["effective-4c.json", "ridge-control.json"] {
        assert!(folder.path("out").join(name).is_file(), "{name}");
    }
}

const STATEMENTS: &str = r#"{"command":"verify","version":"0.1.0","schema":1,"violated":false,"statements":[
{"model":"ridge","source":"2601.19791 (7)","form":"printed","quantity":"t2 <&>","side":"lower","instances":3,"applicable":2,"informative":2,
 "holds":1,"fails":1,"worst_slack":-3.5,"value":7.5,"measured":4,"at_time":null,"rate":null,"outcome":"known-erratum",
 "hypotheses":[{"name":"m > n","have":10,"need":5,"holds":true}],"note":"its proof needs more"},
{"model":"effective","source":"2205.10343 eq. 9","form":"derived","quantity":"rate","side":"equal","instances":1,"applicable":1,"informative":1,
 "holds":1,"fails":0,"worst_slack":0,"value":1,"measured":1,"at_time":3,"rate":{"draws":10,"failures":1},"outcome":"holds",
 "hypotheses":[],"note":""}]}"#;

#[test]
fn the_page_holds_everything() {
    let folder = Folder::new();
    figure(&folder, &["--quiet"]);
    let statements = folder.file("statements.json", STATEMENTS);
    let (code, stdout, stderr) = run(&["report", &folder.text("out"), "--statements", &statements]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("index.html: 1 figures, 2 statements"), "{stdout}");
    let page = std::fs::read_to_string(folder.path("out").join("index.html")).expect("a page");
    // From elsewhere only where a reader follows a link.
    for (at, _) in page.match_indices("http") {
        let before = &page[..at];
        let within = before.ends_with("<a href=\"")
            || before.ends_with("xmlns='")
            || before.ends_with("xmlns:xlink='");
        assert!(within, "{}", &page[at - 40..at + 60]);
    }
    for part in [
        "<section id=\"paper-2601-19791\">",
        "<article id=\"figure-effective-4c\">",
        "Not made yet: ridge-1, ",
        "<math",
        "data:image/svg+xml,",
        "397.766524 (single precision)",
        "prefers-color-scheme: dark",
        "t2 &lt;&amp;&gt; ≥ 7.50000",
        "m &gt; n: has 10, needs 5",
        "<span class=\"mark known-erratum\">erratum</span>",
        "1/1/1; 1 of 10 draws fail",
        "2/2/3",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let folder = Folder::new();
    refused(&["report", &folder.text("")], &["no figure", "groktime reproduce all"]);
    figure(&folder, &["--quiet"]);
    let other = folder.file("s.json", "{\"command\":\"sweep\"}");
    refused(&["report", &folder.text("out"), "--statements", &other], &["s.json", "verify all --json"]);
    refused(&["report", &folder.text("out"), "--statements", &folder.text("none.json")], &["none.json"]);
    refused(&["reproduce", "ridge-99", "--out", &folder.text("x")], &["ridge-99", "ridge-1", "all"]);
    let (code, stdout, _) = run(&["reproduce", "--list"]);
    assert!(code == 0 && stdout.contains("dichotomy-1a") && stdout.contains("2311.18817"), "{stdout}");
}
