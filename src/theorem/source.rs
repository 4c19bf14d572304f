//! Where a statement comes from and what it says: its identity, the same for every problem.

use std::fmt;

/// One statement of a paper, or of ours. Its forms (as printed, as corrected, derived here) share it.
///
/// ```
/// use groktime::ridge::theorems::catalogue;
/// let late = &catalogue::LATE;
/// assert_eq!(late.to_string(), "2601.19791 Thm 4.5");
/// assert!(catalogue::ALL.contains(&late) && late.erratum.is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// arXiv number; `groktime` for what no paper says, `own` for what a user claims.
    pub paper: &'static str,
    /// Its name among the statements of the paper in ids: `thm-4.5:upper-side`.
    pub key: &'static str,
    /// How people cite it: `Thm 4.5 (upper side)`.
    pub number: &'static str,
    /// The claim in a sentence.
    pub says: &'static str,
    /// Why the printed form fails on some problems within its own hypotheses.
    pub erratum: Option<&'static str>,
}

impl Source {
    /// A statement of your own.
    ///
    /// ```
    /// use groktime::theorem::Source;
    /// static MINE: Source = Source::own("my-bound", "my bound", "The test loss falls within a thousand steps.");
    /// assert_eq!(MINE.to_string(), "my bound");
    /// ```
    pub const fn own(key: &'static str, number: &'static str, says: &'static str) -> Source {
        Source { paper: "own", key, number, says, erratum: None }
    }
}

/// Paper and number; the number alone where there is no paper.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.paper.starts_with(|c: char| c.is_ascii_digit()) {
            true => write!(f, "{} {}", self.paper, self.number),
            false => f.write_str(self.number),
        }
    }
}

/// The statements of one paper on one model, each a constant, and all of them in their order.
macro_rules! catalogue {
    (@erratum) => { None };
    (@erratum $why:literal) => { Some($why) };
    ($paper:literal; $($name:ident: $key:literal, $number:literal, $says:literal $(, erratum: $why:literal)?;)*) => {
        $(
            #[doc = concat!($number, ": ", $says)]
            pub static $name: $crate::theorem::Source = $crate::theorem::Source {
                paper: $paper,
                key: $key,
                number: $number,
                says: $says,
                erratum: $crate::theorem::catalogue!(@erratum $($why)?),
            };
        )*
        /// All of them.
        pub static ALL: &[&$crate::theorem::Source] = &[$(&$name),*];
    };
}
pub(crate) use catalogue;
