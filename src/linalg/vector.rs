//! Loops compiled for the vector units of the machine at hand. The results are the same on all machines:
//! no operations are fused.

/// Runs `work` with the widest vectors there are. What it calls must be inlined into it, so mark the closure
/// and its helpers `#[inline(always)]`.
///
/// A closure that may be called again is asked for because that call is the closure's own body; a call of
/// `FnOnce` goes through a shim that is compiled for any machine, and stays outside.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnMut() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnMut() -> R> pulp::WithSimd for Work<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}
