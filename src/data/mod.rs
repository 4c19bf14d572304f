//! Data sets, teachers, feature maps, covariances; arrays in files.
