//! Data sets, teachers, feature maps, covariances; arrays in files.

pub mod covariance;
pub mod features;
pub mod files;

pub use covariance::{Covariance, Moments};
pub use features::{FourierFeatures, ReluFeatures};
