//! PEM armour (RFC 7468, lax on line lengths): labels that key libraries do not know, such as
//! cosign's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Key files are below 1 KiB each; 64 KiB holds a whole ring of them.
const MAX_TEXT: usize = 64 << 10;
const MAX_BLOCKS: usize = 16;

/// One armoured block.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// The one block of `text`.
pub(super) fn first(text: &str) -> Result<Block<'_>, &'static str> {
    let mut blocks = all(text)?;
    match blocks.len() {
        1 => Ok(blocks.remove(0)),
        _ => Err("it holds more than one key"),
    }
}

/// All blocks of `text`, at least one. Text around them is ignored, as in RFC 7468.
pub(super) fn all(text: &str) -> Result<Vec<Block<'_>>, &'static str> {
    if text.len() > MAX_TEXT {
        return Err("it is longer than 64 KiB");
    }
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(label) = dashed(line, "-----BEGIN ") else { continue };
        // Sized once, so that no copy of the secret is left behind by growing.
        let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            let line = lines.next().ok_or("the PEM block has no end")?;
            if let Some(end) = dashed(line, "-----END ") {
                if end != label {
                    return Err("the PEM block's end does not match its begin");
                }
                break;
            }
            encoded.push_str(line.trim());
        }
        let body = STANDARD.decode(encoded.as_bytes()).map_err(|_| "its body is not base64")?;
        blocks.push(Block { label, body: Zeroizing::new(body) });
        if blocks.len() > MAX_BLOCKS {
            return Err("it holds more than 16 keys");
        }
    }
    if blocks.is_empty() { Err("it has no PEM block") } else { Ok(blocks) }
}

fn dashed<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

/// Writes one block, 64 characters a line.
pub(super) fn write(label: &str, body: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(body));
    let mut text = Zeroizing::new(String::with_capacity(encoded.len() * 2 + 128));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}
