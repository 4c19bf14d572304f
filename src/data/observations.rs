//! Which entries of a symmetric matrix are seen: lists and masks, merged pairs, and the graph that decides
//! what can be recovered at all.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result, check_shape};

/// Observed entries of a symmetric d × d matrix.
///
/// The training loss (1/n) Σ (W_ij − y)² counts every entry that was given: n is the length of the list, and
/// an entry given twice, or as (i, j) and as (j, i), counts twice. Solvers see each unordered pair once, with
/// its multiplicity.
#[derive(Clone, Debug, PartialEq)]
pub struct Observations {
    dimension: usize,
    entries: Vec<(usize, usize)>,
    pairs: Vec<Pair>,
}

/// An unordered pair of indices that is observed, row ≥ column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub row: usize,
    pub column: usize,
    /// y.
    pub value: f64,
    /// How often it was given, (i, j) and (j, i) together.
    pub multiplicity: usize,
}

impl Observations {
    /// From a list of (i, j, y), indices from 0.
    ///
    /// # Errors
    /// No dimension, no entry, an index past the dimension, a value that is not finite, or two different
    /// values for the same unordered pair (both are named).
    ///
    /// ```
    /// use groktime::data::Observations;
    /// let seen = Observations::from_list(3, &[(0, 1, 2.0), (1, 0, 2.0), (2, 2, 5.0)])?;
    /// assert_eq!((seen.count(), seen.pairs().len()), (3, 2));
    /// assert_eq!(seen.pairs()[0].multiplicity, 2);
    /// assert!(Observations::from_list(3, &[(0, 1, 2.0), (1, 0, 3.0)]).is_err());
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn from_list(dimension: usize, list: &[(usize, usize, f64)]) -> Result<Self> {
        if dimension == 0 || list.is_empty() {
            return Err(Error::Empty { name: "observations", shape: vec![dimension, list.len()] });
        }
        let scale = list.iter().fold(0.0_f64, |m, entry| m.max(entry.2.abs()));
        let mut merged: BTreeMap<(usize, usize), (usize, usize, f64, usize)> = BTreeMap::new();
        for &(i, j, y) in list {
            if i.max(j) >= dimension {
                return Err(Error::Parameter {
                    name: "observed index",
                    value: i.max(j) as f64,
                    expected: format!("indices below the dimension {dimension} (in the entry ({i}, {j}))"),
                });
            }
            if !y.is_finite() {
                return Err(Error::NotFinite { name: "observations", index: vec![i, j], value: y });
            }
            let first = merged.entry((i.max(j), i.min(j))).or_insert((i, j, y, 0));
            if (first.2 - y).abs() > 1e-10 * scale {
                return Err(Error::Matrix {
                    name: "observed matrix",
                    property: "symmetric",
                    evidence: format!(
                        "entry ({}, {}) was observed as {} but ({i}, {j}) as {y}",
                        first.0, first.1, first.2
                    ),
                });
            }
            first.3 += 1;
        }
        let pair = |(&(row, column), &(_, _, value, multiplicity))| Pair { row, column, value, multiplicity };
        Ok(Observations {
            dimension,
            entries: list.iter().map(|&(i, j, _)| (i, j)).collect(),
            pairs: merged.iter().map(pair).collect(),
        })
    }

    /// The entries of a matrix where a mask is not zero, in row order. Symmetry is asked of what is seen only;
    /// unseen entries may be anything, NaN included.
    ///
    /// # Errors
    /// Not square or of different shapes, an empty mask, or as [`Observations::from_list`].
    ///
    /// ```
    /// use groktime::data::Observations;
    /// use ndarray::array;
    /// let matrix = array![[1.0, 2.0], [2.0, f64::NAN]];
    /// let seen = Observations::from_mask(matrix.view(), array![[0.0, 1.0], [0.0, 0.0]].view())?;
    /// assert_eq!(seen.pairs()[0].value, 2.0);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn from_mask(matrix: ArrayView2<'_, f64>, mask: ArrayView2<'_, f64>) -> Result<Self> {
        let d = matrix.nrows();
        check_shape("matrix", matrix.shape(), &[d, d], "a symmetric matrix is square")?;
        check_shape("mask", mask.shape(), &[d, d], "one entry for each of the matrix")?;
        let seen = mask.indexed_iter().filter(|(_, m)| **m != 0.0);
        let list: Vec<_> = seen.map(|((i, j), _)| (i, j, matrix[(i, j)])).collect();
        if list.is_empty() {
            return Err(Error::Empty { name: "mask (all entries are zero)", shape: mask.shape().to_vec() });
        }
        Observations::from_list(d, &list)
    }

    /// d.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// n: how many entries were given, duplicates included.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The distinct unordered pairs, by row and then column.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The entries (i, j) as given.
    pub fn entries(&self) -> &[(usize, usize)] {
        &self.entries
    }

    /// True at each ordered entry that was given: the others are the test set.
    pub fn mask(&self) -> Array2<bool> {
        let mut mask = Array2::from_elem((self.dimension, self.dimension), false);
        self.entries.iter().for_each(|&entry| mask[entry] = true);
        mask
    }

    /// The kernel limit: observed entries filled on both sides of the diagonal, zero elsewhere.
    pub fn zero_filled(&self) -> Array2<f64> {
        let mut filled = Array2::zeros((self.dimension, self.dimension));
        for p in &self.pairs {
            filled[(p.row, p.column)] = p.value;
            filled[(p.column, p.row)] = p.value;
        }
        filled
    }

    /// The graph on the indices with an edge for each observed pair.
    pub fn graph(&self) -> Graph {
        Graph::new(self)
    }
}

/// The observation graph. A flow that starts from multiples of the identity never leaves zero at an entry
/// between two components, nor at an entry between two indices on the same side of a component without odd
/// cycles (an observed diagonal entry is an odd cycle): theory/completion.md (14).
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Component of each index, numbered by their smallest index.
    pub component: Vec<usize>,
    /// Number of components.
    pub components: usize,
    /// Side of each index in its component, if that has two sides.
    pub side: Vec<Option<bool>>,
}

impl Graph {
    fn new(observations: &Observations) -> Graph {
        let d = observations.dimension;
        let mut neighbours = vec![Vec::new(); d];
        for p in &observations.pairs {
            neighbours[p.row].push(p.column);
            neighbours[p.column].push(p.row);
        }
        let (mut component, mut colour) = (vec![usize::MAX; d], vec![false; d]);
        let mut two_sided = Vec::new();
        for start in 0..d {
            if component[start] != usize::MAX {
                continue;
            }
            let index = two_sided.len();
            two_sided.push(true);
            component[start] = index;
            let mut queue = vec![start];
            while let Some(i) = queue.pop() {
                for &j in &neighbours[i] {
                    if component[j] == usize::MAX {
                        (component[j], colour[j]) = (index, !colour[i]);
                        queue.push(j);
                    } else if colour[j] == colour[i] {
                        two_sided[index] = false;
                    }
                }
            }
        }
        let side = (0..d).map(|i| two_sided[component[i]].then_some(colour[i])).collect();
        Graph { component, components: two_sided.len(), side }
    }

    /// Whether the flow from a multiple of the identity can leave zero at (i, j).
    pub fn reaches(&self, i: usize, j: usize) -> bool {
        self.component[i] == self.component[j] && (self.side[i].is_none() || self.side[i] != self.side[j])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_and_sides() {
        // A triangle 0-1-2, an edge 3-4, an index 5 alone, an index 6 with its diagonal entry.
        let list = [(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0), (3, 4, 1.0), (6, 6, 1.0)];
        let graph = Observations::from_list(7, &list).expect("valid").graph();
        assert_eq!(graph.component, [0, 0, 0, 1, 1, 2, 3]);
        assert_eq!(graph.components, 4);
        assert!(graph.reaches(0, 0) && graph.reaches(3, 4) && graph.reaches(6, 6));
        assert!(!graph.reaches(0, 3) && !graph.reaches(3, 3) && !graph.reaches(5, 5));
    }

    #[test]
    fn contradictions_and_bad_indices_are_named() {
        let error = |list: &[_]| Observations::from_list(2, list).expect_err("refused").to_string();
        let text = error(&[(0, 1, 2.0), (1, 0, 3.0)]);
        assert!(text.contains("(0, 1)") && text.contains("(1, 0)") && text.contains('3'), "{text}");
        assert!(error(&[(0, 2, 1.0)]).contains("(0, 2)"));
        assert!(error(&[(0, 1, f64::NAN)]).contains("NaN"));
        assert!(Observations::from_list(2, &[]).is_err());
        let full = Array2::from_elem((1, 1), 3.0);
        let seen = Observations::from_mask(full.view(), full.view()).expect("d = 1, full mask");
        assert_eq!(seen.pairs()[0], Pair { row: 0, column: 0, value: 3.0, multiplicity: 1 });
        assert!(Observations::from_mask(full.view(), Array2::zeros((1, 1)).view()).is_err());
    }
}
