//! JSON to component values, over values that an earlier text of the same type left behind: where shapes agree, names and
//! buffers stay where they are. Reading records costs more for their memory than for their text.
//!
//! The result is that of [`decode`](super::decode), to the last error; whatever does not fit is read anew by it.

use wasmtime::component::Val;

use super::decode;
use super::plan::{Fields, Plan};
use super::scan::{Cursor, Read, Step};

/// The arguments of a call.
pub(super) fn arguments(
    cursor: &mut Cursor<'_>,
    params: &Fields,
    values: &mut Vec<Val>,
) -> Read<()> {
    let start = cursor.at;
    let fits = cursor.peek() == b'{' && values.len() == params.names.len();
    if fits && named(cursor, params, values)? {
        return Ok(());
    }
    (cursor.at, cursor.absent) = (start, 0);
    *values = decode::arguments(cursor, params)?;
    Ok(())
}

/// Whether the object has all parameters in their order.
fn named(cursor: &mut Cursor<'_>, params: &Fields, values: &mut [Val]) -> Read<bool> {
    cursor.at += 1;
    for (index, slot) in values.iter_mut().enumerate() {
        cursor.peek();
        if !cursor.literal(params.names.quoted(index)) {
            return Ok(false);
        }
        field(cursor, params, index, slot)?;
        if !cursor.take(if index + 1 == params.names.len() { b'}' } else { b',' }) {
            return Ok(false);
        }
    }
    Ok(!values.is_empty())
}

fn field(cursor: &mut Cursor<'_>, of: &Fields, index: usize, slot: &mut Val) -> Read<()> {
    cursor.expect(b':', "expected `:` after a field name")?;
    value(cursor, &of.plans[index], slot)
        .map_err(|snag| snag.under(Step::Field(of.names.get(index).into())))
}

fn value(cursor: &mut Cursor<'_>, plan: &Plan, slot: &mut Val) -> Read<()> {
    let next = cursor.peek();
    match (plan, next, &mut *slot) {
        (Plan::Text, b'"', Val::String(text)) => {
            let read = cursor.string()?;
            text.clear();
            text.push_str(&read);
        }
        (Plan::Record(record), b'{', Val::Record(values)) => fields(cursor, record, values)?,
        (Plan::List(element, None), b'[', Val::List(values)) => list(cursor, element, values)?,
        // The null and the mark of nested options are not for here.
        (Plan::Option(inner), next, Val::Option(Some(old)))
            if next != b'n' && !inner.is_nullable() =>
        {
            value(cursor, inner, old)?;
        }
        _ => *slot = decode::value(cursor, plan)?,
    }
    Ok(())
}

fn list(cursor: &mut Cursor<'_>, element: &Plan, values: &mut Vec<Val>) -> Read<()> {
    cursor.at += 1;
    let mut read = 0;
    let mut more = !cursor.take(b']');
    while more {
        let one = match values.get_mut(read) {
            Some(slot) => value(cursor, element, slot),
            None => decode::value(cursor, element).map(|one| values.push(one)),
        };
        one.map_err(|snag| snag.under(Step::Index(read)))?;
        read += 1;
        more = cursor.goes_on(b']', "expected `,` or `]`")?;
    }
    values.truncate(read);
    Ok(())
}

/// Fields in the order of their declaration; the first that is not there leaves the rest to [`decode::rest`].
fn fields(cursor: &mut Cursor<'_>, record: &Fields, values: &mut Vec<(String, Val)>) -> Read<()> {
    let start = cursor.at;
    cursor.at += 1;
    let mut read = 0;
    let mut more = !cursor.take(b'}');
    while more {
        cursor.peek();
        let fits = values.get_mut(read).filter(|(name, _)| record.names.get(read) == name);
        let Some((_, slot)) = fits.filter(|_| cursor.literal(record.names.quoted(read))) else {
            break;
        };
        field(cursor, record, read, slot)?;
        read += 1;
        more = cursor.goes_on(b'}', "expected `,` or `}`")?;
    }
    if more || read < record.names.len() {
        let mut before = std::mem::take(values);
        before.truncate(read);
        *values = decode::rest(cursor, record, start, before, more)?;
    }
    values.truncate(record.names.len());
    Ok(())
}
