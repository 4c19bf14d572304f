use groktime::completion::*;
use groktime::data::{Observations, matrices::*};
use groktime::trajectory::*;
use std::time::Instant;
fn main() -> groktime::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let g = |i: usize, d: f64| a.get(i).and_then(|s| s.parse().ok()).unwrap_or(d);
    let d = g(1, 97.0) as usize;
    let n = g(2, 470.0) as usize;
    let (alpha, lambda, rtol) = (g(3, 10.0), g(4, 1e-4), g(5, 1e-8));
    let x = multiplication_table(d);
    let obs = Observations::from_mask(x.view(), random_mask(d, n, 0)?.view())?;
    let p = Problem::new(obs, Some(x), Init::Identity { coordinate: alpha })?;
    let horizon = 3.0 * alpha.ln() / lambda;
    let mk = |rtol| Settings { weight_decay: lambda, horizon, rtol, ..Settings::default() };
    let mut s = None;
    for _ in 0..g(6, 3.0) as usize {
        let t = Instant::now();
        s = Some(p.flow(&mk(rtol))?);
        println!("{:?}", t.elapsed());
    }
    let s = s.unwrap();
    println!("{:?}", s.diagnostics());
    let times: Vec<f64> = log_times(horizon * 1e-9, horizon, 6);
    let tab = s.observe(&times, &[Observable::TrainLoss, Observable::TestLoss, Observable::ParameterNorm, Observable::Rank])?;
    if g(7, 0.0) > 0.0 {
        let r = p.flow(&mk(g(7, 0.0)))?;
        let fine: Vec<f64> = log_times(horizon * 1e-9, horizon, 40).into_iter().chain((1..300).map(|k| horizon * k as f64 / 300.0)).collect();
        let (mut worst, mut at, mut wn) = (0.0, 0.0, 0.0f64);
        for &t in &fine {
            let (u, v) = (s.state(t)?, r.state(t)?);
            let e = (&u - &v).mapv(|x| x * x).sum().sqrt() / v.mapv(|x| x * x).sum().sqrt().max(1e-300);
            if e > worst && t > 1e-6 * horizon { worst = e; at = t; }
            let e = (&u - &v).mapv(|x| x * x).sum().sqrt() / r.state(horizon)?.mapv(|x| x * x).sum().sqrt();
            wn = wn.max(e);
        }
        // at nodes only
        let mut wnode = 0.0f64;
        for &t in s.times().iter() { if t > 1e-6 * horizon {
            let (u, v) = (s.state(t)?, r.state(t)?);
            wnode = wnode.max((&u - &v).mapv(|x| x * x).sum().sqrt() / v.mapv(|x| x * x).sum().sqrt().max(1e-300)); } }
        println!("path error {worst:e} at {} T; vs final norm {wn:e}; at nodes {wnode:e}", at / horizon);
    }
    for (t, row) in tab.times.iter().zip(tab.values.rows()).step_by(g(8, 4.0) as usize) { println!("{:.3e} {:e}", t * lambda, row); }
    Ok(())
}
