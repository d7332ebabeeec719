//! Gives back a value of every WIT type; written WIT-first, because flags have no Rust form of their own.

longshore_guest::generate!({ path: "wit", world: "guest" });

use exports::fixtures::echo::echo::{Colour, Guest, Point, Rights, Shape};

struct Echo;

macro_rules! same {
    ($($name:ident: $ty:ty),* $(,)?) => {
        $(fn $name(v: $ty) -> $ty {
            v
        })*
    };
}

impl Guest for Echo {
    same! {
        to_bool: bool, to_u8: u8, to_s8: i8, to_u16: u16, to_s16: i16, to_u32: u32, to_s32: i32, to_u64: u64,
        to_s64: i64, to_f32: f32, to_f64: f64, to_char: char, to_string: String, to_bytes: Vec<u8>,
        to_points: Vec<Point>, to_shape: Shape, to_colour: Colour, to_rights: Rights, to_pair: (u32, String),
        to_nested: Option<Option<u32>>, to_result: Result<u32, String>, to_results: Vec<Result<u32, String>>,
        to_empty_result: Result<(), ()>,
    }

    fn join(left: String, right: String) -> String {
        left + &right
    }

    fn nothing() {}
}

export!(Echo);
