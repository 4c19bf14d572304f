//! The structure of the library, read from its files: rooms stand on floors, arrows go down, and no file is long.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// The rooms of the library, from the ground up: a room may use what stands before it, and nothing else.
const FLOORS: [&str; 18] = [
    "error",
    "memory",
    "trajectory",
    "loss",
    "linalg",
    "crossing",
    "digits",
    "data",
    "ode",
    "limits",
    "grokking",
    "theorem",
    "ridge",
    "diagonal",
    "completion",
    "effective",
    "network",
    "sweep",
];

/// One idea a file.
const LONGEST_FILE: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under a folder of the repository.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The room of a file in `src`: the first name of its path. The crate's root is in no room.
fn room(path: &Path) -> Option<String> {
    let inner = path.strip_prefix(root().join("src")).ok()?;
    let first = inner.components().next()?.as_os_str().to_str()?;
    let name = first.trim_end_matches(".rs");
    (name != "lib").then(|| name.to_owned())
}

/// The rooms that a text names by a path from the crate's root, in code and not in comments or tests at its end: `crate::a::…` as well
/// as each first name in `crate::{a, b::…}`.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or(text);
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut named = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            named.insert(name(after));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    named.insert(name(&list[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    named
}

#[test]
fn paths_are_read() {
    let text = "use crate::data::{Task, files};\nuse crate::{\n    error::{Error, Result},\n    loss, // crate::sweep\n};\n\
                /// [`crate::ridge`]\nfn f(x: crate::ode::Options) {}";
    let expected = ["data", "error", "loss", "ode"].map(str::to_owned);
    assert_eq!(rooms_named(text), BTreeSet::from(expected));
}

#[test]
fn arrows_go_down() {
    let floor = |room: &str| FLOORS.iter().position(|&name| name == room);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in files(&root().join("src")) {
        let Some(room) = room(&path) else { continue };
        let Some(here) = floor(&room) else {
            wrong.push(format!("{}: the room {room} stands on no floor", path.display()));
            continue;
        };
        for used in rooms_named(&read_to_string(&path).expect("a text")) {
            if floor(&used).is_some_and(|there| there > here) {
                wrong.push(format!("{}: {room} uses {used}, which stands above it", path.display()));
            }
        }
        seen.insert(room);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for room in FLOORS {
        assert!(seen.contains(room), "there is no room {room}");
    }
}

#[test]
fn no_file_is_long() {
    let folders =
        ["src", "cli/src", "cli/tests", "python/src", "tests", "benches", "examples", "fuzz/fuzz_targets"];
    let mut long = Vec::new();
    for path in folders.iter().flat_map(|folder| files(&root().join(folder))) {
        let lines = read_to_string(&path).expect("a text").lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{}: {lines} lines, at most {LONGEST_FILE}", path.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
