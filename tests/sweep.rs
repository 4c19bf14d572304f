//! Sweeps as a library: interruption, threads, locks, errors. What happens to a process is tested with the program.

use std::ops::ControlFlow;
use std::path::Path;

use groktime::Error;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::linalg::Engine;
use groktime::sweep::{Journal, Shard, Sweep, merge};

const SETTINGS: &str = "norms of Gram matrices";

fn sweep(points: u64) -> Sweep<'static, &'static str> {
    Sweep::new(&SETTINGS, points, &|point| format!("the norm of Gram matrix {point}"))
}

/// A kernel that uses the threads it finds: its last bits depend on their number.
fn solve(point: u64) -> groktime::Result<f64> {
    assert_eq!(rayon::current_num_threads(), 1, "a point sees one thread");
    let x = gaussian_matrix(60, 300, 1.0, &mut generator(point, 0));
    Ok(Engine::PARALLEL.gram(x.view()).sum())
}

fn on(threads: usize, path: &Path, points: u64) -> Vec<u8> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| sweep(points).run(path, solve, |_| ControlFlow::Continue(()))).expect("it runs");
    std::fs::read(path).expect("a journal")
}

#[test]
fn the_same_bytes_for_any_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = on(1, &folder.path().join("1"), 40);
    for threads in [2, 4, 7] {
        assert_eq!(on(threads, &folder.path().join(threads.to_string()), 40), one, "{threads} threads");
    }
}

#[test]
fn interrupted_and_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = on(2, &folder.path().join("whole"), 30);
    let path = folder.path().join("parts");
    let (mut done, mut rounds) = (0, 0);
    while done < 30 {
        let mut heard = Vec::new();
        let ended = sweep(30).run(&path, solve, |progress| {
            heard.push(progress.done);
            if progress.solved >= 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let ended = ended.expect("it runs");
        assert_eq!(heard[0], done, "the start is told");
        // One by one; those in flight after the break are kept as well.
        assert!(heard.windows(2).all(|w| w[1] == w[0] + 1) && heard.last() == Some(&ended.done));
        assert!(ended.done > done && ended.total == 30);
        (done, rounds) = (ended.done, rounds + 1);
    }
    assert!((4..=5).contains(&rounds), "{rounds} rounds");
    assert_eq!(std::fs::read(&path).expect("a journal"), whole);
    // Broken before anything: nothing is solved.
    let idle = sweep(30).run(
        &folder.path().join("idle"),
        |_| -> groktime::Result<f64> { panic!() },
        |_| ControlFlow::Break(()),
    );
    assert_eq!(idle.expect("it runs").done, 0);
}

#[test]
fn shards_of_any_partition_merge() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = on(1, &folder.path().join("whole"), 23);
    for of in [1, 2, 5, 23, 30] {
        let names: Vec<_> = (0..of).map(|index| folder.path().join(format!("{index}-{of}"))).collect();
        for (index, name) in (0..).zip(&names) {
            let shard = Sweep { shard: Shard { index, of }, ..sweep(23) };
            let ended = shard.run(name, solve, |_| ControlFlow::Continue(())).expect("it runs");
            assert_eq!(ended.total, (0..23).filter(|&point| Shard { index, of }.has(point)).count() as u64);
        }
        let merged = folder.path().join("merged");
        let files: Vec<&Path> = names.iter().rev().map(|n| n.as_path()).collect();
        merge(&merged, &sweep(23), &files).expect("merged");
        assert_eq!(std::fs::read(&merged).expect("a journal"), whole, "{of} shards");
    }
}

#[test]
fn numbers_read_back_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bits");
    let value = |point: u64| f64::from_bits(0x3fb9_9999_9999_9990 + 7919 * point);
    sweep(500).run(&path, |point| Ok(value(point)), |_| ControlFlow::Continue(())).expect("it runs");
    let mut seen = 0;
    Journal::each(&path, |line| {
        let read: f64 = serde_json::from_str(line.value.get()).expect("a number");
        assert_eq!(read.to_bits(), value(line.point).to_bits());
        seen += 1;
        Ok(())
    })
    .expect("read");
    assert_eq!(seen, 500);
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("locked");
    let open = Journal::open(&path, &sweep(3)).expect("open");
    let error = sweep(3).run(&path, solve, |_| ControlFlow::Continue(())).expect_err("locked");
    assert!(error.is_bad_input() && error.to_string().contains("another process"), "{error}");
    drop(open);
    sweep(3).run(&path, solve, |_| ControlFlow::Continue(())).expect("free again");
}

/// Numbers to square: a journal of their squares.
fn squares(path: &Path, numbers: &[u64]) -> groktime::Result<groktime::sweep::Ended> {
    let what = |point: u64| format!("the square of {}", numbers[point as usize]);
    let sweep = Sweep::new(&numbers, numbers.len() as u64, &what);
    sweep.run(path, |point| Ok(numbers[point as usize].pow(2)), |_| ControlFlow::Continue(()))
}

fn lines(path: &Path) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    Journal::each(path, |line| {
        lines.push((line.point, line.value.get().to_owned()));
        Ok(())
    })
    .expect("a journal");
    lines
}

#[test]
fn a_mended_sweep_keeps_the_points_it_still_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("squares.jsonl");
    assert_eq!(squares(&path, &[2, 3, 5, 7]).expect("it runs").solved, 4);
    // Two more, one of them a number that was there, in another order.
    let more = squares(&path, &[7, 2, 11, 3, 5, 2]).expect("it runs");
    assert_eq!((more.solved, more.done, more.total), (2, 6, 6));
    let expected: Vec<(u64, String)> = (0..).zip([49, 4, 121, 9, 25, 4].map(|n| n.to_string())).collect();
    assert_eq!(lines(&path), expected);
    // Byte for byte what one run leaves, and nothing beside it.
    let fresh = folder.path().join("fresh.jsonl");
    squares(&fresh, &[7, 2, 11, 3, 5, 2]).expect("it runs");
    assert_eq!(std::fs::read(&path).expect("a journal"), std::fs::read(&fresh).expect("a journal"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    // Points are left out: what was there stays beside it.
    let before = std::fs::read(&path).expect("a journal");
    assert_eq!(squares(&path, &[2, 13]).expect("it runs").solved, 1);
    assert_eq!(lines(&path), [(0, "4".to_owned()), (1, "169".to_owned())]);
    assert_eq!(std::fs::read(folder.path().join("squares.jsonl.1")).expect("the old one"), before);
    // No point is shared: another sweep.
    let error = squares(&path, &[17, 19]).expect_err("another sweep").to_string();
    assert!(error.contains("line 1") && error.contains("settings[0]: 2 there, 17 here"), "{error}");
    assert_eq!(lines(&path).len(), 2);
}

#[test]
fn what_has_no_room_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rooms");
    let whole = on(2, &folder.path().join("whole"), 12);
    let small = |point: u64| match point % 5 {
        3 => groktime::memory::check("point", 1e30).and_then(|()| solve(point)),
        _ => solve(point),
    };
    let ended = sweep(12).run(&path, small, |_| ControlFlow::Continue(())).expect("it goes on");
    assert_eq!((ended.done, ended.solved, ended.total), (10, 10, 12));
    assert_eq!(ended.refused.iter().map(|(point, _)| *point).collect::<Vec<_>>(), [3, 8]);
    assert!(ended.refused.iter().all(|(_, e)| matches!(e, Error::Memory { needed: 1e30, .. })));
    let ended = sweep(12).run(&path, solve, |_| ControlFlow::Continue(())).expect("it runs");
    assert_eq!((ended.solved, ended.refused.len()), (2, 0));
    assert_eq!(std::fs::read(&path).expect("a journal"), whole);
}

#[test]
fn points_at_the_same_time_share_the_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("a pool");
    let allowed = groktime::memory::allowed();
    let part = |_| Ok(groktime::memory::allowed());
    let path = folder.path().join("shared");
    pool.install(|| sweep(9).run(&path, part, |_| ControlFlow::Continue(()))).expect("it runs");
    assert!(lines(&path).iter().all(|(_, value)| *value == (allowed / 4).to_string()));
}

#[test]
fn errors_stop_and_keep() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stopped");
    let failing = |point: u64| match point {
        11 => Err(Error::Numerical { method: "test", detail: "point 11".to_owned() }),
        _ => solve(point),
    };
    let error = sweep(1000).run(&path, failing, |_| ControlFlow::Continue(())).expect_err("point 11 fails");
    assert!(error.to_string().contains("point 11"));
    let mut kept = 0;
    Journal::each(&path, |_| {
        kept += 1;
        Ok(())
    })
    .expect("read");
    assert!((1..100).contains(&kept), "{kept}");
    let nowhere = folder.path().join("no/such/folder");
    let error = sweep(3).run(&nowhere, solve, |_| ControlFlow::Continue(())).expect_err("no folder");
    assert!(!error.is_bad_input(), "an output, not an input: {error}");
    let outside = Sweep { shard: Shard { index: 3, of: 3 }, ..sweep(3) };
    assert!(outside.run(&path, solve, |_| ControlFlow::Continue(())).is_err());
}
