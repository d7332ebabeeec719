//! What is known of a text that a use may have, when a scope covers many uses: exactly it, one of a
//! few, or its beginning and its end. Compared with what policies say; knows nothing of scopes.

use std::borrow::Cow;

use cedar_policy_core::ast::{Pattern, PatternElem};

use super::Truth;

/// The texts that an attribute may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text<'t> {
    /// This one.
    Is(Cow<'t, str>),
    /// One of these.
    OneOf(Vec<Cow<'t, str>>),
    /// Whatever begins with `head` and ends with `tail`.
    Shape {
        /// How it begins.
        head: Cow<'t, str>,
        /// How it ends.
        tail: Cow<'t, str>,
        /// Whether exactly one label stands between them: at least one character, and no dot.
        label: bool,
    },
}

impl<'t> Text<'t> {
    /// This very text.
    pub(crate) fn is(text: impl Into<Cow<'t, str>>) -> Self {
        Self::Is(text.into())
    }

    /// Any text.
    pub(crate) fn any() -> Self {
        Self::starting("")
    }

    /// Any text that begins with `head`.
    pub(crate) fn starting(head: impl Into<Cow<'t, str>>) -> Self {
        Self::Shape { head: head.into(), tail: Cow::Borrowed(""), label: false }
    }

    /// One label and then `tail`.
    pub(crate) fn label_before(tail: impl Into<Cow<'t, str>>) -> Self {
        Self::Shape { head: Cow::Borrowed(""), tail: tail.into(), label: true }
    }

    /// The text, where there is only one.
    pub(crate) fn only(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::OneOf(texts) if texts.len() == 1 => texts.first().map(Cow::as_ref),
            Self::OneOf(_) | Self::Shape { .. } => None,
        }
    }

    /// Whether it is `other`.
    pub(crate) fn equals(&self, other: &str) -> Truth {
        match self {
            Self::Is(text) => Truth::known(text == other),
            Self::OneOf(texts) => Truth::of_all(texts.iter().map(|text| text == other)),
            Self::Shape { head, tail, label } => match shaped(other, head, tail, *label) {
                true => Truth::Partly,
                false => Truth::No,
            },
        }
    }

    /// Whether it is like `pattern`.
    pub(crate) fn like(&self, pattern: &Pattern) -> Truth {
        match self {
            Self::Is(text) => Truth::known(pattern.wildcard_match(text)),
            Self::OneOf(texts) => {
                Truth::of_all(texts.iter().map(|text| pattern.wildcard_match(text)))
            }
            Self::Shape { head, tail, label } => shape_like(pattern, head, tail, *label),
        }
    }
}

fn shaped(text: &str, head: &str, tail: &str, label: bool) -> bool {
    let between = text.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
    between.is_some_and(|between| !label || (!between.is_empty() && !between.contains('.')))
}

/// `No` only where nothing of the shape can match, `Yes` only where all of it does.
fn shape_like(pattern: &Pattern, head: &str, tail: &str, label: bool) -> Truth {
    let elements = pattern.get_elems();
    let literal = |elements: &[PatternElem]| -> String {
        let char_of = |element: &PatternElem| match element {
            PatternElem::Char(char) => Some(*char),
            PatternElem::Wildcard => None,
        };
        elements.iter().filter_map(char_of).collect()
    };
    let wild = |element: &PatternElem| *element == PatternElem::Wildcard;
    let (Some(first), Some(last)) =
        (elements.iter().position(wild), elements.iter().rposition(wild))
    else {
        // No wildcard: it is one text.
        return match shaped(&literal(elements), head, tail, label) {
            true => Truth::Partly,
            false => Truth::No,
        };
    };
    let (begins, ends) = (literal(&elements[..first]), literal(&elements[last + 1..]));
    let between = literal(&elements[first..=last]);
    let may_begin = head.starts_with(&begins) || begins.starts_with(head);
    let may_end = tail.ends_with(&ends) || ends.ends_with(tail);
    if !may_begin || !may_end {
        return Truth::No;
    }
    if label && head.is_empty() && begins.is_empty() && ends == tail && between.contains('.') {
        return Truth::No; // a dot would have to be within the label
    }
    if between.is_empty() && head.starts_with(&begins) && tail.ends_with(&ends) {
        return Truth::Yes;
    }
    Truth::Partly
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.chars()
            .map(|c| if c == '*' { PatternElem::Wildcard } else { PatternElem::Char(c) })
            .collect()
    }

    #[test]
    fn one_label_is_told_from_two_and_from_another_name() {
        let hosts = Text::label_before(".a.example");
        for (like, truth) in [
            ("*.a.example", Truth::Yes),
            ("*.example", Truth::Yes),
            ("*", Truth::Yes),
            ("*.*.a.example", Truth::No),
            ("*.b.example", Truth::No),
            ("x.a.example", Truth::Partly),
            ("x*.a.example", Truth::Partly),
            ("x.y.a.example", Truth::No),
        ] {
            assert_eq!(hosts.like(&pattern(like)), truth, "{like}");
        }
        assert_eq!(hosts.equals("x.a.example"), Truth::Partly);
        assert_eq!(hosts.equals(".a.example"), Truth::No);
        assert_eq!(Text::starting("/v1").like(&pattern("/v1*")), Truth::Yes);
        assert_eq!(Text::starting("/v1").like(&pattern("/v1/x*")), Truth::Partly);
        assert_eq!(Text::starting("/v1").like(&pattern("/v2*")), Truth::No);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_said_of_a_shape_is_true_of_every_text_in_it(
            head in "[a.]{0,2}", tail in "[a.]{0,2}", label in any::<bool>(),
            middles in prop::collection::vec("[ab.]{0,3}", 1..6), like in "[ab.*]{0,5}",
        ) {
            let shape = Text::Shape { head: head.clone().into(), tail: tail.clone().into(), label };
            let pattern = pattern(&like);
            for middle in middles {
                let text = format!("{head}{middle}{tail}");
                if label && (middle.is_empty() || middle.contains('.')) {
                    continue;
                }
                match shape.like(&pattern) {
                    Truth::Yes => prop_assert!(pattern.wildcard_match(&text), "{text}"),
                    Truth::No => prop_assert!(!pattern.wildcard_match(&text), "{text}"),
                    Truth::Partly | Truth::Fails => {}
                }
                prop_assert_ne!(shape.equals(&text), Truth::No);
            }
        }
    }
}
