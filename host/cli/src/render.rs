//! Numbers, times and tables as people read them. Pure: text comes out, nothing is printed.

/// A number of bytes: `512 B`, `1.5 KiB`, `3.0 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut number = bytes as f64 / 1024.0;
    let mut unit = 0;
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    format!("{number:.1} {}", UNITS[unit])
}

/// A duration in microseconds: `850 µs`, `12.3 ms`, `4.56 s`, `3 min 20 s`.
pub(crate) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        1_000_000..60_000_000 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => format!("{} min {} s", us / 60_000_000, us / 1_000_000 % 60),
    }
}

/// Rows in columns, two spaces apart; the last column is not padded.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            line.push_str(cell);
            if column + 1 < N {
                line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// JSON text over several lines. Numbers and the order of keys stay exactly as they are.
pub(crate) fn indent(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut characters = json.chars().filter(|c| *c != '\n' && *c != '\r').peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(character) = characters.next() {
        if quoted {
            out.push(character);
            (quoted, escaped) = match character {
                _ if escaped => (true, false),
                '\\' => (true, true),
                '"' => (false, false),
                _ => (true, false),
            };
            continue;
        }
        match character {
            '"' => {
                quoted = true;
                out.push('"');
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|c| c.is_whitespace()).is_some() {}
                if let Some(end) = characters.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            white if white.is_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// Outside text on one line, cut to `most` characters, without what a terminal would act on.
pub(crate) fn brief(text: &str, most: usize) -> String {
    let mut out: String = text.chars().take(most).flat_map(shown).collect();
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

fn shown(character: char) -> impl Iterator<Item = char> {
    let printable = !character.is_control();
    let escaped = (!printable).then(|| character.escape_default());
    printable.then_some(character).into_iter().chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_have_a_unit_that_fits() {
        let sizes = [0, 1023, 1024, 1536, 3 << 20, 5 << 30, 5 << 40].map(size);
        assert_eq!(
            sizes,
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "3.0 MiB", "5.0 GiB", "5120.0 GiB"]
        );
        let durations = [0, 999, 1_000, 12_345, 4_567_890, 200_000_000].map(duration);
        assert_eq!(durations, ["0 µs", "999 µs", "1.0 ms", "12.3 ms", "4.56 s", "3 min 20 s"]);
    }

    #[test]
    fn indented_json_is_the_same_json() {
        let json = r#"{"b":[1,18446744073709551615,{}],"a":{"s":"x,\"{y\\"},"e":[ ],"f":1.0e10}"#;
        let wide = indent(json);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&wide).unwrap(),
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
        assert!(wide.starts_with("{\n  \"b\": [\n    1,\n    18446744073709551615,\n    {}\n  ],"));
        assert!(wide.contains("1.0e10") && wide.contains("\"e\": []"), "{wide}");
    }

    #[test]
    fn outside_text_cannot_drive_a_terminal() {
        assert_eq!(brief("a\x1b[2J\nb", 99), "a\\u{1b}[2J\\nb");
        assert_eq!(brief("abcdef", 3), "abc…");
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "b".to_owned()], ["µµµ".to_owned(), "c".to_owned()]];
        assert_eq!(table(&rows), "a    b\nµµµ  c");
    }
}
