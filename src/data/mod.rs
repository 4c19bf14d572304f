//! Data sets, teachers, feature maps, tasks, covariances; arrays in files.

pub mod accuracy;
pub mod covariance;
pub mod design;
pub mod features;
pub mod files;
pub mod tasks;
pub mod test_loss;

pub use covariance::{Covariance, Moments};
pub use design::Design;
pub use features::{FourierFeatures, ReluFeatures};
