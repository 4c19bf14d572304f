//! The statements of arXiv 2601.19791, in sentences.

use crate::theorem::catalogue;

catalogue! {
    "2601.19791";
    ZERO_TEACHER_TRAIN: "thm-4.1-i", "Thm 4.1(i)",
        "With a zero teacher the training loss is at most (L̂/2)‖θ₀‖²r^{2t} at every step t.";
    ZERO_TEACHER_TEST: "thm-4.1-ii", "Thm 4.1(ii)",
        "With a zero teacher the test loss is at least (m − n)ν²λ_min(Σ)(1 − ηλ)^{2t}/2 at every step t, with high probability over θ₀.";
    ZERO_TEACHER_NORM: "thm-4.1-iii", "Thm 4.1(iii)",
        "With a zero teacher ‖θ_t‖ is at most (1 − ηλ)^t‖θ₀‖.";
    TRAINING: "thm-4.4", "Thm 4.4",
        "The training loss is below ε from step ln(6L̂‖θ₀‖²/ε)/(−2 ln r) on.";
    TRAINING_EVERY_TIME: "thm-4.4:every-t", "Thm 4.4 (proof, every t)",
        "The training loss is at most 2L̂r^{2t}‖θ₀‖² + 2λr^t‖θ₀‖‖θ*‖ + (λ/2)‖θ*‖² at every step t.";
    LATE: "thm-4.5", "Thm 4.5",
        "The test loss stays above c until step ln(√((m − n)ν²/2)/(√(c/λ_min(Σ)) + ‖θ*‖))/(−ln(1 − ηλ)), with high probability over θ₀.";
    LATE_WHOLE_TEACHER: "thm-4.5:deterministic", "Thm 4.5 (deterministic, ‖θ*‖)",
        "The test loss stays above c until step ln(‖θ₀_⊥‖/(√(c/λ_min(Σ)) + ‖θ*‖))/(−ln(1 − ηλ)), for every θ₀.";
    LATE_OUTSIDE: "thm-4.5:deterministic-outside", "Thm 4.5 (deterministic, ‖θ*_⊥‖)",
        "The same with the part of the teacher outside of the rows of Φ alone.";
    LATE_EVERY_TIME: "thm-4.5:every-t", "Thm 4.5 (deterministic, every t)",
        "The test loss is at least λ_min(Σ)·max(0, (1 − ηλ)^t‖θ₀_⊥‖ − ‖θ*_⊥‖)² at every step t.";
    UPPER_EVERY_TIME: "thm-4.5:upper-every-t", "Thm 4.5 (upper side, every t)",
        "The root of the test loss is at most √λ_max(Σ) times the sum of what is left of the modes and of θ₀_⊥, each decaying at its slowest rate, and of ‖θ*_λ − θ*‖.";
    UPPER: "thm-4.5:upper", "Thm 4.5 (upper side)",
        "The test loss is at most c from the step on at which the bound on the upper side meets c.";
    LIMIT_NORM: "thm-4.6:norm", "Thm 4.6 (‖θ*_λ‖)",
        "The minimiser θ*_λ is not longer than the teacher.";
    LIMIT_TRAIN: "thm-4.6:train", "Thm 4.6 (L_n(θ*_λ))",
        "The training loss of the minimiser is at most (λ/2)‖θ*‖².";
    LIMIT_CONVERGENCE: "thm-4.6:convergence", "Thm 4.6 (convergence to θ*_λ)",
        "Descent converges to the minimiser at least as fast as (1 − ηλ)^t.";
    LIMIT_TEST: "thm-4.6:test", "Thm 4.6 (L(θ*_λ))",
        "The test loss of the minimiser is at most twice its training loss plus ε, from a sample size on whose universal constant is not given.";
    LIMIT_TEST_EXPLICIT: "thm-4.6:test-explicit", "Thm 4.6 (L(θ*_λ), explicit constants)",
        "The test loss of the minimiser is at most twice its training loss plus b²‖θ*‖²(4 + √(½ ln(1/δ)))/√n, with probability 1 − δ over the sample.";
    SIX: "6", "(6)",
        "The training loss is below ε from step n ln(6b²‖θ₀‖²/ε)/(2ηλ⁺) on.";
    SEVEN: "7", "(7)",
        "The test loss stays above c until step ln((m − n)ν²/(2(√(c/λ_min(Σ)) + ‖θ*‖)²))/(4ηλ), with high probability over θ₀.",
        erratum: "its proof needs ηλ ≤ 0.7968, which its hypotheses do not imply when ‖θ*‖ is small";
    EIGHT_LATE: "8:t2", "(8), t2",
        "For isotropic Gaussian features the test loss stays above c until step ln((m − n)ν²/(8mc))/(2.02ηλ), with high probability over θ₀.";
    EIGHT_EARLY: "8:t1", "(8), t1",
        "For isotropic Gaussian features the training loss is below ε from step n ln(14mν²/ε)/(2ηλ⁺) on.";
    DELAY: "thm-4.2", "Thm 4.2, (7) − (6)",
        "Generalisation comes later than the fit by at least the difference of (7) and (6).";
}
