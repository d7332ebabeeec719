//! The shape of one WIT type, compiled once from wasmtime's types and then owned: no engine, no store, no lock.
//!
//! What JSON cannot carry (handles, futures, streams, error contexts) is refused here, so that nothing behind this
//! file ever meets it.

use wasmtime::component::types::{self, Type};

use super::error::Error;

/// How deep a type may nest. JSON is read along the type, so this bounds the depth of every input too.
pub(super) const MAX_DEPTH: usize = 128;

/// How many nodes the types of one function may have, each use of a shared type counted again.
pub(super) const MAX_NODES: usize = 50_000;

/// Above this many names a binary search beats walking them.
const WALKED_NAMES: usize = 8;

/// A WIT type, as the converter sees it.
#[derive(Debug)]
pub(super) enum Plan {
    Bool,
    Int(Int),
    F32,
    F64,
    Char,
    Text,
    /// `list<u8>` or `list<u8, N>`: base64.
    Bytes(Option<u32>),
    /// `list<T>` or `list<T, N>`.
    List(Box<Plan>, Option<u32>),
    Map(Box<(Plan, Plan)>),
    Record(Fields),
    Tuple(Box<[Plan]>),
    Variant(Cases),
    Enum(Names),
    Option(Box<Plan>),
    Result(Box<(Option<Plan>, Option<Plan>)>),
    Flags(Names),
}

impl Plan {
    /// Whether a value of it may be written `null`, so that an option around it needs its own mark.
    pub(super) const fn is_nullable(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Int {
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
}

impl Int {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::S8 => "s8",
            Self::S16 => "s16",
            Self::S32 => "s32",
            Self::S64 => "s64",
        }
    }

    /// The magnitude of the least value, which is 0 or negative.
    pub(super) const fn lowest(self) -> u64 {
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => 0,
            Self::S8 => i8::MIN.unsigned_abs() as u64,
            Self::S16 => i16::MIN.unsigned_abs() as u64,
            Self::S32 => i32::MIN.unsigned_abs() as u64,
            Self::S64 => i64::MIN.unsigned_abs(),
        }
    }

    pub(super) const fn highest(self) -> u64 {
        match self {
            Self::U8 => u8::MAX as u64,
            Self::U16 => u16::MAX as u64,
            Self::U32 => u32::MAX as u64,
            Self::U64 => u64::MAX,
            _ => self.lowest() - 1,
        }
    }

    /// Whether many JSON tools cannot hold every value of it, so that a decimal string is taken too.
    pub(super) const fn is_wide(self) -> bool {
        matches!(self, Self::U64 | Self::S64)
    }
}

/// The fields of a record, or the parameters of a function.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) names: Names,
    pub(super) plans: Box<[Plan]>,
}

/// The cases of a variant.
#[derive(Debug)]
pub(super) struct Cases {
    pub(super) names: Names,
    pub(super) payloads: Box<[Option<Plan>]>,
}

/// Names in the order of their declaration, each also ready to be written as a key.
#[derive(Debug)]
pub(super) struct Names {
    names: Box<[Box<str>]>,
    /// `"name":`, and without its last byte the quoted name.
    keys: Box<[Box<str>]>,
    /// Indices in the order of the names' text; empty where walking is quicker.
    sorted: Box<[u32]>,
}

impl Names {
    fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Box<[Box<str>]> = names.map(Into::into).collect();
        // A WIT name is letters, digits and hyphens: it needs no escape.
        let keys = names.iter().map(|name| format!("\"{name}\":").into()).collect();
        let mut sorted: Vec<u32> = Vec::new();
        if names.len() > WALKED_NAMES {
            sorted = (0u32..).take(names.len()).collect();
            sorted.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        }
        Self { names, keys, sorted: sorted.into() }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn get(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// `"name":`.
    pub(super) fn key(&self, index: usize) -> &str {
        &self.keys[index]
    }

    /// `"name"`.
    pub(super) fn quoted(&self, index: usize) -> &str {
        let key = &self.keys[index];
        &key[..key.len() - 1]
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        if self.sorted.is_empty() {
            return self.names.iter().position(|known| **known == *name);
        }
        let found =
            self.sorted.binary_search_by(|at| (*self.names[*at as usize]).cmp(name)).ok()?;
        Some(self.sorted[found] as usize)
    }
}

/// Compiles the types of one function.
pub(super) struct Compiler<'a> {
    function: &'a str,
    place: Vec<String>,
    nodes: usize,
}

impl<'a> Compiler<'a> {
    pub(super) const fn new(function: &'a str) -> Self {
        Self { function, place: Vec::new(), nodes: 0 }
    }

    pub(super) fn params(&mut self, func: &types::ComponentFunc) -> Result<Fields, Error> {
        let names = Names::new(func.params().map(|(name, _)| name));
        let plans = func
            .params()
            .map(|(name, ty)| self.within(|| format!("parameter {name}"), &ty))
            .collect::<Result<_, _>>()?;
        Ok(Fields { names, plans })
    }

    pub(super) fn result(&mut self, func: &types::ComponentFunc) -> Result<Option<Plan>, Error> {
        func.results().next().map(|ty| self.within(|| "result".into(), &ty)).transpose()
    }

    fn within(&mut self, place: impl FnOnce() -> String, ty: &Type) -> Result<Plan, Error> {
        self.place.push(place());
        self.nodes += 1;
        let function = || self.function.to_owned();
        if self.place.len() > MAX_DEPTH {
            return Err(Error::TypeTooDeep { function: function() });
        }
        if self.nodes > MAX_NODES {
            return Err(Error::TypeTooLarge { function: function() });
        }
        let plan = self.plan(ty)?;
        self.place.pop();
        Ok(plan)
    }

    fn maybe(&mut self, place: &str, ty: Option<Type>) -> Result<Option<Plan>, Error> {
        ty.map(|ty| self.within(|| place.into(), &ty)).transpose()
    }

    fn list(&mut self, element: &Type, len: Option<u32>) -> Result<Plan, Error> {
        Ok(match self.within(|| "element".into(), element)? {
            Plan::Int(Int::U8) => Plan::Bytes(len),
            plan => Plan::List(plan.into(), len),
        })
    }

    fn plan(&mut self, ty: &Type) -> Result<Plan, Error> {
        Ok(match ty {
            Type::Bool => Plan::Bool,
            Type::S8 => Plan::Int(Int::S8),
            Type::U8 => Plan::Int(Int::U8),
            Type::S16 => Plan::Int(Int::S16),
            Type::U16 => Plan::Int(Int::U16),
            Type::S32 => Plan::Int(Int::S32),
            Type::U32 => Plan::Int(Int::U32),
            Type::S64 => Plan::Int(Int::S64),
            Type::U64 => Plan::Int(Int::U64),
            Type::Float32 => Plan::F32,
            Type::Float64 => Plan::F64,
            Type::Char => Plan::Char,
            Type::String => Plan::Text,
            Type::List(list) => self.list(&list.ty(), None)?,
            Type::FixedLengthList(list) => self.list(&list.ty(), Some(list.len()))?,
            Type::Map(map) => Plan::Map(Box::new((
                self.within(|| "key".into(), &map.key())?,
                self.within(|| "value".into(), &map.value())?,
            ))),
            Type::Record(record) => {
                let plans = record
                    .fields()
                    .map(|field| self.within(|| format!("field {}", field.name), &field.ty))
                    .collect::<Result<_, _>>()?;
                Plan::Record(Fields { names: Names::new(record.fields().map(|f| f.name)), plans })
            }
            Type::Tuple(tuple) => Plan::Tuple(
                tuple
                    .types()
                    .enumerate()
                    .map(|(at, ty)| self.within(|| format!("element {at}"), &ty))
                    .collect::<Result<_, _>>()?,
            ),
            Type::Variant(variant) => self.variant(variant)?,
            Type::Enum(names) => Plan::Enum(Names::new(names.names())),
            Type::Option(option) => {
                Plan::Option(self.within(|| "some".into(), &option.ty())?.into())
            }
            Type::Result(result) => Plan::Result(Box::new((
                self.maybe("ok", result.ok())?,
                self.maybe("err", result.err())?,
            ))),
            Type::Flags(flags) => Plan::Flags(Names::new(flags.names())),
            Type::Own(_) => return Err(self.refuse("own<…>")),
            Type::Borrow(_) => return Err(self.refuse("borrow<…>")),
            Type::Future(_) => return Err(self.refuse("future<…>")),
            Type::Stream(_) => return Err(self.refuse("stream<…>")),
            Type::ErrorContext => return Err(self.refuse("error-context")),
        })
    }

    fn variant(&mut self, variant: &types::Variant) -> Result<Plan, Error> {
        let payloads = variant
            .cases()
            .map(|case| self.maybe(&format!("case {}", case.name), case.ty))
            .collect::<Result<_, _>>()?;
        let names = Names::new(variant.cases().map(|case| case.name));
        Ok(Plan::Variant(Cases { names, payloads }))
    }

    fn refuse(&self, ty: &'static str) -> Error {
        Error::Refused { function: self.function.to_owned(), place: self.place.join(" › "), ty }
    }
}
