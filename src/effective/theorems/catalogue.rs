//! The statements of arXiv 2205.10343, and ours around them, in sentences.

use crate::theorem::catalogue;

catalogue! {
    "2205.10343";
    DEGENERACY: "sec-3.2:degeneracy", "Sec. 3.2 (degeneracy)",
        "Without wrap at least two dimensions of ground states remain: shift and scale.";
    RANK: "sec-3.2:rank", "Sec. 3.2 (rank)",
        "The nullity is at least p less the number of training samples beyond the first of each sum.";
    FEWEST: "app-c", "App. C (fewest samples)",
        "A unique structure needs at least p training samples.";
    IDEAL_RQI: "app-e:rqi-bar", "App. E (RQI-bar)",
        "With a unique structure all parallelograms are implied: RQI-bar = 1.";
    IDEAL_ACCURACY: "sec-3.2:acc-bar", "Sec. 3.2 (Acc-bar)",
        "With a unique structure Acc-bar = 1 (printed), or the share of samples whose label was seen (corrected).",
        erratum: "a label that was never seen cannot be predicted, however unique the structure";
    COUNT: "eq-1:count", "eq. 1 (count)",
        "The number of parallelograms of the full set, in closed form.";
    THIRD_BOUND: "eq-9:mu3", "eq. 9 (μ3 ≤ k(k+1))",
        "On full data with p = 2k the third smallest eigenvalue of G is at most k(k+1).";
    THIRD_VALUE: "eq-9:mu3-value", "eq. 9 (μ3 = k(k+1), numerical)",
        "On full data with p = 2k the third smallest eigenvalue of G is k(k+1).";
    MODULAR_NULLITY: "sec-3.2:modular-nullity", "Sec. 3.2 (modular: no ground state but translation)",
        "On full data modulo an odd p only shifts are ground states.";
    MODULAR_SMALLEST: "eq-9:modular-smallest", "eq. 9 (modular: smallest μ)",
        "On full data modulo an odd p the smallest positive eigenvalue of G is p(p+3)/2.";
    MODULAR_LARGEST: "eq-9:modular-largest", "eq. 9 (modular: largest μ)",
        "On full data modulo an odd p the largest eigenvalue of G is p(p+3)/2.";
    MODULAR_CIRCLES: "sec-3.2:modular-circles", "Sec. 3.2 (modular: circles)",
        "On full data modulo an odd p the parallelograms have p solutions on the circle, up to rotation.";
    GROUP_COUNT: "app-h:count", "App. H (count)",
        "The full set of S3 has 90 parallelograms.";
    GROUP_DEGENERACY: "app-h:degeneracy", "App. H (degeneracy)",
        "The tangent nullity of S3 is at least that of its full set.";
    Z0: "app-f:z0", "App. F (Z0)",
        "The full gradient conserves Z0 = ‖E‖².";
    CENTRE: "app-f:c", "App. F (C)",
        "The full gradient conserves C = ΣE (printed), or C over the length of the rest (corrected).",
        erratum: "drops the term that keeps Z0: ΣE is conserved only when zero, and grows otherwise";
    CENTRE_ZERO: "app-f:c-zero", "App. F (C = 0 stays)",
        "Embeddings that sum to zero go on doing so.";
    CENTRE_LINEAR: "eq-9:c", "eq. 9 (C)",
        "The linear flow conserves ΣE.";
    LOSS_FALLS: "eq-8:falls", "eq. 8 (loss falls)",
        "The loss never rises.";
    RATE: "eq-9:rate", "eq. 9 (rate)",
        "Once the structure is there the loss falls at least as fast as its slowest mode.";
    ALEXANDER: "app-e:alexander", "App. E (Alexander)",
        "Nothing is learnt that the training set does not imply: RQI is at most RQI-bar. The source assumes it, and concedes that chance may break it.";
    LIMIT_RQI: "app-e:rqi", "App. E (limit of RQI)",
        "Where the flow ends, every implied parallelogram holds.";
    LIMIT_ACCURACY: "app-e:acc", "App. E (limit of Acc)",
        "Where the flow ends, every implied sample is predicted.";
    MODULAR_LOSS: "eq-8:modular-constant", "eq. 8 (modular: constant loss)",
        "On full data modulo an odd p every representation that sums to zero has the same loss.";
    CLASSES: "app-i:closed-form", "App. I (closed form)",
        "The closed form of labelled points is the gradient flow of Σ|f_x − f_y|²/Z.";
    CLASSES_Z: "app-i:z", "App. I (Z)",
        "The flow of labelled points conserves Z.";
    TWO_BODY_INVARIANT: "app-l:invariant", "App. L (invariant)",
        "The two-body system conserves its invariant.";
    TWO_BODY_DECODER: "app-l:decoder", "App. L (decoder at rest, γ = 0)",
        "Without decay the decoder of the two-body system comes to rest at the value that the invariant leaves.";
    TWO_BODY_DISTANCE: "app-l:distance", "App. L (distance at rest, γ = 0)",
        "Without decay the distance of the two bodies comes to rest at the value that the invariant leaves.";
    TWO_BODY_DECAYED: "app-l:distance-decay", "App. L (distance at rest, γ > 0)",
        "With decay the distance of the two bodies comes to rest at the value that the invariant leaves.";
    DECODER_FITS: "prop-1", "Prop. 1",
        "If some decoder fits, every parallelogram of the embeddings among training samples is one of the labels.";
    INJECTIVE_FITS: "prop-2", "Prop. 2",
        "If an injective decoder fits, every parallelogram of the labels is one of the embeddings.";
    CRITICAL_FRACTION: "fig-4a:critical", "Fig. 4a (r_c)",
        "At p = 10 half of all training sets have a unique structure from a fraction of about 0.4 on.";
    FULL_RATE: "eq-9:full-rate", "eq. 9 (λ3 of full data, Z0 = p)",
        "λ3 of full data falls like p^{−2} when Z0 = p.";
}
