//! Data sets, teachers, feature maps, tasks, covariances; partly observed matrices; arrays in files.

pub mod accuracy;
pub mod components;
pub mod covariance;
pub mod design;
pub mod features;
pub mod files;
pub mod idx;
pub mod matrices;
pub mod observations;
pub mod tasks;
pub mod test_loss;

pub use covariance::{Covariance, Moments};
pub use design::Design;
pub use features::{FourierFeatures, ReluFeatures};
pub use observations::Observations;
