//! Whatever the sizes, a generator answers or says how much memory it would need.

use groktime::Error;
use groktime::data::Observations;
use groktime::data::features::generator;
use groktime::data::matrices::{LowRank, random_mask, random_subset};
use groktime::data::tasks::{Law, Task, random_signs};
use groktime::ridge::{Features, Recipe, Teacher};
use rand::RngExt;

/// A size between 1 and 1e18, even on a logarithmic scale.
fn size(rng: &mut impl RngExt) -> usize {
    let exponent = 18.0 * (rng.random::<u64>() >> 11) as f64 / (1_u64 << 53) as f64;
    10_f64.powf(exponent) as usize
}

/// Whether it was refused for its size; small ones are drawn.
fn refused<T>(result: groktime::Result<T>) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::Memory { needed, allowed, .. }) => {
            assert!(needed > allowed as f64);
            true
        }
        // A rank above the dimension, or the like.
        Err(e) => {
            assert!(e.is_bad_input(), "{e}");
            false
        }
    }
}

#[test]
fn no_size_ends_the_process() {
    // Little, so that what is allowed is quick.
    groktime::memory::within(20_000_000, draw_all);
}

fn draw_all() {
    let rng = &mut generator(11, 0);
    let mut refusals = [0; 4];
    for _ in 0..400 {
        let (n, m, d) = (size(rng), size(rng), size(rng));
        let features = match n % 4 {
            0 => Features::Gaussian,
            1 => Features::Sphere { bound: 1.0 },
            2 => Features::Relu { input_dim: d, hidden_variance: 1.0, input_variance: 1.0 },
            _ => Features::Fourier { input_dim: d, frequency_variance: 1.0, input_variance: 1.0 },
        };
        let recipe = Recipe {
            samples: n,
            width: m,
            features,
            test_samples: 10,
            teacher: Teacher::Zero,
            ..Recipe::default()
        };
        refusals[0] += usize::from(refused(recipe.draw()));
        let law = match m % 3 {
            0 => Law::SparseSigns { relevant: 1 },
            1 => Law::Gap { gap: 1.0 },
            _ => Law::Regression { relevant: d.min(m), noise_std: 0.1 },
        };
        refusals[1] += usize::from(refused(Task { law, samples: n, dimension: m, seed: 0 }.draw()));
        refusals[1] += usize::from(refused(random_signs(n, m, rng)));
        let low =
            LowRank { dimension: d.min(1 << 20), rank: (n % 5) + 1, negative: 0, spikiness: 0.0, seed: 0 };
        // Small ones take time that grows with the cube.
        if low.dimension < 100 || low.dimension > 3000 {
            refusals[2] += usize::from(refused(low.draw()));
        }
        refusals[2] += usize::from(refused(random_mask(d, n, 0)));
        refusals[3] += usize::from(refused(random_subset(m, n, 0)));
    }
    assert!(refusals.iter().all(|&count| count > 50), "{refusals:?}");
}

/// The law of a task of many relevant signs has 2^(k − 1) patterns: a shift by 64 and more made few of them.
#[test]
fn patterns_that_are_too_many_are_not_summed() {
    use groktime::Loss;
    use groktime::data::accuracy::accuracy;
    use groktime::data::test_loss::expected_loss;
    use ndarray::Array1;
    for relevant in [27, 63, 65, 77, 129] {
        let ones = Array1::from_elem(200, 1.0);
        let law = Law::SparseSigns { relevant };
        assert_eq!(accuracy(law, ones.view(), ones.view()), Ok(None));
        assert_eq!(expected_loss(law, Loss::Logistic, ones.view(), ones.view()), Ok(None));
    }
}

/// One line of a list may name any index: no array of that size is made of it.
#[test]
fn a_line_that_names_a_large_index() {
    let seen = Observations::from_list(1_000_000_000_000, &[(0, 999_999_999_999, 1.0)]).expect("a list");
    let problem = groktime::completion::Problem::new(
        seen,
        None,
        groktime::completion::Init::Identity { coordinate: 1.0 },
    );
    let error = problem.map(|_| ()).expect_err("too large");
    assert!(matches!(error, Error::Memory { .. }), "{error}");
    assert!(error.to_string().contains("1000000000000"), "{error}");
}

/// The record of a path is asked for before the run, and so are the states at times.
#[test]
fn the_record_of_a_path() {
    use groktime::completion::{Init, Problem, Record, Settings};
    use groktime::data::matrices::multiplication_table;
    use groktime::memory::within;
    let truth = multiplication_table(20);
    let mask = random_mask(20, 100, 3).expect("a count");
    let seen = Observations::from_mask(truth.view(), mask.view()).expect("a mask");
    let problem = Problem::new(seen, None, Init::Identity { coordinate: 1e-3 }).expect("a problem");
    let settings = Settings { weight_decay: 1e-2, horizon: 300.0, ..Settings::default() };
    // What is usual is asked for, however short this run is.
    let error = within(2 << 20, || problem.flow(&settings)).map(|_| ()).expect_err("too much");
    assert!(matches!(error, Error::Memory { .. }), "{error}");
    let at = Settings { record: Record::At(vec![1.0, 300.0]), ..settings.clone() };
    assert!(within(2 << 20, || problem.flow(&at)).is_ok());
    let many = Record::At((0..3000).map(|k| f64::from(k) * 0.1).collect());
    let many = Settings { record: many, ..settings };
    assert!(matches!(within(2 << 20, || problem.flow(&many)), Err(Error::Memory { .. })));
}
