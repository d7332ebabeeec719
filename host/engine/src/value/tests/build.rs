//! Types and values for the tests: real component types of wasmtime, from components that import one function.

use wasm_encoder::{
    ComponentBuilder, ComponentTypeRef, ComponentValType, PrimitiveValType as P, TypeBounds,
};
use wasmtime::component::{Component, Val, types};
use wasmtime::{Config, Engine};

use crate::value::Signature;

/// A WIT type to be built.
#[derive(Clone, Debug)]
pub(super) enum Ty {
    Prim(P),
    List(Box<Ty>),
    Fixed(Box<Ty>, u32),
    Map(P, Box<Ty>),
    Record(Vec<(String, Ty)>),
    Tuple(Vec<Ty>),
    Variant(Vec<(String, Option<Ty>)>),
    Enum(Vec<String>),
    Option(Box<Ty>),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    Flags(Vec<String>),
    Own,
    Borrow,
    Future,
    Stream,
}

pub(super) fn list(of: Ty) -> Ty {
    Ty::List(of.into())
}

pub(super) fn option(of: Ty) -> Ty {
    Ty::Option(of.into())
}

pub(super) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn record(fields: &[(&str, Ty)]) -> Ty {
    Ty::Record(fields.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect())
}

pub(super) fn variant(cases: &[(&str, Option<Ty>)]) -> Ty {
    Ty::Variant(cases.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect())
}

struct Build {
    builder: ComponentBuilder,
    named: u32,
}

impl Build {
    /// Types that WIT only knows by a name must be imported by one before a function may use them.
    fn named(&mut self, index: u32) -> ComponentValType {
        self.named += 1;
        let name = format!("t{}", self.named);
        let bounds = ComponentTypeRef::Type(TypeBounds::Eq(index));
        ComponentValType::Type(self.builder.import(name.as_str(), bounds))
    }

    fn all<'t>(&mut self, types: impl Iterator<Item = &'t Ty>) -> Vec<ComponentValType> {
        types.map(|ty| self.ty(ty)).collect()
    }

    fn ty(&mut self, ty: &Ty) -> ComponentValType {
        match ty {
            Ty::Prim(prim) => ComponentValType::Primitive(*prim),
            Ty::List(of) => {
                let of = self.ty(of);
                let (index, encoder) = self.builder.type_defined(None);
                encoder.list(of);
                ComponentValType::Type(index)
            }
            Ty::Fixed(of, len) => {
                let of = self.ty(of);
                let (index, encoder) = self.builder.type_defined(None);
                encoder.fixed_length_list(of, *len);
                ComponentValType::Type(index)
            }
            Ty::Map(key, value) => {
                let value = self.ty(value);
                let (index, encoder) = self.builder.type_defined(None);
                encoder.map(*key, value);
                ComponentValType::Type(index)
            }
            Ty::Record(fields) => {
                let types = self.all(fields.iter().map(|(_, ty)| ty));
                let (index, encoder) = self.builder.type_defined(None);
                encoder.record(fields.iter().map(|(name, _)| name.as_str()).zip(types));
                self.named(index)
            }
            Ty::Tuple(types) => {
                let types = self.all(types.iter());
                let (index, encoder) = self.builder.type_defined(None);
                encoder.tuple(types);
                ComponentValType::Type(index)
            }
            Ty::Variant(cases) => {
                let types: Vec<_> =
                    cases.iter().map(|(_, ty)| ty.as_ref().map(|ty| self.ty(ty))).collect();
                let (index, encoder) = self.builder.type_defined(None);
                encoder.variant(cases.iter().map(|(name, _)| name.as_str()).zip(types));
                self.named(index)
            }
            Ty::Enum(names) => {
                let (index, encoder) = self.builder.type_defined(None);
                encoder.enum_type(names.iter().map(String::as_str));
                self.named(index)
            }
            Ty::Flags(names) => {
                let (index, encoder) = self.builder.type_defined(None);
                encoder.flags(names.iter().map(String::as_str));
                self.named(index)
            }
            Ty::Option(of) => {
                let of = self.ty(of);
                let (index, encoder) = self.builder.type_defined(None);
                encoder.option(of);
                ComponentValType::Type(index)
            }
            Ty::Result(ok, err) => {
                let ok = ok.as_ref().map(|ty| self.ty(ty));
                let err = err.as_ref().map(|ty| self.ty(ty));
                let (index, encoder) = self.builder.type_defined(None);
                encoder.result(ok, err);
                ComponentValType::Type(index)
            }
            Ty::Own | Ty::Borrow => self.handle(matches!(ty, Ty::Own)),
            Ty::Future | Ty::Stream => self.pending(matches!(ty, Ty::Future)),
        }
    }

    fn handle(&mut self, own: bool) -> ComponentValType {
        self.named += 1;
        let name = format!("r{}", self.named);
        let bounds = ComponentTypeRef::Type(TypeBounds::SubResource);
        let resource = self.builder.import(name.as_str(), bounds);
        let (index, encoder) = self.builder.type_defined(None);
        if own {
            encoder.own(resource)
        } else {
            encoder.borrow(resource)
        }
        ComponentValType::Type(index)
    }

    fn pending(&mut self, future: bool) -> ComponentValType {
        let (index, encoder) = self.builder.type_defined(None);
        let of = Some(ComponentValType::Primitive(P::U32));
        if future {
            encoder.future(of)
        } else {
            encoder.stream(of)
        }
        ComponentValType::Type(index)
    }
}

pub(super) fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    config.wasm_component_model_map(true);
    config.wasm_component_model_fixed_length_lists(true);
    Engine::new(&config).expect("an engine")
}

/// The signature of a function with these parameters and this result.
pub(super) fn try_signature(
    engine: &Engine,
    params: &[(&str, Ty)],
    result: Option<&Ty>,
) -> Result<Signature, crate::value::Error> {
    let mut build = Build { builder: ComponentBuilder::default(), named: 0 };
    let types = build.all(params.iter().map(|(_, ty)| ty));
    let result = result.map(|ty| build.ty(ty));
    let (index, mut encoder) = build.builder.type_function(None);
    encoder.params(params.iter().map(|(name, _)| *name).zip(types)).result(result);
    build.builder.import("run", ComponentTypeRef::Func(index));
    let component = Component::new(engine, build.builder.finish()).expect("a valid component");
    let ty = component.component_type();
    let func = ty.get_import(engine, "run").expect("the import").ty;
    let types::ComponentItem::ComponentFunc(func) = func else { panic!("not a function") };
    Signature::of("run", &func)
}

pub(super) fn signature(params: &[(&str, Ty)], result: Option<&Ty>) -> Signature {
    try_signature(&engine(), params, result).expect("types with a JSON form")
}

/// A small generator of numbers (SplitMix64): a failing test names its seed.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn name_list(&mut self, most: usize) -> Vec<String> {
        (0..=self.below(most)).map(|at| format!("{}-{at}", self.pick(&["a", "some-x"]))).collect()
    }

    pub(super) fn ty(&mut self, depth: usize) -> Ty {
        const PRIMS: [P; 13] = [
            P::Bool,
            P::U8,
            P::U16,
            P::U32,
            P::U64,
            P::S8,
            P::S16,
            P::S32,
            P::S64,
            P::F32,
            P::F64,
            P::Char,
            P::String,
        ];
        if depth == 0 || self.below(4) == 0 {
            return match self.below(8) {
                0 => Ty::Enum(self.name_list(12)),
                1 => Ty::Flags(self.name_list(12)),
                _ => Ty::Prim(self.pick(&PRIMS)),
            };
        }
        let inner = depth - 1;
        match self.below(9) {
            0 => list(self.ty(inner)),
            1 => Ty::Fixed(self.ty(inner).into(), 1 + self.below(3) as u32),
            2 => Ty::Map(
                self.pick(&[P::String, P::U32, P::S64, P::Char, P::Bool]),
                self.ty(inner).into(),
            ),
            3 => {
                let names = self.name_list(12);
                Ty::Record(names.into_iter().map(|name| (name, self.ty(inner))).collect())
            }
            4 => Ty::Tuple((0..=self.below(3)).map(|_| self.ty(inner)).collect()),
            5 => {
                let names = self.name_list(10);
                let case = |name| (name, (self.below(3) > 0).then(|| self.ty(inner)));
                Ty::Variant(names.into_iter().map(case).collect())
            }
            6 | 7 => option(self.ty(inner)),
            _ => {
                let ok = (self.below(4) > 0).then(|| self.ty(inner).into());
                Ty::Result(ok, (self.below(4) > 0).then(|| self.ty(inner).into()))
            }
        }
    }

    fn text(&mut self) -> String {
        const CHARS: [char; 14] = [
            'a',
            'Z',
            '"',
            '\\',
            '/',
            '\n',
            '\u{0}',
            '\u{1f}',
            '\u{7f}',
            'é',
            '€',
            '😀',
            '\u{2028}',
            '\u{10ffff}',
        ];
        (0..self.below(20)).map(|_| self.pick(&CHARS)).collect()
    }

    fn prim(&mut self, prim: P) -> Val {
        let bits = self.next() >> self.below(64);
        let float = match self.below(8) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => -0.0,
            4 => f64::from_bits(1),
            5 => f64::from_bits(self.next()),
            _ => bits as i64 as f64 / 1000.0,
        };
        let sign = if self.below(2) == 0 { 0 } else { u64::MAX };
        match prim {
            P::Bool => Val::Bool(bits & 1 == 1),
            P::U8 => Val::U8(bits as u8),
            P::U16 => Val::U16(bits as u16),
            P::U32 => Val::U32(bits as u32),
            P::U64 => Val::U64(bits ^ sign),
            P::S8 => Val::S8(bits as i8),
            P::S16 => Val::S16(bits as i16),
            P::S32 => Val::S32((bits ^ sign) as i32),
            P::S64 => Val::S64((bits ^ sign) as i64),
            P::F32 => Val::Float32(float as f32),
            P::F64 => Val::Float64(float),
            P::Char => Val::Char(self.text().pop().unwrap_or('x')),
            _ => Val::String(self.text()),
        }
    }

    pub(super) fn val(&mut self, ty: &Ty) -> Val {
        let boxed = |value| Some(Box::new(value));
        match ty {
            Ty::Prim(prim) => self.prim(*prim),
            Ty::List(of) => Val::List((0..self.below(4)).map(|_| self.val(of)).collect()),
            Ty::Fixed(of, len) => Val::FixedLengthList((0..*len).map(|_| self.val(of)).collect()),
            Ty::Map(key, value) => {
                let mut entries: Vec<(Val, Val)> = Vec::new();
                for _ in 0..self.below(4) {
                    let key = self.prim(*key);
                    if entries.iter().all(|(known, _)| *known != key) {
                        entries.push((key, self.val(value)));
                    }
                }
                Val::Map(entries)
            }
            Ty::Record(fields) => {
                Val::Record(fields.iter().map(|(name, ty)| (name.clone(), self.val(ty))).collect())
            }
            Ty::Tuple(types) => Val::Tuple(types.iter().map(|ty| self.val(ty)).collect()),
            Ty::Variant(cases) => {
                let (name, ty) = self.pick(cases);
                Val::Variant(name, ty.and_then(|ty| boxed(self.val(&ty))))
            }
            Ty::Enum(names) => Val::Enum(self.pick(names)),
            Ty::Flags(names) => {
                Val::Flags(names.iter().filter(|_| self.below(2) == 0).cloned().collect())
            }
            Ty::Option(of) if self.below(3) > 0 => Val::Option(boxed(self.val(of))),
            Ty::Option(_) => Val::Option(None),
            Ty::Result(ok, err) => {
                let is_ok = self.below(2) == 0;
                let arm = if is_ok { ok } else { err };
                let value = arm.as_ref().and_then(|ty| boxed(self.val(ty)));
                Val::Result(if is_ok { Ok(value) } else { Err(value) })
            }
            Ty::Own | Ty::Borrow | Ty::Future | Ty::Stream => panic!("it has no values here"),
        }
    }
}
