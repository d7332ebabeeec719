//! JSON to component values, in one pass along the type. Nothing is built that the type does not ask for, and the
//! depth is the type's own.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wasmtime::component::Val;

use super::error::{Error, InputError, Problem, nearest};
use super::plan::{Cases, Fields, Int, Names, Plan};
use super::scan::{Cursor, Read, Snag, Step};
use super::wit::brief;

/// How many optional fields may be left out of one text, beyond one for each of its bytes.
const FREE_ABSENT: usize = 100_000;
/// The longest text of a type or of a list of names in a message, in bytes.
const TYPE_TEXT: usize = 160;
/// The longest piece of the input in a message, in bytes.
const QUOTE: usize = 48;

/// Reads the whole of `text` with `read`.
pub(super) fn whole<'a, T>(
    text: &'a str,
    read: impl FnOnce(&mut Cursor<'a>) -> Read<T>,
) -> Result<T, Error> {
    let mut cursor = Cursor::new(text);
    read(&mut cursor)
        .and_then(|value| match cursor.peek() {
            0 if cursor.at == text.len() => Ok(value),
            _ => Err(Snag::new(cursor.at, Problem::Trailing)),
        })
        .map_err(|snag| Error::Input(Box::new(locate(text, *snag))))
}

fn locate(text: &str, snag: Snag) -> InputError {
    let mut path = String::from("$");
    for step in snag.path.iter().rev() {
        match step {
            Step::Field(name) => {
                path.push('.');
                path.push_str(name);
            }
            Step::Key(key) => path.push_str(&format!("[\"{key}\"]")),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    let byte = text.floor_char_boundary(snag.at);
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    InputError {
        path,
        problem: snag.problem,
        byte,
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// A piece of the input, made safe to print.
fn quote(text: &str) -> String {
    brief(text.escape_debug(), QUOTE)
}

fn known(names: &Names) -> String {
    let mut text = String::new();
    for name in names.iter() {
        if text.len() + name.len() > TYPE_TEXT {
            text.push_str(", …");
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&format!("`{name}`"));
    }
    text
}

fn boxed(value: Val) -> Option<Box<Val>> {
    Some(Box::new(value))
}

/// The arguments of a call: an object by name, an array by position, or nothing where there are no parameters.
pub(super) fn arguments(cursor: &mut Cursor<'_>, params: &Fields) -> Read<Vec<Val>> {
    match cursor.peek() {
        b'{' => {
            let fields = fields(cursor, params)?;
            Ok(fields.into_iter().map(|(_, value)| value).collect())
        }
        b'[' => positions(cursor, &params.plans, "arguments"),
        0 if params.plans.is_empty() && cursor.at == cursor.text().len() => Ok(Vec::new()),
        b'n' if params.plans.is_empty() && cursor.literal("null") => Ok(Vec::new()),
        _ => mismatch(cursor, "the arguments, as an object or an array"),
    }
}

/// The result of a function that may have none.
pub(super) fn maybe(cursor: &mut Cursor<'_>, plan: Option<&Plan>) -> Read<Option<Val>> {
    match plan {
        Some(plan) => value(cursor, plan).map(Some),
        None if cursor.peek() == b'n' && cursor.literal("null") => Ok(None),
        None => mismatch(cursor, "null"),
    }
}

#[cold]
fn mismatch<T>(cursor: &mut Cursor<'_>, expected: impl std::fmt::Display) -> Read<T> {
    let Some(found) = cursor.kind() else {
        let is_end = cursor.at == cursor.text().len();
        return cursor.syntax(if is_end {
            "expected a value, found the end of the text"
        } else {
            "expected a value"
        });
    };
    let expected = brief(expected, TYPE_TEXT);
    Err(Snag::new(cursor.at, Problem::Kind { expected, found }))
}

#[cold]
fn form<T>(at: usize, expected: impl std::fmt::Display, why: impl Into<String>) -> Read<T> {
    let expected = brief(expected, TYPE_TEXT);
    Err(Snag::new(at, Problem::Form { expected, why: why.into() }))
}

pub(super) fn value(cursor: &mut Cursor<'_>, plan: &Plan) -> Read<Val> {
    let next = cursor.peek();
    match (plan, next) {
        (Plan::Text, b'"') => cursor.string().map(|text| Val::String(text.into_owned())),
        (Plan::Int(int), b'-' | b'0'..=b'9' | b'"') => integer(cursor, *int),
        (Plan::Record(fields_of), b'{') => fields(cursor, fields_of).map(Val::Record),
        (Plan::Option(inner), _) => option(cursor, inner),
        (Plan::List(element, None), b'[') => list(cursor, element).map(Val::List),
        (Plan::List(element, Some(len)), b'[') => {
            let at = cursor.at;
            let values = list(cursor, element)?;
            length(at, *len as usize, values.len(), "elements")?;
            Ok(Val::FixedLengthList(values))
        }
        (Plan::Bool, b't') if cursor.literal("true") => Ok(Val::Bool(true)),
        (Plan::Bool, b'f') if cursor.literal("false") => Ok(Val::Bool(false)),
        (Plan::F64, b'-' | b'0'..=b'9' | b'"') => {
            float(cursor, plan, f64::is_finite).map(Val::Float64)
        }
        (Plan::F32, b'-' | b'0'..=b'9' | b'"') => {
            float(cursor, plan, f32::is_finite).map(Val::Float32)
        }
        (Plan::Char, b'"') => char(cursor),
        (Plan::Bytes(len), b'"' | b'[') => bytes(cursor, *len),
        (Plan::Tuple(plans), b'[') => positions(cursor, plans, "elements").map(Val::Tuple),
        (Plan::Enum(names), b'"') => {
            name(cursor, names, "case of the enum").map(|at| Val::Enum(names.get(at).into()))
        }
        (Plan::Variant(cases), b'"' | b'{') => variant(cursor, plan, cases),
        (Plan::Result(arms), b'{') => result(cursor, plan, arms),
        (Plan::Flags(names), b'[') => flags(cursor, names),
        (Plan::Map(of), b'{' | b'[') => map(cursor, plan, of),
        _ => mismatch(cursor, plan),
    }
}

fn length(at: usize, expected: usize, found: usize, what: &'static str) -> Read<()> {
    if expected == found {
        return Ok(());
    }
    let found = found.to_string();
    Err(Snag::new(at, Problem::Length { expected, what, found }))
}

fn integer(cursor: &mut Cursor<'_>, int: Int) -> Read<Val> {
    let at = cursor.at;
    let (text, is_whole) = if cursor.peek() == b'"' {
        if !int.is_wide() {
            return mismatch(cursor, int.name());
        }
        let text = cursor.string()?;
        let mut inner = Cursor::new(&text);
        let is_whole = inner.number().is_ok_and(|number| number.is_whole && inner.at == text.len());
        if !is_whole {
            return form(at, int.name(), "the string is not a whole decimal number");
        }
        (text, true)
    } else {
        let number = cursor.number()?;
        (Cow::Borrowed(number.text), number.is_whole)
    };
    if !is_whole {
        return form(at, int.name(), "write a whole number without fraction or exponent");
    }
    let (negative, digits) =
        text.strip_prefix('-').map_or((false, &*text), |digits| (true, digits));
    let limit = if negative { int.lowest() } else { int.highest() };
    let magnitude = digits
        .bytes()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    match magnitude {
        Some(magnitude) if magnitude <= limit => Ok(whole_number(int, negative, magnitude)),
        _ => {
            let sign = if int.lowest() > 0 { "-" } else { "" };
            let range = format!("{sign}{}..={}", int.lowest(), int.highest());
            Err(Snag::new(at, Problem::Range { found: quote(&text), ty: int.name(), range }))
        }
    }
}

/// The value of a number that is known to be in range: no cast here loses a bit.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn whole_number(int: Int, negative: bool, magnitude: u64) -> Val {
    let signed = if negative { magnitude.wrapping_neg() } else { magnitude } as i64;
    match int {
        Int::U8 => Val::U8(magnitude as u8),
        Int::U16 => Val::U16(magnitude as u16),
        Int::U32 => Val::U32(magnitude as u32),
        Int::U64 => Val::U64(magnitude),
        Int::S8 => Val::S8(signed as i8),
        Int::S16 => Val::S16(signed as i16),
        Int::S32 => Val::S32(signed as i32),
        Int::S64 => Val::S64(signed),
    }
}

fn float<F: std::str::FromStr + Copy>(
    cursor: &mut Cursor<'_>,
    plan: &Plan,
    is_finite: fn(F) -> bool,
) -> Read<F> {
    let at = cursor.at;
    let parse = |text: &str| text.parse::<F>().ok();
    if cursor.peek() == b'"' {
        let text = cursor.string()?;
        return match &*text {
            "NaN" | "Infinity" | "-Infinity" => parse(&text),
            _ => None,
        }
        .map_or_else(|| form(at, plan, "of strings only `NaN`, `Infinity`, `-Infinity`"), Ok);
    }
    let number = cursor.number()?;
    match parse(number.text) {
        Some(value) if is_finite(value) => Ok(value),
        _ => {
            let (ty, range) = match plan {
                Plan::F32 => ("f32", "±3.4028235e38"),
                _ => ("f64", "±1.7976931348623157e308"),
            };
            let found = quote(number.text);
            Err(Snag::new(at, Problem::Range { found, ty, range: range.into() }))
        }
    }
}

fn char(cursor: &mut Cursor<'_>) -> Read<Val> {
    let at = cursor.at;
    let text = cursor.string()?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => Ok(Val::Char(one)),
        (None, _) => form(at, "char", "the string is empty"),
        _ => form(at, "char", "the string has more than one character"),
    }
}

fn bytes(cursor: &mut Cursor<'_>, len: Option<u32>) -> Read<Val> {
    let at = cursor.at;
    let values: Vec<Val> = if cursor.peek() == b'"' {
        let text = cursor.string()?;
        match STANDARD.decode(&*text) {
            Ok(bytes) => bytes.into_iter().map(Val::U8).collect(),
            Err(_) => return form(at, Plan::Bytes(len), "the string is not padded base64"),
        }
    } else {
        list(cursor, &Plan::Int(Int::U8))?
    };
    let Some(len) = len else { return Ok(Val::List(values)) };
    length(at, len as usize, values.len(), "bytes")?;
    Ok(Val::FixedLengthList(values))
}

fn list(cursor: &mut Cursor<'_>, element: &Plan) -> Read<Vec<Val>> {
    cursor.at += 1;
    let mut values = Vec::new();
    if cursor.take(b']') {
        return Ok(values);
    }
    loop {
        let one = value(cursor, element);
        values.push(one.map_err(|snag| snag.under(Step::Index(values.len())))?);
        if !cursor.goes_on(b']', "expected `,` or `]`")? {
            return Ok(values);
        }
    }
}

fn positions(cursor: &mut Cursor<'_>, plans: &[Plan], what: &'static str) -> Read<Vec<Val>> {
    let at = cursor.at;
    cursor.at += 1;
    let mut values = Vec::with_capacity(plans.len());
    let mut more = !cursor.take(b']');
    while more {
        let Some(plan) = plans.get(values.len()) else {
            let found = String::from("more");
            return Err(Snag::new(at, Problem::Length { expected: plans.len(), what, found }));
        };
        let one = value(cursor, plan);
        values.push(one.map_err(|snag| snag.under(Step::Index(values.len())))?);
        more = cursor.goes_on(b']', "expected `,` or `]`")?;
    }
    length(at, plans.len(), values.len(), what)?;
    Ok(values)
}

/// Reads an object as a record. Fields in the order of their declaration, of which optional ones may be left out,
/// are read without a lookup; the first that is out of order moves the rest to [`unordered`].
fn fields(cursor: &mut Cursor<'_>, record: &Fields) -> Read<Vec<(String, Val)>> {
    let start = cursor.at;
    cursor.at += 1;
    let more = !cursor.take(b'}');
    rest(cursor, record, start, Vec::with_capacity(record.names.len()), more)
}

/// The rest of an object that began at `start`, whose first fields are in `values`; whether there is `more`.
pub(super) fn rest(
    cursor: &mut Cursor<'_>,
    record: &Fields,
    start: usize,
    mut values: Vec<(String, Val)>,
    mut more: bool,
) -> Read<Vec<(String, Val)>> {
    let names = &record.names;
    let mut filled = Vec::new();
    while more {
        let key_at = cursor.at;
        if cursor.peek() != b'"' {
            return cursor.syntax("expected a field name in quotes");
        }
        let Some(index) = in_order(cursor, record, values.len()) else {
            cursor.at = key_at;
            return unordered(cursor, record, start, values, filled);
        };
        while values.len() < index {
            filled.push(values.len());
            absent(cursor, record, values.len(), start, &mut values)?;
        }
        cursor.expect(b':', "expected `:` after a field name")?;
        let one = value(cursor, &record.plans[index])
            .map_err(|snag| snag.under(Step::Field(names.get(index).into())))?;
        values.push((names.get(index).to_owned(), one));
        more = cursor.goes_on(b'}', "expected `,` or `}`")?;
    }
    while values.len() < names.len() {
        absent(cursor, record, values.len(), start, &mut values)?;
    }
    Ok(values)
}

/// The field whose quoted name stands here, when only optional fields lie between it and `from`.
#[inline]
fn in_order(cursor: &mut Cursor<'_>, record: &Fields, from: usize) -> Option<usize> {
    for index in from..record.names.len() {
        if cursor.literal(record.names.quoted(index)) {
            return Some(index);
        }
        if !record.plans[index].is_nullable() {
            return None;
        }
    }
    None
}

fn absent(
    cursor: &mut Cursor<'_>,
    record: &Fields,
    index: usize,
    start: usize,
    values: &mut Vec<(String, Val)>,
) -> Read<()> {
    let name = record.names.get(index);
    let plan = &record.plans[index];
    if !plan.is_nullable() {
        let (name, ty) = (name.to_owned(), brief(plan, TYPE_TEXT));
        return Err(Snag::new(start, Problem::MissingField { name, ty }));
    }
    cursor.absent += 1;
    if cursor.absent > FREE_ABSENT + cursor.text().len() {
        return Err(Snag::new(start, Problem::TooSparse));
    }
    values.push((name.to_owned(), Val::Option(None)));
    Ok(())
}

fn unordered(
    cursor: &mut Cursor<'_>,
    record: &Fields,
    start: usize,
    read: Vec<(String, Val)>,
    filled: Vec<usize>,
) -> Read<Vec<(String, Val)>> {
    let names = &record.names;
    let mut slots: Vec<Option<Val>> = Vec::new();
    slots.resize_with(names.len(), || None);
    for (slot, (_, value)) in slots.iter_mut().zip(read) {
        *slot = Some(value);
    }
    // What was taken for absent may still come.
    for index in filled {
        slots[index] = None;
    }
    loop {
        if cursor.peek() != b'"' {
            return cursor.syntax("expected a field name in quotes");
        }
        let at = cursor.at;
        let name = cursor.string()?;
        let Some(index) = names.find(&name) else {
            let near = nearest(&name, names.iter());
            let name = quote(&name);
            let problem = Problem::UnknownField { name, near, known: known(names) };
            return Err(Snag::new(at, problem));
        };
        if slots[index].is_some() {
            return Err(Snag::new(at, Problem::Duplicate { name: quote(&name) }));
        }
        cursor.expect(b':', "expected `:` after a field name")?;
        let one = value(cursor, &record.plans[index])
            .map_err(|snag| snag.under(Step::Field(name.into_owned())))?;
        slots[index] = Some(one);
        if !cursor.goes_on(b'}', "expected `,` or `}`")? {
            break;
        }
    }
    let mut values = Vec::with_capacity(names.len());
    for (index, slot) in slots.into_iter().enumerate() {
        match slot {
            Some(value) => values.push((names.get(index).to_owned(), value)),
            None => absent(cursor, record, index, start, &mut values)?,
        }
    }
    Ok(values)
}

/// Reads a string that must be one of `names`.
fn name(cursor: &mut Cursor<'_>, names: &Names, what: &'static str) -> Read<usize> {
    let at = cursor.at;
    let name = cursor.string()?;
    names.find(&name).map_or_else(
        || {
            let near = nearest(&name, names.iter());
            let name = quote(&name);
            Err(Snag::new(at, Problem::UnknownCase { name, what, near, known: known(names) }))
        },
        Ok,
    )
}

fn option(cursor: &mut Cursor<'_>, inner: &Plan) -> Read<Val> {
    if cursor.peek() == b'n' && cursor.literal("null") {
        return Ok(Val::Option(None));
    }
    if !inner.is_nullable() {
        return value(cursor, inner).map(|value| Val::Option(boxed(value)));
    }
    let expected = "null or an object with the one field `some`, for an option of an option";
    if cursor.peek() != b'{' {
        return mismatch(cursor, expected);
    }
    let at = cursor.at;
    cursor.at += 1;
    if cursor.peek() != b'"' || cursor.string()? != "some" {
        return form(at, expected, "it has another field");
    }
    let some = single(cursor, inner, "some")?;
    Ok(Val::Option(boxed(some)))
}

/// `:`, a value, and the end of an object of one field.
fn single(cursor: &mut Cursor<'_>, plan: &Plan, field: &str) -> Read<Val> {
    cursor.expect(b':', "expected `:` after a field name")?;
    let one = value(cursor, plan).map_err(|snag| snag.under(Step::Field(field.into())))?;
    cursor.expect(b'}', "expected `}`: this object has one field")?;
    Ok(one)
}

fn variant(cursor: &mut Cursor<'_>, plan: &Plan, cases: &Cases) -> Read<Val> {
    const WHAT: &str = "case of the variant";
    let at = cursor.at;
    let has_payload = cursor.take(b'{');
    if has_payload && cursor.peek() != b'"' {
        return form(
            cursor.at,
            plan,
            "write a payload as an object with the case as its one field",
        );
    }
    let index = name(cursor, &cases.names, WHAT)?;
    let case = cases.names.get(index);
    let payload = match (&cases.payloads[index], has_payload) {
        (None, false) => None,
        (Some(payload), true) => boxed(single(cursor, payload, case)?),
        (None, true) => {
            return form(at, plan, format!("the case has no payload: write `\"{case}\"`"));
        }
        (Some(payload), false) => {
            let payload = brief(payload, TYPE_TEXT);
            return form(
                at,
                plan,
                format!("the case has a payload: write `{{\"{case}\": …}}` with a `{payload}`"),
            );
        }
    };
    Ok(Val::Variant(case.to_owned(), payload))
}

fn result(cursor: &mut Cursor<'_>, plan: &Plan, arms: &(Option<Plan>, Option<Plan>)) -> Read<Val> {
    let at = cursor.at;
    cursor.at += 1;
    let is_key = cursor.peek() == b'"';
    let key = if is_key { cursor.string()? } else { Cow::Borrowed("") };
    let (arm, name) = match &*key {
        "ok" => (&arms.0, "ok"),
        "err" => (&arms.1, "err"),
        _ => return form(at, plan, "write an object with the one field `ok` or `err`"),
    };
    cursor.expect(b':', "expected `:` after a field name")?;
    let one = maybe(cursor, arm.as_ref()).map_err(|snag| snag.under(Step::Field(name.into())))?;
    cursor.expect(b'}', "expected `}`: this object has one field")?;
    let one = one.map(Box::new);
    Ok(Val::Result(if name == "ok" { Ok(one) } else { Err(one) }))
}

fn flags(cursor: &mut Cursor<'_>, names: &Names) -> Read<Val> {
    cursor.at += 1;
    let mut set = vec![false; names.len()];
    let mut more = !cursor.take(b']');
    while more {
        if cursor.peek() != b'"' {
            return mismatch(cursor, "the name of a flag");
        }
        let at = cursor.at;
        let index = name(cursor, names, "flag")?;
        if std::mem::replace(&mut set[index], true) {
            let name = names.get(index).to_owned();
            return Err(Snag::new(at, Problem::Duplicate { name }));
        }
        more = cursor.goes_on(b']', "expected `,` or `]`")?;
    }
    let set = names.iter().zip(set).filter(|(_, is_set)| *is_set);
    Ok(Val::Flags(set.map(|(name, _)| name.to_owned()).collect()))
}

/// An object where the keys are strings, otherwise an array of pairs.
fn map(cursor: &mut Cursor<'_>, plan: &Plan, of: &(Plan, Plan)) -> Read<Val> {
    let (key_plan, value_plan) = of;
    if !matches!(key_plan, Plan::Text) {
        if cursor.peek() != b'[' {
            return mismatch(cursor, plan);
        }
        return pairs(cursor, of);
    }
    if cursor.peek() != b'{' {
        return mismatch(cursor, plan);
    }
    cursor.at += 1;
    let mut entries = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut more = !cursor.take(b'}');
    while more {
        if cursor.peek() != b'"' {
            return cursor.syntax("expected a key in quotes");
        }
        let at = cursor.at;
        let key = cursor.string()?;
        if !seen.insert(key.clone()) {
            return Err(Snag::new(at, Problem::Duplicate { name: quote(&key) }));
        }
        cursor.expect(b':', "expected `:` after a key")?;
        let one = value(cursor, value_plan).map_err(|snag| snag.under(Step::Key(quote(&key))))?;
        entries.push((Val::String(key.into_owned()), one));
        more = cursor.goes_on(b'}', "expected `,` or `}`")?;
    }
    Ok(Val::Map(entries))
}

fn pairs(cursor: &mut Cursor<'_>, of: &(Plan, Plan)) -> Read<Val> {
    cursor.at += 1;
    let mut entries: Vec<(Val, Val)> = Vec::new();
    let mut more = !cursor.take(b']');
    while more {
        let under = |snag: Box<Snag>, len: usize| snag.under(Step::Index(len));
        let at = entries.len();
        if cursor.peek() != b'[' {
            return mismatch(cursor, "a pair of key and value").map_err(|snag| under(snag, at));
        }
        cursor.at += 1;
        let key = value(cursor, &of.0).map_err(|snag| under(snag, at))?;
        cursor.expect(b',', "expected `,` between key and value")?;
        let one = value(cursor, &of.1).map_err(|snag| under(snag, at))?;
        cursor.expect(b']', "expected `]`: a pair has two elements")?;
        entries.push((key, one));
        more = cursor.goes_on(b']', "expected `,` or `]`")?;
    }
    Ok(Val::Map(entries))
}
