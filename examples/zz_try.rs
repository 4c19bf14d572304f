use groktime::data::{Observations, matrices::*};
use groktime::limits::nuclear::*;
use std::time::Instant;
fn main() -> groktime::Result<()> {
    let d = 97;
    let x = multiplication_table(d);
    for seed in 0..3 {
        let mask = random_mask(d, 470, seed)?;
        let obs = Observations::from_mask(x.view(), mask.view())?;
        println!("pairs {} components {}", obs.pairs().len(), obs.graph().components);
        for rep in 0..3 {
            let t = Instant::now();
            let l = minimum_nuclear_norm(&obs, &Options::default())?;
            let e = (&l.matrix - &x).mapv(|v| v * v).sum().sqrt();
            println!("{rep} {:?} gap {:e} it {} rank {} active {} unique {:?} nuc {} dual {} err {:e} res {:e} cert {}", t.elapsed(), l.relative_gap, l.iterations, l.rank, l.active, l.unique, l.nuclear_norm, l.dual_objective, e, l.largest_residual, l.certificate);
        }
        let t = Instant::now();
        let l = penalised(&obs, 1e-4, &Options::default())?;
        println!("pen {:?} gap {:e} it {} rank {} active {} nuc {} obj {} dual {} cert {} uniq {:?}", t.elapsed(), l.relative_gap, l.iterations, l.rank, l.active, l.nuclear_norm, l.objective, l.dual_objective, l.certificate, l.unique);
    }
    Ok(())
}
