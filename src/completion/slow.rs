//! todo
/// todo
pub struct SlowSettings {}
