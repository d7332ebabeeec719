//! What a condition says of all the uses that a scope covers at once: Kleene's logic, with a fourth
//! value for what cannot be evaluated. Pure logic.

/// What a condition says of all the uses that a scope covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// It holds for every one of them.
    Yes,
    /// It holds for none.
    No,
    /// It may hold for some and not for others; it can be evaluated for each.
    Partly,
    /// It cannot be told, or cannot be evaluated for some.
    Fails,
}

impl Truth {
    /// The same for all.
    pub(crate) const fn known(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }

    /// From what it says of each; of nothing, everything holds.
    pub(crate) fn of_all(each: impl IntoIterator<Item = bool>) -> Self {
        let mut each = each.into_iter();
        let Some(first) = each.next() else { return Self::Yes };
        if each.all(|one| one == first) { Self::known(first) } else { Self::Partly }
    }

    /// Its contrary.
    pub(crate) const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            other => other,
        }
    }

    /// `self && other`: the right side is not asked where the left one fails, as Cedar does it.
    pub(crate) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => other(),
            Self::Partly => match other() {
                Self::Yes => Self::Partly,
                told => told,
            },
            told => told,
        }
    }

    /// `self || other`.
    pub(crate) fn or(self, other: impl FnOnce() -> Self) -> Self {
        self.not().and(|| other().not()).not()
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{self, Fails, No, Partly, Yes};

    #[test]
    fn what_is_unknown_on_one_side_may_be_decided_by_the_other_but_never_a_failure() {
        assert_eq!(Partly.and(|| No), No);
        assert_eq!(Partly.and(|| Yes), Partly);
        assert_eq!(Partly.or(|| Yes), Yes);
        assert_eq!(Partly.or(|| No), Partly);
        assert_eq!(Fails.and(|| No), Fails, "cedar skips a policy whose left side fails");
        assert_eq!(Fails.or(|| Yes), Fails);
        assert_eq!(No.and(|| Fails), No);
        assert_eq!(Yes.or(|| Fails), Yes);
        assert_eq!(Truth::of_all([true, true]), Yes);
        assert_eq!(Truth::of_all([true, false]), Partly);
    }
}
