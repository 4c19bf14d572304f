//! A proof that a structure is unique, in O(|D|): it is unique on a few neighbouring symbols, and from there
//! it reaches all the others.
//!
//! Let x be in the kernel of G. If it is affine, x_k = α + βk, on a set of symbols, a class with a sample
//! inside the set has the value 2α + βs, and a sample of that class with one symbol outside fixes that symbol to the
//! same line. If all symbols are reached, n0 = 2. Elimination settles the sets where this does not succeed.

use super::Problem;
use super::rank::Echelon;

/// Symbols of a window: enough that a tenth of all samples fixes the structure there.
const WINDOW: usize = 48;
/// Problems below this size are eliminated whole: that is quicker than a window.
const WORTH_IT: usize = 256;
/// Rounds through all classes. Dense sets need one or two.
const ROUNDS: usize = 50;

impl Problem {
    /// Whether n0 is sure to be the smallest there is, where asking for a proof by growth pays.
    pub(super) fn is_soon_unique(&self) -> bool {
        self.symbols() >= WORTH_IT && self.grows_from_a_window()
    }

    /// Whether n0 = 2 follows by growth from a window, at either end or in the middle. `false` says nothing.
    fn grows_from_a_window(&self) -> bool {
        let p = self.symbols();
        self.task.is_addition()
            && p >= 2 * WINDOW
            && [0, (p - WINDOW) / 2, p - WINDOW]
                .into_iter()
                .any(|start| self.unique_inside(start) && self.reaches_all(start))
    }

    /// Whether the samples within a window leave two dimensions there.
    fn unique_inside(&self, start: usize) -> bool {
        let window = start..start + WINDOW;
        let mut echelon = Echelon::new(WINDOW);
        for s in 2 * start..=2 * (start + WINDOW - 1) {
            let inside =
                |&&[i, j]: &&[u32; 2]| window.contains(&(i as usize)) && window.contains(&(j as usize));
            let mut samples = self.class(s).iter().filter(inside).map(|pair| pair.map(|k| k - start as u32));
            let Some(first) = samples.next() else { continue };
            for pair in samples {
                echelon.put_difference(pair, first);
                echelon.insert();
            }
            if echelon.rank() == WINDOW - 2 {
                break;
            }
        }
        // The field can only lose rank, and no set of samples has less than nullity two.
        echelon.rank() == WINDOW - 2
    }

    fn reaches_all(&self, start: usize) -> bool {
        let mut known = vec![false; self.symbols()];
        known[start..start + WINDOW].fill(true);
        let mut count = WINDOW;
        for _ in 0..ROUNDS {
            let before = count;
            for class in self.classes() {
                let is_inside = |&[i, j]: &[u32; 2]| known[i as usize] && known[j as usize];
                if !class.iter().any(is_inside) {
                    continue;
                }
                for &[i, j] in class {
                    let (i, j) = (i as usize, j as usize);
                    if i == j || known[i] != known[j] {
                        count += usize::from(!known[i]) + usize::from(i != j && !known[j]);
                        (known[i], known[j]) = (true, true);
                    }
                }
            }
            if count == known.len() || count == before {
                break;
            }
        }
        count == known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::{Duplicates, Task};

    #[test]
    fn growth_proves_only_what_elimination_finds() {
        let task = Task::addition(110).unwrap();
        let (mut grown, mut open) = (0, 0);
        for size in [150, 250, 300, 350, 400, 700, 1500, 6105] {
            for seed in 0..6 {
                let problem = Problem::random(task.clone(), size, seed).unwrap();
                let unique = problem.echelon().rank() == 108;
                let grows = problem.grows_from_a_window();
                assert!(unique || !grows, "{size} samples, seed {seed}");
                grown += usize::from(grows);
                open += usize::from(!unique);
            }
        }
        assert!(grown > 12 && open > 6, "{grown} {open}");
        // All samples but those of one symbol: it is free.
        let pairs: Vec<[u32; 2]> = task.all_pairs().into_iter().filter(|pair| !pair.contains(&70)).collect();
        let problem = Problem::new(task, &pairs, Duplicates::Refuse).unwrap();
        assert!(!problem.grows_from_a_window() && problem.nullity().value == 3);
    }
}
