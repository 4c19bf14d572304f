//! Samples: what goes in, and what should come out.

use ndarray::{Array2, ArrayView2};

use super::Net;
use crate::error::{Error, Result, check_finite, check_shape};

/// What goes in.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// n × d.
    Vectors(Array2<f64>),
    /// Two symbols a sample, for nets with embeddings.
    Pairs(Vec<[u32; 2]>),
}

/// What should come out.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// A class a sample. Squared losses compare the outputs with the one-hot vector of the class, and the
    /// answer is the class whose output is largest.
    Classes(Vec<u32>),
    /// A class a sample, and for each class (row) the outputs wanted; the answer is the class whose row is
    /// nearest. For squared losses.
    Templates { classes: Vec<u32>, templates: Array2<f64> },
    /// n × m real outputs. There is no accuracy.
    Values(Array2<f64>),
    /// ±1, for margin losses of one output; an output of 0 counts as half an answer.
    Signs(Vec<f64>),
}

/// A data set for a net.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub inputs: Inputs,
    pub targets: Targets,
}

impl Sample {
    /// Vectors with classes.
    pub fn classes(x: ArrayView2<'_, f64>, classes: Vec<u32>) -> Sample {
        Sample { inputs: Inputs::Vectors(x.to_owned()), targets: Targets::Classes(classes) }
    }

    /// Vectors x (n × d) with labels of ±1.
    pub fn signs(x: ArrayView2<'_, f64>, signs: Vec<f64>) -> Sample {
        Sample { inputs: Inputs::Vectors(x.to_owned()), targets: Targets::Signs(signs) }
    }

    /// Vectors with real outputs (n × m).
    pub fn values(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> Sample {
        Sample { inputs: Inputs::Vectors(x.to_owned()), targets: Targets::Values(y.to_owned()) }
    }

    /// n.
    pub fn len(&self) -> usize {
        match &self.inputs {
            Inputs::Vectors(x) => x.nrows(),
            Inputs::Pairs(pairs) => pairs.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether answers can be right or wrong.
    pub fn has_answers(&self) -> bool {
        !matches!(self.targets, Targets::Values(_))
    }

    /// Whether the sample fits a net.
    pub(super) fn check(&self, net: &Net) -> Result<()> {
        let n = check_inputs(net, &self.inputs)?;
        let per_sample = |labels: usize| check_shape("targets", &[labels], &[n], "one target a sample");
        let m = net.outputs();
        match &self.targets {
            Targets::Classes(classes) => {
                per_sample(classes.len())?;
                below("class", classes.iter().copied().max().unwrap_or(0), m, "outputs of the net")
            }
            Targets::Templates { classes, templates } => {
                per_sample(classes.len())?;
                let rows = templates.nrows();
                check_shape("templates", templates.shape(), &[rows, m], "one column an output of the net")?;
                check_finite("templates", templates.view())?;
                below("class", classes.iter().copied().max().unwrap_or(0), rows, "templates")
            }
            Targets::Values(y) => {
                check_shape("targets", y.shape(), &[n, m], "a row a sample, a column an output")?;
                check_finite("targets", y.view())
            }
            Targets::Signs(signs) => {
                per_sample(signs.len())?;
                check_shape("outputs of the net", &[m], &[1], "signs are answers of one output")?;
                crate::Loss::Logistic.check_labels(signs)
            }
        }
    }

    /// The sample of some of the rows.
    ///
    /// # Errors
    /// A row that is not there.
    pub fn select(&self, rows: &[usize]) -> Result<Sample> {
        if let Some(&row) = rows.iter().find(|&&r| r >= self.len()) {
            return Err(Error::Parameter {
                name: "row",
                value: row as f64,
                expected: format!("below {}, the size of the sample", self.len()),
            });
        }
        let pick = |v: &[u32]| rows.iter().map(|&r| v[r]).collect();
        Ok(Sample {
            inputs: match &self.inputs {
                Inputs::Vectors(x) => Inputs::Vectors(x.select(ndarray::Axis(0), rows)),
                Inputs::Pairs(pairs) => Inputs::Pairs(rows.iter().map(|&r| pairs[r]).collect()),
            },
            targets: match &self.targets {
                Targets::Classes(classes) => Targets::Classes(pick(classes)),
                Targets::Templates { classes, templates } => {
                    Targets::Templates { classes: pick(classes), templates: templates.clone() }
                }
                Targets::Values(y) => Targets::Values(y.select(ndarray::Axis(0), rows)),
                Targets::Signs(signs) => Targets::Signs(rows.iter().map(|&r| signs[r]).collect()),
            },
        })
    }
}

/// Whether inputs fit a net; their number.
pub(super) fn check_inputs(net: &Net, inputs: &Inputs) -> Result<usize> {
    let n = match inputs {
        Inputs::Vectors(x) => x.nrows(),
        Inputs::Pairs(pairs) => pairs.len(),
    };
    if n == 0 {
        return Err(Error::Empty { name: "sample", shape: vec![0, net.inputs()] });
    }
    match (inputs, net.embedding()) {
        (Inputs::Vectors(x), None) => {
            check_shape("inputs", x.shape(), &[n, net.inputs()], "one column an input of the net")?;
            check_finite("inputs", x.view())?;
        }
        (Inputs::Pairs(pairs), Some(embedding)) => {
            let largest = pairs.iter().flatten().copied().max().unwrap_or(0);
            below("symbol", largest, embedding.symbols, "symbols")?;
        }
        (Inputs::Vectors(_), Some(_)) => {
            return Err(Error::Missing { wanted: "a net with embeddings", needs: "pairs of symbols" });
        }
        (Inputs::Pairs(_), None) => {
            return Err(Error::Missing { wanted: "a sample of pairs", needs: "a net with embeddings" });
        }
    }
    Ok(n)
}

fn below(name: &'static str, largest: u32, count: usize, what: &str) -> Result<()> {
    if (largest as usize) < count {
        return Ok(());
    }
    let expected = format!("below {count}, the number of {what}");
    Err(Error::Parameter { name, value: f64::from(largest), expected })
}
