//! Damaged files: valid bytes that the library wrote, then flipped, cut, doubled.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use groktime::data::files::{
    read_array, read_csv_bytes, read_npy_bytes, read_npz_bytes, write_npy, write_npz,
};
use groktime::data::idx::read_idx;
use groktime::network::Checkpoint;
use groktime::sweep::{Journal, Sweep};
use ndarray::{Array2, Array3};
use std::ops::ControlFlow;

use crate::hostile::Draw;

thread_local! {
    /// A folder a thread.
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

fn place(name: &str) -> PathBuf {
    FOLDER.with_borrow_mut(|folder| {
        folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder")).path().join(name)
    })
}

/// Bytes that a writer leaves in a file.
fn written(name: &str, write: impl FnOnce(&std::path::Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    write(&path);
    fs::read(path).expect("what was written")
}

fn samples() -> &'static [Vec<u8>; 4] {
    static SAMPLES: OnceLock<[Vec<u8>; 4]> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let matrix = Array2::from_shape_fn((3, 2), |(i, j)| i as f64 - 0.1 * j as f64);
        let cube = Array3::from_shape_fn((2, 2, 2), |(i, j, k)| (i + 2 * j + 4 * k) as f64);
        let npy = written("a.npy", |p| write_npy(p, matrix.view()).expect("written"));
        let npz = written("a.npz", |p| {
            write_npz(p, &[("x", matrix.clone().into_dyn()), ("y", cube.clone().into_dyn())])
                .expect("written")
        });
        let csv = b"# a comment\n1.5,-2e3,0x10\n3,4.25,nan\n\"5\",6,7e-310\n".to_vec();
        let fortran =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }".to_vec();
        let mut fortran = fortran;
        fortran.resize(127, b' ');
        fortran.push(b'\n');
        (0..6).for_each(|k| fortran.extend((k as f32).to_le_bytes()));
        [npy, npz, csv, fortran]
    })
}

pub fn files(draw: &mut Draw) {
    let kind = draw.below(4);
    let mut bytes = samples()[kind].clone();
    draw.damage(&mut bytes);
    match kind {
        0 | 3 => drop(draw.note(read_npy_bytes(&bytes, "a"))),
        1 => {
            let member = draw.pick(&["x", "y", "z", ""]);
            draw.note(read_npz_bytes(&bytes, member, "a"));
        }
        _ => drop(draw.note(read_csv_bytes(&bytes, "a"))),
    }
    if draw.chance(0.02) {
        let path = place(draw.pick(&["a.npy", "a.csv", "a.npz", "a.txt", "a"]));
        fs::write(&path, &bytes).expect("written");
        draw.note(read_array(&path));
    }
}

pub fn idx(draw: &mut Draw) {
    let mut bytes = vec![0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
    draw.damage(&mut bytes);
    let path = place(draw.pick(&["images-idx3-ubyte", "images-idx3-ubyte.gz"]));
    fs::write(&path, &bytes).expect("written");
    draw.note(read_idx(&path));
}

pub fn checkpoint(draw: &mut Draw) {
    static SAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    let sample = SAMPLE.get_or_init(|| {
        let checkpoint = Checkpoint {
            step: 12,
            ln_time: 0.5,
            train_step: Some(3),
            test_step: None,
            parameters: vec![1.0; 5],
            first: vec![0.0; 5],
            second: vec![0.5; 5],
        };
        written("c.npz", |p| checkpoint.write(p).expect("written"))
    });
    let mut bytes = sample.clone();
    draw.damage(&mut bytes);
    let path = place("c.npz");
    fs::write(&path, &bytes).expect("written");
    draw.note(Checkpoint::read(&path));
}

pub fn journal(draw: &mut Draw) {
    let sweep = Sweep::new(&"squares", 5, &|point| format!("{point} squared"));
    static SAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    let sample = SAMPLE.get_or_init(|| {
        written("j.jsonl", |p| {
            sweep.run(p, |point| Ok(point * point), |_| ControlFlow::Continue(())).expect("solved");
        })
    });
    let mut bytes = sample.clone();
    draw.damage(&mut bytes);
    let path = place("j.jsonl");
    fs::write(&path, &bytes).expect("written");
    draw.note(Journal::each(&path, |_| Ok(())));
    // A journal that can be opened is gone on with, and then is whole.
    if draw.note(sweep.run(&path, |point| Ok(point * point), |_| ControlFlow::Continue(()))).is_some() {
        let mut points = 0;
        Journal::each(&path, |_| {
            points += 1;
            Ok(())
        })
        .expect("a journal that was gone on with");
        assert_eq!(points, 5);
    }
}
