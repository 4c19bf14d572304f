//! The closed form against a 240-digit reference.
mod common;

use common::*;
use groktime::data::features::generator;
use groktime::crossing::Point;
use rand::RngExt;

fn times(case: &Case, seed: u64, extra: usize) -> Vec<u64> {
    let rng = &mut generator(seed, 5);
    let mut times = vec![0, 1, 2, 3, 5, 8];
    times.extend((1..=18).map(|e| 10_u64.pow(e)));
    // Around the times of the slowest mode, and anywhere.
    let slow = case.features.nrows() as f64 * case.kappa.powi(2) / case.settings.step_size;
    for _ in 0..extra {
        times.push((slow * 10.0_f64.powf(rng.random_range(-2.0..1.5))) as u64);
        times.push(10.0_f64.powf(rng.random_range(0.0..18.0)) as u64);
    }
    times
}

#[derive(Default)]
struct Stats { ratios: Vec<f64>, worst: f64, worst_name: String }
impl Stats {
    fn add(&mut self, computed: Point, exact: &Big, name: impl Fn() -> String) {
        let e = distance(computed.value, exact);
        let r = if e == 0.0 && !computed.rounding.is_nan() { 0.0 } else { e / computed.rounding };
        if !(r <= self.worst) { self.worst = r; self.worst_name = format!("{} value {:e} err {e:e} bound {:e}", name(), computed.value, computed.rounding); }
        self.ratios.push(r);
    }
    fn raw(&mut self, computed: f64, exact: f64, bound: f64, name: impl Fn() -> String) {
        let e = if computed == exact { 0.0 } else { (computed - exact).abs() };
        let r = if e == 0.0 { 0.0 } else { e / bound };
        if !(r <= self.worst) { self.worst = r; self.worst_name = format!("{} value {computed:e} exact {exact:e} bound {bound:e}", name()); }
        self.ratios.push(r);
    }
    fn report(&mut self, what: &str) {
        self.ratios.sort_by(f64::total_cmp);
        let c = self.ratios.len();
        println!("{what}: {c} max {:.3e} p99 {:.2e} median {:.2e}; {}", self.ratios[c-1], self.ratios[c*99/100], self.ratios[c/2], self.worst_name);
    }
}

#[test]
fn explore() {
    let start = std::time::Instant::now();
    for kappa in [10.0, 1e2, 1e4, 1e6, 1e8] {
        for flow in [false, true] {
        let (mut train, mut test) = (Stats::default(), Stats::default());
        let (mut rel, mut relt, mut reln, mut rell) = (Stats::default(), Stats::default(), Stats::default(), Stats::default());
        for seed in 0..30 {
            let case = random_case(seed + (kappa as u64), kappa);
            let reference = Reference::new(&case, flow);
            let spectrum = case.spectrum();
            let gd = spectrum.descent(&case.settings).unwrap();
            let fl = spectrum.flow(&case.settings).unwrap();
            let l0 = ln_of(&reference.train(0_u64));
            let t0 = ln_of(&reference.test(0_u64).0);
            for t in times(&case, seed, 10) {
                let name = || format!("{} t {t}", case.name);
                let exact = reference.train(t);
                let (p, q, nrm, ln, lt) = if flow { let t = t as f64; (fl.train_loss(t), fl.test_loss(t).unwrap(), fl.parameter_norm(t), fl.ln_train_loss(t), fl.ln_test_loss(t).unwrap()) } else { (gd.train_loss(t), gd.test_loss(t).unwrap(), gd.parameter_norm(t), gd.ln_train_loss(t), gd.ln_test_loss(t).unwrap()) };
                train.add(p, &exact, name);
                let (exact_test, size) = reference.test(t);
                test.add(q, &exact_test, name);
                let unit = case.kappa * f64::EPSILON;
                let e = (l0 - ln_of(&exact)).max(0.0) ;
                if f64_of(&exact) > 1e-290 {rel.add(Point{value:p.value, rounding: f64_of(&exact)*unit*(1.0+e)}, &exact, name);}
                rell.raw(ln, ln_of(&exact), unit*(1.0+e) + f64::EPSILON*ln.abs(), name);
                let e = (t0 - ln_of(&exact_test)).max(0.0) ;
                if f64_of(&exact_test) > 1e-290 {relt.add(Point{value:q.value, rounding: f64_of(&exact_test).max(size)*unit*(1.0+e)}, &exact_test, name);
                 if size == f64_of(&exact_test) { rell.raw(lt, ln_of(&exact_test), unit*(1.0+e) + f64::EPSILON*lt.abs(), name);} }
                let sq = reference.squared_norm(t);
                let no = f64_of(&sq).sqrt();
                if no > 1e-290 { reln.add(Point{value: nrm, rounding: no*unit*(1.0+e)}, &sq.with_precision(200).value().sqrt(), name); }
            }
        }
        println!("kappa {kappa:e} flow {flow} {:?}", start.elapsed());
        train.report("  train/bound"); test.report("  test/bound"); rel.report("  train/(kappa eps)"); relt.report("  test/(kappa eps)"); rell.report("  log/(kappa eps)"); reln.report("  norm/(kappa eps)");
        }
    }
}
