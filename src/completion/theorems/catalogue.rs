//! The statements of arXiv 2311.18817 on matrix completion, and ours around them, in sentences.

use crate::theorem::catalogue;

catalogue! {
    "2311.18817";
    FIT: "lem-d.1-26", "Lem D.1 (26)",
        "The training loss is at most the larger of an exponential fit and the floor that the weight decay leaves; the corrected form has the factors of the loss (1/n)Σs², the derived one the kernel's share of the start at all times.";
    KERNEL_END: "lem-d.2:t-max", "Lem D.2 (T_max)",
        "From αI the tangent kernel never falls below its share of that of the start: the kernel regime's condition never fails.";
    CONNECTIVITY: "sec-3.3:connectivity", "sec. 3.3 (connectivity)",
        "Entries that no path of observations reaches end at 0, which bounds the test loss from below.";
    OBJECTIVE: "lem-f.3", "Lem F.3 (lower bound)",
        "𝓛 + (λ/2)‖θ‖² is never below the minimum of 𝓛 + (λ/2)‖W‖_*.";
    NORMS: "lem-f.3-44", "Lem F.3 (44)",
        "‖θ‖² is at least the nuclear norm of W.";
    ENERGY: "thm-3.10:energy", "Thm 3.10 (energy)",
        "Some time in the window after the transition has ‖∇𝓛_λ‖² at most the energy that is left, divided by the length of the window.";
    RECOVERY: "thm-3.12", "Thm 3.12",
        "With enough observations the flow recovers X* up to O(√(λ‖X*‖_*) μ² ln d); universal constants are not given.";
    KERNEL_RATE: "cor-3.11", "Cor 3.11",
        "The distance of W(T) from the kernel's limit, the observations filled up with zeros, falls at least like α^{−2c}.";
    UNOBSERVED_RATE: "thm-3.9:unobserved", "Thm 3.9 (unobserved entries)",
        "From a multiple of the identity the unobserved entries at T fall like α^{−4c}.";
    RESIDUAL: "sec-3.2:residual", "sec. 3.2 (residual law)",
        "After the fit the residuals are those that balance the weight decay, to leading order in λ.";
}
