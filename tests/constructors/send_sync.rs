//! Public types go between threads.

const fn shared<T: Send + Sync>() {}

const _: () = {
    use groktime::{
        completion, data, diagonal, effective, grokking, limits, linalg, network, ode, ridge, sweep, theorem,
    };
    shared::<groktime::Error>();
    shared::<data::Observations>();
    shared::<data::ReluFeatures>();
    shared::<data::FourierFeatures>();
    shared::<data::Covariance<'static>>();
    shared::<data::Design>();
    shared::<linalg::Engine>();
    shared::<linalg::Tridiagonal>();
    shared::<ridge::Recipe>();
    shared::<ridge::Instance>();
    shared::<ridge::Problem<'static>>();
    shared::<ridge::Spectrum<'static>>();
    shared::<ridge::ClosedForm<'static, 'static, u64>>();
    shared::<diagonal::Problem>();
    shared::<diagonal::Run<'static>>();
    shared::<diagonal::Snapshot>();
    shared::<completion::Problem>();
    shared::<completion::Solution>();
    shared::<effective::Task>();
    shared::<effective::Problem>();
    shared::<effective::Spectrum<'static>>();
    shared::<effective::Flow<'static, 'static>>();
    shared::<limits::MaxMarginL1>();
    shared::<limits::nuclear::NuclearLimit>();
    shared::<network::Net>();
    shared::<network::Sample>();
    shared::<network::Training<'static>>();
    shared::<network::Curves>();
    shared::<network::Checkpoint>();
    shared::<ode::Path>();
    shared::<ode::Options>();
    shared::<grokking::Phase>();
    shared::<sweep::Shard>();
    shared::<theorem::Judged>();
};
