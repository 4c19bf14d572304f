//! A journal of a sweep tells every changed bit: fingerprints seal each line and the heading.

use std::ops::ControlFlow;
use std::path::Path;

use groktime::sweep::{Journal, Sweep};

const SETTINGS: [f64; 2] = [0.1, 31.0];

fn run(path: &Path) -> groktime::Result<()> {
    let what = |point: u64| format!("the root of {}", SETTINGS[point as usize]);
    let sweep = Sweep::new(&SETTINGS, 2, &what);
    sweep.run(path, |point| Ok(SETTINGS[point as usize].sqrt()), |_| ControlFlow::Continue(())).map(|_| ())
}

fn content(path: &Path) -> groktime::Result<Vec<(u64, String)>> {
    let mut lines = Vec::new();
    Journal::each(path, |line| {
        lines.push((line.point, line.value.get().to_owned()));
        Ok(())
    })?;
    Ok(lines)
}

/// Every single bit of a journal: a flip is an error that names its line, for those who read and for those who go on.
#[test]
fn no_flipped_bit_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("roots.jsonl");
    run(&path).expect("it runs");
    let whole = std::fs::read(&path).expect("a journal");
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).expect("written");
        let line = whole[..bit / 8].iter().filter(|&&byte| byte == b'\n').count() + 1;
        for error in [content(&path).err(), run(&path).err()] {
            let error = error.unwrap_or_else(|| panic!("bit {bit} in line {line} passed")).to_string();
            assert!(error.contains(&format!("line {line}:")), "bit {bit} in line {line}: {error}");
        }
        assert_eq!(std::fs::read(&path).expect("a journal"), flipped, "a refused journal stays as it is");
    }
}

/// What an interruption leaves is no damage: all cuts but those within the heading of another sweep.
#[test]
fn every_cut_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("roots.jsonl");
    run(&path).expect("it runs");
    let whole = std::fs::read(&path).expect("a journal");
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).expect("written");
        run(&path).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert_eq!(std::fs::read(&path).expect("a journal"), whole, "cut at {cut}");
    }
}

/// A line that belongs to another point, whole and sealed as it is, is not this point's.
#[test]
fn a_line_of_other_parameters_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    run(&one).expect("it runs");
    let what = |point: u64| format!("the root of {}", SETTINGS[1 - point as usize]);
    let swapped = Sweep::new(&SETTINGS, 2, &what);
    swapped.run(&other, Ok, |_| ControlFlow::Continue(())).expect("it runs");
    let error = run(&other).expect_err("other parameters").to_string();
    assert!(error.contains("line 2") && error.contains("point 0 has other parameters"), "{error}");
}
