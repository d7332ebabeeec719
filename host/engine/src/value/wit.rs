//! WIT text of types, for error messages and for people. Types have no names here: records are written out.

use std::fmt::{self, Display, Write};

use super::plan::{Fields, Plan};

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int(int) => f.write_str(int.name()),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::Text => f.write_str("string"),
            Self::Bytes(None) => f.write_str("list<u8>"),
            Self::Bytes(Some(len)) => write!(f, "list<u8, {len}>"),
            Self::List(element, None) => write!(f, "list<{element}>"),
            Self::List(element, Some(len)) => write!(f, "list<{element}, {len}>"),
            Self::Map(of) => write!(f, "map<{}, {}>", of.0, of.1),
            Self::Record(fields) => write!(f, "record {{{fields}}}"),
            Self::Tuple(plans) => {
                f.write_str("tuple<")?;
                separated(f, plans.iter(), |f, plan| plan.fmt(f))?;
                f.write_char('>')
            }
            Self::Variant(cases) => {
                f.write_str("variant {")?;
                separated(f, cases.names.iter().zip(&cases.payloads), |f, (name, payload)| {
                    f.write_str(name)?;
                    payload.as_ref().map_or(Ok(()), |payload| write!(f, "({payload})"))
                })?;
                f.write_char('}')
            }
            Self::Enum(names) => {
                f.write_str("enum {")?;
                separated(f, names.iter(), |f, name| f.write_str(name))?;
                f.write_char('}')
            }
            Self::Flags(names) => {
                f.write_str("flags {")?;
                separated(f, names.iter(), |f, name| f.write_str(name))?;
                f.write_char('}')
            }
            Self::Option(inner) => write!(f, "option<{inner}>"),
            Self::Result(arms) => match &**arms {
                (None, None) => f.write_str("result"),
                (Some(ok), None) => write!(f, "result<{ok}>"),
                (None, Some(err)) => write!(f, "result<_, {err}>"),
                (Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
            },
        }
    }
}

impl Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, self.names.iter().zip(&self.plans), |f, (name, plan)| {
            write!(f, "{name}: {plan}")
        })
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    mut one: impl FnMut(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (at, item) in items.enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        one(f, item)?;
    }
    Ok(())
}

/// The text of anything, cut with `…` before it grows past `most` bytes; writing stops there too.
pub(super) fn brief(what: impl Display, most: usize) -> String {
    struct Brief {
        text: String,
        most: usize,
    }
    impl Write for Brief {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let left = self.most - self.text.len();
            if part.len() <= left {
                self.text.push_str(part);
                return Ok(());
            }
            self.text.push_str(&part[..part.floor_char_boundary(left)]);
            Err(fmt::Error)
        }
    }
    let mut brief = Brief { text: String::new(), most };
    if write!(brief, "{what}").is_err() {
        brief.text.push('…');
    }
    brief.text
}
