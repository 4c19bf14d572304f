//! Certified crossing times against brute force, and the search itself on hand-made curves.
#[path = "../common/mod.rs"]
mod common;
mod search;

use common::*;
use groktime::crossing::{Crossing, End};
use groktime::data::features::{gaussian_vector, generator};
use groktime::ridge::{Settings, Target};
use ndarray::Array1;
use rand::RngExt;

/// Losses of gradient descent by the loop itself, up to `steps`.
fn traces(case: &Case, steps: usize) -> (Vec<f64>, Vec<f64>) {
    let (n, m) = case.features.dim();
    let phi: Vec<f64> = case.features.iter().copied().collect();
    let y: Vec<f64> = case.labels().iter().map(f64_of).collect();
    let (eta, lambda) = (case.settings.step_size, case.settings.weight_decay);
    let Target::Teacher { weights, .. } = &case.target else { panic!("linear teachers only") };
    let Test::Isotropic(variance) = case.test else { panic!("isotropic only") };
    let mut theta: Vec<f64> = case.init.iter().map(|x| x * case.settings.init_scale).collect();
    let (mut train, mut test) = (Vec::with_capacity(steps + 1), Vec::with_capacity(steps + 1));
    let mut residual = vec![0.0; n];
    for _ in 0..=steps {
        for i in 0..n {
            residual[i] = phi[i * m..(i + 1) * m].iter().zip(&theta).map(|(a, b)| a * b).sum::<f64>() - y[i];
        }
        train.push(residual.iter().map(|r| r * r).sum::<f64>() / (2 * n) as f64);
        test.push(variance * theta.iter().zip(weights).map(|(a, b)| (a - b) * (a - b)).sum::<f64>());
        for (j, x) in theta.iter_mut().enumerate() {
            let pull: f64 = (0..n).map(|i| phi[i * m + j] * residual[i]).sum();
            *x -= eta / n as f64 * pull + eta * lambda * *x;
        }
    }
    (train, test)
}

/// A small problem on which losses fall below their limits and rise again: θ₀ starts beyond the teacher
/// in some directions, so that residuals pass through zero on their way to the limit −λ/g·y.
fn dipping_case(seed: u64) -> Case {
    let rng = &mut generator(seed, 3);
    let n = rng.random_range(1..=4);
    let m = rng.random_range(n..=6);
    let sigma: Vec<f64> = (0..n).map(|_| 10.0_f64.powf(rng.random_range(-1.0..0.0))).collect();
    let u = orthonormal(n, n, rng);
    let v = orthonormal(m, n, rng);
    let root = (n as f64).sqrt();
    let features = (&u * &Array1::from_vec(sigma.iter().map(|s| s * root).collect())).dot(&v.t());
    let features = features.as_standard_layout().into_owned();
    let teacher = gaussian_vector(m, 1.0, rng);
    let mut init = gaussian_vector(m, 0.01, rng);
    for i in 0..n {
        let beyond = rng.random_range(-3.0..6.0) * v.column(i).dot(&teacher);
        init.scaled_add(beyond, &v.column(i));
    }
    init.scaled_add(rng.random_range(0.0..2.0), &teacher);
    let noise = rng.random_bool(0.4).then(|| gaussian_vector(n, 0.05, rng));
    let weight_decay = *pick(&[0.0, 1e-3, 0.01, 0.05, 0.2], rng);
    let fastest = sigma.iter().fold(0.0_f64, |a, s| a.max(s * s)) + weight_decay;
    let eta_g: f64 = *pick(&[0.01, 0.1, 0.5, 0.95, 1.2, 1.6, 1.9, 1.99], rng);
    Case {
        name: format!(
            "seed {seed} n {n} m {m} lambda {weight_decay} eta g {eta_g} noise {}",
            noise.is_some()
        ),
        kappa: 10.0,
        features,
        target: Target::Teacher { weights: teacher, noise },
        init,
        test: Test::Isotropic(0.5),
        settings: Settings { step_size: eta_g / fastest, weight_decay, ..Default::default() },
    }
}

/// Thresholds of all kinds for one trace: between its extremes, and at, or close to, its local extremes;
/// and whether the curve only touches them (then rounding may rightly blur the answer).
fn thresholds(trace: &[f64], seed: u64) -> Vec<(f64, bool)> {
    let rng = &mut generator(seed, 4);
    let (mut all, mut touching) = (Vec::new(), Vec::new());
    let last = trace[trace.len() - 1];
    let (lo, hi) = trace.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
    for _ in 0..4 {
        all.push(lo.max(1e-12 * hi) * (hi / lo.max(1e-12 * hi)).powf(rng.random::<f64>()));
    }
    all.extend([2.0 * hi, 0.5 * lo, last * 1.01, last * 0.99, last * (1.0 + 1e-6), last * (1.0 - 1e-6)]);
    let extremes: Vec<f64> = trace
        .windows(3)
        .filter(|w| (w[1] - w[0]) * (w[2] - w[1]) < 0.0)
        .map(|w| w[1])
        .filter(|x| (x - last).abs() > 1e-9 * last)
        .collect();
    for _ in 0..4.min(extremes.len()) {
        let x = *pick(&extremes, rng);
        all.extend([1e-2, 1e-5, 1e-8].iter().flat_map(|d| [x * (1.0 + d), x * (1.0 - d)]));
        touching.push(x);
    }
    // Below, the loop's own rounding decides.
    let usable = |x: &f64| *x > 1e-18 * hi && x.is_finite();
    let plain = all.into_iter().filter(usable).map(|x| (x, false));
    plain.chain(touching.into_iter().filter(usable).map(|x| (x, true))).collect()
}

#[derive(Default)]
struct Count {
    at: usize,
    wide: usize,
    touching: usize,
    widest: u64,
    from_start: usize,
    never: usize,
    undecided: usize,
    failed: usize,
    several: usize,
    horizon: usize,
    by_reference: usize,
}

#[test]
fn times_are_those_of_the_loop() {
    let problems = if full() { 2000 } else { 250 };
    let (mut last, mut first) = (Count::default(), Count::default());
    let mut bad = Vec::new();
    for seed in 0..problems {
        let case = dipping_case(seed);
        let steps = if seed % 10 == 0 { 100_000 } else { 10_000 };
        let (train, test) = traces(&case, steps);
        let reference = Reference::new(&case, false);
        let spectrum = case.spectrum();
        let descent = spectrum.descent(&case.settings).unwrap();
        for (trace, end) in [(&train, End::Last), (&test, End::First)] {
            for (threshold, touching) in thresholds(trace, seed) {
                let (count, found) = match end {
                    End::Last => (&mut last, descent.last_unfit(threshold)),
                    End::First => (&mut first, descent.first_general(threshold)),
                };
                let event = |x: f64| if end == End::Last { x >= threshold } else { x <= threshold };
                // Reference: does the event hold exactly?
                let exactly = |t: u64| {
                    let loss = if end == End::Last { reference.train(t) } else { reference.test(t).0 };
                    if end == End::Last { loss >= big(threshold) } else { loss <= big(threshold) }
                };
                let crossings = trace.windows(2).filter(|w| event(w[0]) != event(w[1])).count();
                count.several += usize::from(crossings > 1);
                let brute = match end {
                    End::Last => trace.iter().rposition(|&x| event(x)),
                    End::First => trace.iter().position(|&x| event(x)),
                };
                let mut fail = |why: &str| {
                    bad.push(format!("{} {end:?} threshold {threshold:e} crossings {crossings}: brute {brute:?}, found {found:?}: {why}", case.name));
                };
                let Ok(crossing) = found else {
                    count.failed += 1;
                    fail("error");
                    continue;
                };
                match crossing {
                    Crossing::At { time, lo, hi } => {
                        count.at += 1;
                        if lo != hi {
                            count.wide += usize::from(!touching);
                            count.touching += usize::from(touching);
                            count.widest = count.widest.max(hi - lo);
                        }
                        if !(lo <= time && time <= hi) {
                            fail("time outside its own interval");
                        }
                        // Locally, by the reference.
                        match end {
                            End::Last => {
                                if lo > 0 && !exactly(lo) || exactly(hi + 1) {
                                    fail("not certified by the reference");
                                }
                            }
                            End::First => {
                                if !exactly(hi) || lo > 0 && exactly(lo - 1) {
                                    fail("not certified by the reference");
                                }
                            }
                        }
                        // Globally, by the loop, whose own rounding the reference settles.
                        match brute {
                            Some(b) if b == steps && hi > steps as u64 => count.horizon += 1,
                            Some(b) if lo <= b as u64 && b as u64 <= hi => {}
                            None if lo > steps as u64 => count.horizon += 1,
                            // The reference has confirmed lo and hi; is there anything beyond them?
                            Some(b) if (end == End::Last) == (b as u64 > hi) && exactly(b as u64) => {
                                fail("the loop and the reference find a crossing beyond");
                            }
                            _ => count.by_reference += 1,
                        }
                    }
                    Crossing::FromStart => {
                        count.from_start += 1;
                        let right = match end {
                            End::Last => brute.is_none() || !exactly(brute.unwrap() as u64),
                            End::First => exactly(0),
                        };
                        if !right {
                            fail("not from the start");
                        }
                    }
                    Crossing::Never => {
                        count.never += 1;
                        let right = match end {
                            End::Last => {
                                [17, 18].map(|e| 10_u64.pow(e)).iter().any(|&t| exactly(t) || exactly(t + 1))
                            }
                            End::First => brute.is_none() || !exactly(brute.unwrap() as u64),
                        };
                        if !right {
                            fail("it does come");
                        }
                    }
                    Crossing::Undecided { .. } => {
                        count.undecided += 1;
                        count.wide += usize::from(!touching);
                        count.touching += usize::from(touching);
                    }
                }
            }
        }
    }
    for (name, c) in [("last", &last), ("first", &first)] {
        println!(
            "{name}: at {} (wide {} + {} touching, widest {}), from start {}, never {}, undecided {}, errors {}, several crossings {}, past the loop {}, loop's rounding {}",
            c.at,
            c.wide,
            c.touching,
            c.widest,
            c.from_start,
            c.never,
            c.undecided,
            c.failed,
            c.several,
            c.horizon,
            c.by_reference
        );
        // The coverage that makes this test worth something.
        assert!(c.at > 1000 && c.from_start > 100 && c.never > 300 && c.several > 1000);
        assert!(1000 * c.wide < c.at, "a threshold the curve crosses gives one step, but {} do not", c.wide);
    }
    assert!(bad.is_empty(), "{} of them: {:#?}", bad.len(), &bad[..bad.len().min(5)]);
}

/// Flow: the loss of the reference changes sides at the certified time, and a dense scan finds no
/// crossing outside.
#[test]
fn flow_times_change_sides_in_the_reference() {
    let problems = if full() { 400 } else { 50 };
    let (mut at, mut strictly_inside) = (0, 0);
    for seed in 0..problems {
        let case = dipping_case(seed);
        let reference = Reference::new(&case, true);
        let spectrum = case.spectrum();
        let flow = spectrum.flow(&case.settings).unwrap();
        let grid: Vec<f64> = (0..2000).map(|i| 10.0_f64.powf(-3.0 + f64::from(i) * 8.0 / 2000.0)).collect();
        for end in [End::Last, End::First] {
            let value = |t: f64| match end {
                End::Last => flow.train_loss(t).value,
                End::First => flow.test_loss(t).unwrap().value,
            };
            let scan: Vec<f64> = grid.iter().map(|&t| value(t)).collect();
            for (threshold, touching) in thresholds(&scan, seed) {
                let event = |x: f64| if end == End::Last { x >= threshold } else { x <= threshold };
                let exactly = |t: f64| match end {
                    End::Last => reference.train(t) >= big(threshold),
                    End::First => reference.test(t).0 <= big(threshold),
                };
                let found = match end {
                    End::Last => flow.last_unfit(threshold).unwrap(),
                    End::First => flow.first_general(threshold).unwrap(),
                };
                // Clear of the threshold, so that the scan's rounding does not matter.
                let clear = |x: f64| event(x) && (x / threshold - 1.0).abs() > 1e-10;
                let scanned = match end {
                    End::Last => scan.iter().rposition(|&x| clear(x)),
                    End::First => scan.iter().position(|&x| clear(x)),
                };
                let context = format!("{} {end:?} {threshold:e} {found:?}", case.name);
                match found {
                    Crossing::At { time, lo, hi } => {
                        at += 1;
                        assert!(lo <= time && time <= hi, "{context}");
                        let ulps = 8.0 * f64::EPSILON;
                        // Thresholds a millionth off a flat piece blur the time by the rounding over the slope.
                        assert!(touching || hi - lo <= 1e-4 * hi, "{context}");
                        match end {
                            End::Last => {
                                assert!(lo == 0.0 || exactly(lo * (1.0 - ulps)), "{context}");
                                assert!(!exactly(hi * (1.0 + ulps)), "{context}");
                                assert!(
                                    scanned.is_none_or(|i| grid[i] <= hi),
                                    "{context} {:e}",
                                    grid[scanned.unwrap()]
                                );
                                strictly_inside += usize::from(exactly(lo) && !exactly(hi));
                            }
                            End::First => {
                                assert!(exactly(hi * (1.0 + ulps)), "{context}");
                                assert!(lo == 0.0 || !exactly(lo * (1.0 - ulps)), "{context}");
                                assert!(
                                    scanned.is_none_or(|i| grid[i] >= lo),
                                    "{context} {:e}",
                                    grid[scanned.unwrap()]
                                );
                                strictly_inside += usize::from(exactly(hi) && !exactly(lo));
                            }
                        }
                    }
                    Crossing::FromStart => match end {
                        End::Last => assert!(scanned.is_none(), "{context}"),
                        End::First => assert!(exactly(0.0), "{context}"),
                    },
                    Crossing::Never => match end {
                        End::Last => assert!(exactly(1e17), "{context}"),
                        End::First => assert!(scanned.is_none(), "{context}"),
                    },
                    Crossing::Undecided { .. } => assert!(touching, "{context}"),
                }
            }
        }
    }
    println!("flow: {at} crossings, {strictly_inside} strictly in their interval");
    assert!(at > 500);
}

/// Weight decay so small that generalisation takes 10¹⁵ to 10¹⁸ steps.
#[test]
fn late_times_are_honest() {
    let problems = if full() { 200 } else { 25 };
    let (mut widest, mut latest) = (0.0_f64, 0);
    for seed in 0..problems {
        let rng = &mut generator(seed, 8);
        let mut case = random_case(1_000 + seed, 30.0);
        let m = case.features.ncols();
        case.target = Target::zero_teacher(m);
        case.test = Test::Isotropic(1.0);
        case.settings.weight_decay = 10.0_f64.powf(rng.random_range(-17.0..-13.5));
        let spectrum = case.spectrum();
        let complement = spectrum.init_norms().1 * case.settings.init_scale;
        if complement.abs() < 1e-6 {
            continue;
        }
        let descent = spectrum.descent(&case.settings).unwrap();
        let rate = case.settings.step_size * case.settings.weight_decay;
        let folds = rng.random_range(0.1..8.0_f64).min(5e18 * rate);
        let threshold = complement * complement * (-2.0 * folds).exp();
        let reference = Reference::new(&case, false);
        let holds = |t: u64| reference.test(t).0 <= big(threshold);
        let found = descent.first_general(threshold).unwrap();
        let Crossing::At { time, lo, hi } = found else { panic!("{}: {found:?}", case.name) };
        assert!(lo <= time && time <= hi);
        assert!(holds(hi), "{}: {found:?}", case.name);
        assert!(lo == 0 || !holds(lo - 1), "{}: {found:?}", case.name);
        // The exact step, by bisection with the reference.
        let (mut below, mut above) = (lo.saturating_sub(1), hi);
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if holds(middle) { above = middle } else { below = middle }
        }
        assert!(lo <= above && above <= hi);
        let wide = (hi - lo) as f64 / hi as f64;
        widest = widest.max(wide);
        latest = latest.max(hi);
        println!(
            "t2 {above} in {lo} + {} (relative {wide:.1e}), computed {:+}",
            hi - lo,
            time as i128 - above as i128
        );
    }
    println!("latest {latest}, widest relative {widest:e}");
    assert!(latest > 100_000_000_000_000_000);
    assert!(widest < 1e-10);
}

/// A threshold within a few units in the last place of a value.
fn beside(x: f64, units: i32) -> f64 {
    (0..units.abs()).fold(x, |x, _| if units > 0 { x.next_up() } else { x.next_down() })
}

/// Thresholds that are a loss at a step, the limit, or units in the last place beside: the interval contains the
/// exact answer of the 240-digit reference, and f64 with many digits behind it leaves next to nothing open.
#[test]
fn ties_are_in_their_intervals() {
    let problems = if full() { 1000 } else { 40 };
    let (mut count, mut open) = (0, 0);
    for seed in 0..problems {
        let rng = &mut generator(seed, 12);
        let mut case = dipping_case(10_000 + seed);
        if seed % 3 == 0 {
            // So near the stability edge that rounding hides for long whether the loss falls.
            let largest = case.spectrum().largest_stable_step(case.settings.weight_decay);
            case.settings.step_size = largest * (1.0 - 10.0_f64.powi(-rng.random_range(9..=15)));
        }
        let reference = Reference::new(&case, false);
        let spectrum = case.spectrum();
        let descent = spectrum.descent(&case.settings).unwrap();
        for end in [End::Last, End::First] {
            let loss = |t: u64| if end == End::Last { reference.train(t) } else { reference.test(t).0 };
            let mut levels: Vec<f64> = [0_u64, 1, 2, 7].iter().map(|&t| f64_of(&loss(t))).collect();
            levels.extend(match end {
                End::Last => descent.train_loss_limit(),
                End::First => descent.test_loss_limit(),
            });
            for level in levels.into_iter().filter(|x| *x > 1e-30) {
                let threshold = beside(level, *pick(&[-2, -1, 0, 0, 1, 2], rng));
                let exactly = |t: u64| match end {
                    End::Last => loss(t) >= big(threshold),
                    End::First => loss(t) <= big(threshold),
                };
                let found = match end {
                    End::Last => descent.last_unfit(threshold).unwrap(),
                    End::First => descent.first_general(threshold).unwrap(),
                };
                let context = format!("{} {end:?} {threshold:e} {found:?}", case.name);
                count += 1;
                let beyond: Vec<u64> =
                    (0..20).chain((2..=18).flat_map(|e| [0, 1].map(|o| 10_u64.pow(e) + o))).collect();
                let (lo, hi) = match found {
                    Crossing::FromStart if end == End::First => (Some(0), Some(0)),
                    Crossing::FromStart => {
                        assert!(!beyond.iter().any(|&t| exactly(t)), "{context}");
                        continue;
                    }
                    Crossing::Never if end == End::First => {
                        assert!(!beyond.iter().any(|&t| exactly(t)), "{context}");
                        continue;
                    }
                    Crossing::Never => {
                        assert!(
                            [17, 18].iter().any(|&e| exactly(10_u64.pow(e)) || exactly(10_u64.pow(e) + 1)),
                            "{context}"
                        );
                        continue;
                    }
                    found => found.ends().unwrap(),
                };
                open += usize::from(lo.is_none() || hi.is_none() || lo != hi);
                match end {
                    End::Last => {
                        assert!(lo.is_none_or(exactly), "{context}");
                        let hi = hi.unwrap_or(u64::MAX);
                        let outside =
                            beyond.iter().copied().chain([hi.saturating_add(1), hi.saturating_add(2)]);
                        assert!(!outside.filter(|&t| t > hi).any(exactly), "{context}");
                    }
                    End::First => {
                        assert!(hi.is_none_or(exactly), "{context}");
                        let lo = lo.unwrap_or(0);
                        let outside =
                            beyond.iter().copied().chain([lo.saturating_sub(1), lo.saturating_sub(2)]);
                        assert!(!outside.filter(|&t| t < lo).any(exactly), "{context}");
                    }
                }
            }
        }
    }
    println!("{count} thresholds, {open} open");
    assert!(count > 7 * problems as usize && 50 * open <= count, "{open} of {count} are open");
}
