//! What is exact about trained networks, in sentences: statements of ours, derived in `theory/network.md`.

use crate::theorem::catalogue;

catalogue! {
    "groktime";
    INITIAL_NORM: "n3", "theory/network.md (N3)",
        "The mean of ‖θ(0)‖² is the sum of the variances of all parameters.";
    FORWARD_GAIN: "n4", "theory/network.md (N4)",
        "Each ReLU layer multiplies the signal of the layer before it by the root of half its variance times its width.";
    NORM_IDENTITY: "n6", "theory/network.md (N6)",
        "For L-homogeneous nets d‖θ‖²/dt = −2λ‖θ‖² − 2L Σ ρ_i f_i (Euler's identity).";
    PURE_DECAY: "n7", "theory/network.md (N7)",
        "Without gradient ‖θ_t‖ = (1 − ηλ)^t‖θ₀‖.";
    RANK: "n11", "theory/network.md (N11)",
        "The rank of a ReLU layer's features is at most the number of mixed units of the layer before it plus the smaller of its always-on units and its rank.";
    RESIDUAL: "n12", "theory/network.md (N12)",
        "On a fitted plateau f − y = −(nLλ/2)K(θ)⁻¹y, to leading order in λ.";
    ENERGY: "n13", "theory/network.md (N13)",
        "𝓛_λ(0) − 𝓛_λ(T) is the integral of ‖θ'‖².";
    BALANCE: "n14", "theory/network.md (N14)",
        "(‖in_j‖² − k‖out_j‖²)e^{2λt} does not change, unit by unit.";
}
