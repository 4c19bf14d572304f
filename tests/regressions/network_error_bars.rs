//! Error bars of trained networks: what single precision computes at some parameters is within them of what double
//! precision does, and they are not wide.

use std::ops::ControlFlow;

use groktime::Loss;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::network::{
    Activation, Bias, Criterion, Init, Net, Plan, Precision, Sample, Settings, Targets, train,
};

#[test]
fn single_precision_is_within_its_error_bars() {
    let (mut worst, mut widest) = (0.0_f64, 0.0_f64);
    for (k, activation) in [Activation::Relu, Activation::Tanh, Activation::Quadratic, Activation::Identity]
        .into_iter()
        .enumerate()
    {
        for criterion in [
            Criterion::Squared,
            Criterion::HalfSquared,
            Criterion::CrossEntropy,
            Criterion::CrossEntropyPerOutput,
            Criterion::Margin(Loss::Logistic),
            Criterion::Margin(Loss::Exponential),
        ] {
            for seed in 0..4 {
                let margins = matches!(criterion, Criterion::Margin(_));
                let outputs = if margins { 1 } else { 3 };
                let net = Net::new(&[5, 30, 20, outputs], activation, Bias::All).unwrap();
                let x = gaussian_matrix(40, 5, 1.0, &mut generator(seed, k as u64));
                let mut sample = Sample::classes(x.view(), (0..40).map(|i| i % 3).collect());
                if margins {
                    sample.targets =
                        Targets::Signs((0..40).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect());
                }
                let theta = net.init(&Init { scale: 0.5, ..Init::default() }, seed).unwrap();
                let settings = Settings { criterion, step_size: 1e-3, ..Settings::default() };
                let plan = Plan { budget: 20, keep_parameters: true, ..Plan::default() };
                let run = train(&net, &sample, Some(&sample), &settings, &plan, &theta, |_| {
                    ControlFlow::Continue(())
                });
                for record in run.unwrap().records {
                    let exact =
                        net.evaluate(record.parameters.as_ref().unwrap(), &sample, criterion).unwrap();
                    let (error, seen) = (record.train_error, record.train);
                    assert_eq!(record.test_error, Some(error));
                    worst = worst.max((seen.loss - exact.loss).abs() / error.loss);
                    worst = worst.max((seen.ln_loss - exact.ln_loss).abs() / error.ln_loss);
                    assert!((seen.accuracy - exact.accuracy).abs() <= error.accuracy);
                    widest = widest.max(error.loss / seen.loss);
                }
            }
        }
    }
    assert!(worst <= 1.0 && worst > 1e-4, "{worst}");
    assert!(widest < 1e-2, "{widest}");
    // In doubles they are nine digits narrower.
    let net = Net::new(&[5, 30, 1], Activation::Relu, Bias::All).unwrap();
    let x = gaussian_matrix(40, 5, 1.0, &mut generator(1, 0));
    let sample = Sample::values(x.view(), x.slice(ndarray::s![.., ..1]));
    let theta = net.init(&Init::default(), 1).unwrap();
    let seen = net.evaluate(&theta, &sample, Criterion::Squared).unwrap();
    let [single, double] = [Precision::Single, Precision::Double]
        .map(|p| net.evaluation_error(&theta, &sample, Criterion::Squared, p, &seen).unwrap());
    assert!(double.loss < 1e-8 * single.loss && double.accuracy.is_nan());
}
