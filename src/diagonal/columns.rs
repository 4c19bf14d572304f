//! The columns of the data, each once: coordinates with equal columns and equal starts stay equal for ever.
//!
//! Coordinates that escape together from a small start amplify every difference between them by α^{2−L}. One
//! unknown for all of them has no difference to amplify.

use std::collections::HashMap;

use super::Init;
use crate::data::Design;
use crate::linalg::{dot, vectorised};

#[derive(Debug)]
pub(super) struct Columns {
    /// Column and sign of each coordinate: with a negative sign u and v are exchanged.
    groups: Vec<(usize, f64)>,
    /// A coordinate of each group, its first.
    first: Vec<usize>,
    /// How many coordinates each group has.
    multiplicity: Vec<f64>,
    /// The distinct columns, row by row.
    matrix: Vec<f64>,
}

impl Columns {
    pub(super) fn new(design: &Design, init: &Init) -> Columns {
        let (m, d) = (design.samples(), design.dimension());
        let start = |k: usize, sign: f64| {
            let (u, v) = match init {
                Init::Symmetric(alpha) => (*alpha, *alpha),
                Init::Each { u, v } => (u[k], v[k]),
            };
            if sign < 0.0 { (v, u) } else { (u, v) }
        };
        let mut seen: HashMap<Vec<u64>, usize> = HashMap::new();
        let (mut groups, mut first) = (Vec::with_capacity(d), Vec::new());
        let mut column = vec![0.0; m];
        for k in 0..d {
            design.coordinate(k, &mut column);
            let sign = column.iter().find(|x| **x != 0.0).map_or(1.0, |x| x.signum());
            let (u, v) = start(k, sign);
            // Adding zero makes −0 and 0 one.
            let key = column.iter().map(|x| sign * x).chain([u, v]).map(|x| (x + 0.0).to_bits()).collect();
            let at = *seen.entry(key).or_insert(first.len());
            if at == first.len() {
                first.push((k, sign));
            }
            groups.push((at, sign * first[at].1));
        }
        let first: Vec<usize> = first.into_iter().map(|(k, _)| k).collect();
        let mut multiplicity = vec![0.0; first.len()];
        groups.iter().for_each(|&(at, _)| multiplicity[at] += 1.0);
        let matrix = (0..m).flat_map(|i| first.iter().map(move |&k| design.entry(i, k))).collect();
        Columns { groups, first, multiplicity, matrix }
    }

    pub(super) fn count(&self) -> usize {
        self.first.len()
    }

    pub(super) fn groups(&self) -> &[(usize, f64)] {
        &self.groups
    }

    pub(super) fn multiplicity(&self) -> &[f64] {
        &self.multiplicity
    }

    /// The distinct columns, row by row.
    pub(super) fn matrix(&self) -> &[f64] {
        &self.matrix
    }

    /// The starts of the distinct coordinates.
    pub(super) fn init(&self, init: &Init) -> Init {
        match init {
            Init::Symmetric(alpha) => Init::Symmetric(*alpha),
            Init::Each { u, v } => Init::Each {
                u: self.first.iter().map(|&k| u[k]).collect(),
                v: self.first.iter().map(|&k| v[k]).collect(),
            },
        }
    }

    /// f of the rows; w of the distinct coordinates is multiplied by how often they occur.
    pub(super) fn outputs(&self, w: &mut [f64], rows: &mut [f64]) {
        vectorised(
            #[inline(always)]
            || {
                w.iter_mut().zip(&self.multiplicity).for_each(|(w, m)| *w *= m);
                for (f, row) in rows.iter_mut().zip(self.matrix.chunks_exact(w.len().max(1))) {
                    *f = dot(row, w);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn equal_columns_with_equal_starts_are_one_coordinate() {
        let x = array![[1.0, -1.0, 2.0, 1.0, 0.0], [0.5, -0.5, 1.0, 0.5, 0.0]];
        let design = Design::new(x.view()).expect("valid");
        let symmetric = Columns::new(&design, &Init::Symmetric(1.0));
        assert_eq!(symmetric.groups(), [(0, 1.0), (0, -1.0), (1, 1.0), (0, 1.0), (2, 1.0)]);
        assert_eq!(symmetric.multiplicity(), [3.0, 1.0, 1.0]);
        let init = Init::Each { u: vec![1.0, 2.0, 1.0, 1.0, 1.0], v: vec![2.0, 1.0, 2.0, 1.0, 2.0] };
        let each = Columns::new(&design, &init);
        assert_eq!(each.groups(), [(0, 1.0), (0, -1.0), (1, 1.0), (2, 1.0), (3, 1.0)]);
        let (mut w, mut f) = ([1.0, 2.0, 3.0], [0.0; 2]);
        symmetric.outputs(&mut w, &mut f);
        assert_eq!(f, [7.0, 3.5]);
    }
}
