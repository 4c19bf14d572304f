//! Every command that README.md and the book show runs, and says what is shown.
//!
//! Fenced blocks marked `console` are read: a line that starts with `$ ` is a command, the lines after it are what
//! it prints, and `…` stands for anything; in blocks marked `console,yours` the output depends on the reader's own
//! files and is not compared. Commands that take minutes run with GROKTIME_FULL=1 only.

use std::path::{Path, PathBuf};

use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::files::write_npy;
use ndarray::{Array1, Array2, ArrayView, Dimension};
use rayon::prelude::*;

/// A command with what the documentation says that it prints.
struct Shown {
    place: String,
    command: String,
    output: Vec<String>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// README.md and the chapters, by name.
fn pages() -> Vec<PathBuf> {
    let book = std::fs::read_dir(repository().join("docs/src")).expect("the book");
    let mut pages: Vec<PathBuf> = book.map(|entry| entry.expect("a chapter").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|e| e == "md"));
    pages.sort();
    pages.insert(0, repository().join("README.md"));
    pages
}

fn shown(path: &Path) -> Vec<Shown> {
    let text = std::fs::read_to_string(path).expect("a page");
    let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
    let mut all: Vec<Shown> = Vec::new();
    let (mut inside, mut compared, mut goes_on) = (false, true, false);
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            inside = line.starts_with("```console");
            compared = line == "```console";
            goes_on = false;
            continue;
        }
        if !inside {
            continue;
        }
        let place = format!("{name}:{number}");
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => {
                all.push(Shown { place, command: command.to_owned(), output: Vec::new() });
                goes_on = command.ends_with('\\');
            }
            (None, Some(last)) if goes_on => {
                last.command += &format!("\n{line}");
                goes_on = line.ends_with('\\');
            }
            (None, Some(last)) if compared => last.output.push(line.trim_end().to_owned()),
            (None, Some(_)) => {}
            (None, None) => panic!("{place}: output without a command"),
        }
    }
    all
}

/// Files that a page shows: blocks marked `toml` after a line that names them, as in "`decay.toml`:".
fn configurations(path: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).expect("a page");
    let mut parts = text.split("```toml\n");
    let mut before = parts.next().unwrap_or_default();
    let mut found = Vec::new();
    for part in parts {
        let (content, after) = part.split_once("\n```").expect("the end of a block");
        let said = before.trim_end().lines().last().unwrap_or_default();
        if let Some(name) = said.split('`').find(|word| word.ends_with(".toml")) {
            found.push((name.to_owned(), content.to_owned()));
        }
        before = after;
    }
    found
}

/// What building and testing is left to the other tests.
fn builds(command: &str) -> bool {
    command.starts_with("cargo ") && !command.starts_with("cargo run")
}

/// Commands that take their time.
fn heavy(command: &str) -> bool {
    let long = [
        "groktime verify diagonal",
        "groktime verify all",
        "groktime report",
        "--dimension 100000",
        "--symbols 5000",
    ];
    let figures = command.contains("groktime reproduce") && !command.contains("--list");
    figures || long.iter().any(|part| command.contains(part))
}

/// The files that commands name: any of the right shape will do, and those that Python makes in the book.
fn files(folder: &Path) {
    fn save<D: Dimension>(folder: &Path, name: &str, array: ArrayView<'_, f64, D>) {
        write_npy(&folder.join(name), array).expect("written");
    }
    let normal = |n: usize, m: usize, stream| gaussian_matrix(n, m, 1.0, &mut generator(0, stream));
    let (n, m) = (60, 400);
    let scale = Array1::linspace(0.5, 1.5, m) / m as f64;
    save(folder, "features.npy", (normal(n, m, 0) * scale.mapv(f64::sqrt)).view());
    save(folder, "covariance.npy", Array2::from_diag(&scale).view());
    save(folder, "teacher.npy", gaussian_vector(m, 1.0 / m as f64, &mut generator(0, 1)).view());
    // README: ridge regression on one's own problem.
    save(folder, "F.npy", (normal(20, 50, 2) / 7.0).view());
    save(folder, "C.npy", (Array2::<f64>::eye(50) / 50.0).view());
    // Diagonal nets. T.npy, one row to test on, is the teacher of F.npy as well.
    let (x, t) = (normal(12, 50, 3), normal(1, 50, 4));
    save(folder, "X.npy", x.view());
    save(folder, "y.npy", x.column(0).mapv(f64::signum).view());
    save(folder, "t.npy", t.column(0).mapv(f64::signum).view());
    save(folder, "T.npy", t.view());
}

#[test]
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    ignore = "exact bits, recorded on Linux on x86-64"
)]
fn commands_run_and_say_what_is_shown() {
    let results: Vec<Vec<Result<(), String>>> = pages().par_iter().map(|page| run_page(page)).collect();
    let all: Vec<Result<(), String>> = results.into_iter().flatten().collect();
    let failures: Vec<&str> = all.iter().filter_map(|r| r.as_ref().err().map(String::as_str)).collect();
    assert!(failures.is_empty(), "{} of {} commands:\n{}", failures.len(), all.len(), failures.join("\n"));
    assert!(all.len() > 30, "only {} commands were found", all.len());
}

/// Runs the commands of a page in one folder: later ones use what earlier ones made.
fn run_page(page: &Path) -> Vec<Result<(), String>> {
    let full = std::env::var_os("GROKTIME_FULL").is_some();
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path());
    for (name, content) in configurations(page) {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    let all = shown(page).into_iter();
    let wanted = all.filter(|shown| !builds(&shown.command) && (full || !heavy(&shown.command)));
    wanted.filter_map(|shown| run_command(&shown, folder.path())).collect()
}

/// `None` for an example that is not there: `cargo test` of the whole workspace builds them.
fn run_command(shown: &Shown, folder: &Path) -> Option<Result<(), String>> {
    let Shown { place, command, output } = shown;
    let bin = Path::new(env!("CARGO_BIN_EXE_groktime")).parent().expect("a folder");
    let examples = bin.join("examples");
    let example = command.strip_prefix("cargo run --release --example ");
    if example.is_some_and(|name| !examples.join(name.trim()).exists()) {
        return None;
    }
    let script = command
        .replace("cargo run --release --example ", &format!("{}/", examples.display()))
        .replace("cargo run --release --", "groktime");
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin.to_owned()].into_iter().chain(std::env::split_paths(&rest)));
    let result = std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", &script])
        .current_dir(folder)
        .env("PATH", path.expect("a path"))
        .env_remove("COLUMNS")
        .output()
        .expect("bash");
    if !result.status.success() {
        let stderr = String::from_utf8_lossy(&result.stderr);
        return Some(Err(format!("{place}: {command}\n  {:?}: {stderr}", result.status.code())));
    }
    Some(match first_missing(output, &String::from_utf8_lossy(&result.stdout)) {
        Some(missing) => Err(format!("{place}: {command}\n  does not say (any more): {missing:?}")),
        None => Ok(()),
    })
}

/// The first line shown that the program does not print, in order.
fn first_missing<'a>(shown: &'a [String], said: &str) -> Option<&'a str> {
    let mut lines = said.lines().map(tokens);
    let mut wanted = shown.iter().map(String::as_str).filter(|line| !line.is_empty());
    wanted.find(|wanted| {
        // A rule is as long as the table is wide: rows that are left out may be wider.
        let rule = wanted.chars().all(|c| c == '─');
        !rule && *wanted != "…" && !lines.any(|line| alike(&tokens(wanted), &line, room(wanted)))
    })
}

/// How far numbers may be apart: last digits, and with them the steps of an integrator, depend on the processor.
fn room(line: &str) -> f64 {
    if line.contains("right-hand sides") { 0.1 } else { 0.02 }
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Number(f64),
    /// `…`
    Anything,
}

/// Letters and numbers; without the seconds that something took.
fn tokens(line: &str) -> Vec<Token> {
    let line = match line.trim_end().strip_suffix(" s)").and_then(|head| head.rsplit_once('(')) {
        Some((head, seconds)) if seconds.parse::<f64>().is_ok() => head,
        _ => line,
    };
    let mut all = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = number(rest).max(first.len_utf8());
        let (token, after) = rest.split_at(length);
        match (token.parse::<f64>(), first) {
            (Ok(x), c) if c.is_ascii_digit() || c == '-' => all.push(Token::Number(x)),
            (_, '…') => all.push(Token::Anything),
            (_, c) if c.is_whitespace() => {}
            _ => all.push(Token::Word(token.to_owned())),
        }
        rest = after;
    }
    all
}

/// Length of the number at the beginning of a text.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |k: usize| bytes.get(k).is_some_and(u8::is_ascii_digit);
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    if !digit(end) {
        return 0;
    }
    let run = |mut k: usize| {
        while digit(k) {
            k += 1;
        }
        k
    };
    end = run(end);
    if bytes.get(end) == Some(&b'.') && digit(end + 1) {
        end = run(end + 1);
    }
    if bytes.get(end) == Some(&b'e') {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        if digit(end + 1 + sign) {
            end = run(end + 1 + sign);
        }
    }
    end
}

fn alike(wanted: &[Token], line: &[Token], room: f64) -> bool {
    match (wanted.split_first(), line.split_first()) {
        (None, None) => true,
        (Some((Token::Anything, after)), _) => (0..=line.len()).any(|k| alike(after, &line[k..], room)),
        (Some((Token::Number(a), wanted)), Some((Token::Number(b), line))) => {
            // What rounding alone leaves has no digits to compare.
            let both_nothing = a.abs() < 1e-12 && b.abs() < 1e-12;
            (both_nothing || (a - b).abs() <= room * a.abs()) && alike(wanted, line, room)
        }
        (Some((a, wanted)), Some((b, line))) => a == b && alike(wanted, line, room),
        _ => false,
    }
}

#[test]
fn shown_lines_are_compared() {
    let shown = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    assert_eq!(first_missing(&shown(&["a", "…", "c"]), "a\nb\nc\n"), None);
    assert_eq!(first_missing(&shown(&["c", "a"]), "a\nb\nc\n"), Some("a"));
    assert_eq!(first_missing(&shown(&["{\"t\":1…"]), "{\"t\":1,\"u\":2}"), None);
    assert_eq!(first_missing(&shown(&["x… z"]), "x y z"), None);
    assert_eq!(first_missing(&shown(&["x… z"]), "x y"), Some("x… z"));
    assert_eq!(first_missing(&shown(&["figure (1.1 s)"]), "figure (23.0 s)"), None);
    assert_eq!(first_missing(&shown(&["t2  1.000e-4"]), "t2 0.00010001"), None);
    assert_eq!(first_missing(&shown(&["t2  100"]), "t2 103"), Some("t2  100"));
    assert_eq!(first_missing(&shown(&["t2  100"]), "t2 -100"), Some("t2  100"));
    assert_eq!(first_missing(&shown(&["loss 3e-31"]), "loss 0"), None);
}
