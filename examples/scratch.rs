use groktime::data::Design;
use groktime::data::tasks::*;
use groktime::limits::*;
use groktime::linalg::Threads;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) * 10.0
}
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let (n, d) = (a[0], a[1]);
    let task = Task { law: Law::SparseSigns { relevant: 3 }, samples: n, dimension: d, seed: 0 };
    let t = task.draw().unwrap();
    let y = t.labels.as_slice().unwrap();
    macro_rules! run {
        ($name:expr,$e:expr) => {{
            let c = cpu();
            let s = std::time::Instant::now();
            let r = $e;
            println!("{}: {:.0} ms wall {:.0} ms cpu", $name, s.elapsed().as_secs_f64() * 1e3, cpu() - c);
            r
        }};
    }
    match run!("L1 margin", max_margin_l1(&t.design, y, Threads::All)) {
        Ok(Limit::Found(m)) => println!(
            "{:?} margin {} support {:?} sv {} off {}",
            m.report,
            m.margin,
            m.support.len(),
            m.support_vectors.len(),
            m.off_support
        ),
        o => println!("{:?}", o.map(|_| ())),
    }
    match run!("L2 margin", max_margin_l2(&t.design, y, Threads::All)) {
        Ok(Limit::Found(m)) => println!("{:?} margin {} sv {}", m.report, m.margin, m.support_vectors.len()),
        o => println!("{:?}", o.map(|_| ())),
    }
    for l in [Loss::Squared, Loss::Logistic, Loss::Exponential] {
        match run!(format!("{l:?}"), regularised(&t.design, y, l, 1e-3, Threads::All)) {
            Ok(m) => println!(
                "{:?} support {:?} loss {} norm {}",
                m.report,
                m.support.len(),
                m.loss,
                m.weights.iter().map(|w| w.abs()).sum::<f64>().sqrt()
            ),
            Err(e) => println!("{e}"),
        }
    }
    let r = Task {
        law: Law::Regression { relevant: 5, noise_std: 0.0 },
        samples: n,
        dimension: d.min(5000),
        seed: 0,
    }
    .draw()
    .unwrap();
    let y = r.labels.as_slice().unwrap();
    match run!("min L1", min_l1(&r.design, y, Threads::All)) {
        Ok(Limit::Found(m)) => {
            println!("{:?} support {:?} off {}", m.report, m.support.len(), m.off_support);
            match run!("face", m.dual_face(&r.design, Threads::All)) {
                Ok(f) => println!(
                    "dim {} minimax {} bound {} central {}",
                    f.dimension, f.minimax, f.minimax_bound, f.central
                ),
                Err(e) => println!("{e}"),
            }
        }
        o => println!("{:?}", o.map(|_| ())),
    }
    match run!("min norm", min_norm(&r.design, y, Threads::All)) {
        Ok(Limit::Found(m)) => println!("{:?}", m.report),
        o => println!("{:?}", o.map(|_| ())),
    }
    let _: Option<Design> = None;
}
