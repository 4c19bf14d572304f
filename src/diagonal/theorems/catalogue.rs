//! The statements of arXiv 2311.18817 on diagonal nets, and ours around them, in sentences.

use crate::theorem::catalogue;

catalogue! {
    "2311.18817";
    LOSS_FALLS: "c.4-8", "C.4 (8)",
        "In the kernel phase the exponential loss is at most the larger of a fit that falls like one over time and the plateau that the weight decay leaves.";
    DEPARTURE: "c.5", "C.5 (explicit)",
        "In the kernel phase the departure ‖e^{λt}θ/α − θ̄‖ of the rescaled parameters from their start is bounded explicitly.";
    KERNEL_END: "c.5:t-max", "C.5 (T_max)",
        "The kernel phase lasts at least until the explicit bound on the departure reaches the radius in which the gradients keep half of their margin.";
    LOSS_FROM_BELOW: "c.7-17", "C.7 (17)",
        "In the kernel phase the exponential loss is at least what a net of the largest possible growth leaves.",
        erratum: "n/F⁻¹ and the exponent 1 − 2(L−1)λ: the proof has 1/(nF⁻¹) and 1 − 4(L−1)/L";
    BRACKET_ABOVE_LINEARISED: "c.8:above-linearised", "C.8 (bracket above, linearised)",
        "For the linearised flow ln 𝓛 + γ‖h‖ is below its bracket at every time.";
    BRACKET_BELOW_LINEARISED: "c.8:below-linearised", "C.8 (bracket below, linearised)",
        "For the linearised flow ln 𝓛 + γ‖h‖ is above its bracket at every time.";
    BRACKET_ABOVE: "c.8:above", "C.8 (bracket above)",
        "While the gradients of the net have not moved, ln 𝓛 + γ‖h‖ is below its bracket.";
    BRACKET_BELOW: "c.8:below", "C.8 (bracket below)",
        "While the gradients of the net have not moved, ln 𝓛 + γ‖h‖ is above its bracket.";
    PLATEAU: "c.9:plateau", "C.9 (plateau law)",
        "Between the fit and the transition the loss is that of the largest L2 margin at the length the weight decay allows.";
    MARGIN: "thm-3.4", "Thm 3.4",
        "At T_c^- the least output over γZ tends to 1: the net has the largest L2 margin as α → ∞.",
        erratum: "Z = ln(α^c/λ)/γ: the proof has ln(α^{2(L−1)c}/λ)";
    DIRECTION: "cor-3.6", "Cor 3.6",
        "At T_c^- the direction of w is that of the largest L2 margin, as α → ∞.";
    FIT: "d.1-26", "D.1 (26)",
        "The squared training loss is at most the larger of an exponential fit and the floor that the weight decay leaves.";
    FIT_WITHOUT_HALF: "d.1-26:without-half", "D.1 (26), loss without ½",
        "The same with the constants of the loss (1/n)Σs².";
    FIT_KERNEL: "d.1-26:kernel", "D.1 (26), K never falls",
        "The same with the tangent kernel never below that of the start, in units of the decayed parameters.";
    RESIDUAL: "d.5:residual", "D.5 (residual law)",
        "After the fit the residuals are −(nLλ/2)K(θ)⁻¹y, to leading order in λ.";
    LEAST_NORM: "thm-3.9", "Thm 3.9",
        "At T_c^- the predictor w is the interpolant of least L2 norm, as α → ∞.";
    ENERGY: "c.12:energy", "C.12 (energy identity)",
        "Some time in every window has ‖∇𝓛_λ‖² at most the fall of 𝓛_λ over the window divided by its length.";
    STATIONARY: "c.12-22", "C.12 (22)",
        "Some time in the window after the transition satisfies the KKT conditions of the rich phase up to ε = O((ln 1/λ)^{−½}).";
    STATIONARY_SQUARED: "thm-3.10", "Thm 3.10",
        "The same for the squared loss.";
    L1_MARGIN: "cor-3.7", "Cor 3.7",
        "At depth 2 the good times of the rich phase have nearly the largest L1 margin.";
    END_STATE: "end-state:depth-2", "§4 (end state, L = 2)",
        "At depth 2 the objective 𝓛 + (λ/2)‖θ‖² ends at the minimum of 𝓛 + (λ/2)‖w‖₁.";
    END_STATE_DEEP: "end-state:deeper", "§4 (end state, L ≥ 3)",
        "At depth 3 and more the flow ends at a stationary point of the objective.";
    DEPARTURE_RATE_SQUARED: "d.2:rate", "D.2 (rate)",
        "For the squared loss the departure from the start at T_c^- falls like α^{−cL}.";
    DEPARTURE_RATE: "c.5:rate", "C.5 (rate)",
        "For the exponential loss the departure from the start at T_c^-, over ln A, falls at least like α^{−cL}.";
    LEAST_NORM_RATE: "d.7:rate", "D.7 (rate, symmetric start)",
        "From a symmetric start ‖w − w_L2‖ at T_c^- falls like α^{−2cL}.";
    DIRECTION_RATE: "cor-3.6:rate", "Cor 3.6 (rate)",
        "The angle to the direction of the largest L2 margin at T_c^- falls like 1/ln α, its 1 − cos like (ln α)^{−2}.";
    STATIONARY_RATE_SQUARED: "thm-3.10:rate", "Thm 3.10 (rate)",
        "For the squared loss the least KKT residual in the window falls at least like (ln 1/λ)^{−½}.";
    STATIONARY_RATE: "c.12-22:rate", "C.12 (22) (rate)",
        "The least KKT residual in the window falls at least like (ln 1/λ)^{−½}.";
    SAMPLE_L1: "e.4", "E.4",
        "On a majority of k of d signs the predictor of the largest L1 margin errs with probability at most 4k√(2 ln(2d)/n) + 3√(ln(2/δ)/2n), with probability 1 − δ over the sample.";
    SAMPLE_L2: "e.5", "E.5",
        "On a majority of k of d signs the predictor of the largest L2 margin errs with probability at most 4√(kd/n) + 3√(ln(2/δ)/2n), with probability 1 − δ over the sample.";
    NOISE_EARLY: "b.1:early", "B.1 (T/η^β)",
        "After T/η^β steps of descent with label noise the population loss is still of the order of ‖w*‖².";
    NOISE_LATE: "b.1:late", "B.1 (T/η²)",
        "After T/η² steps of descent with label noise the population loss falls to 0 as T → ∞.";
}
