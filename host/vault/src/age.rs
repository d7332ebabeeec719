//! Files encrypted with age, opened with an X25519 identity from a file: age-encryption.org/v1, as C2SP specifies it. Reads only;
//! passphrases, SSH keys and plugins are for the program `age` itself, as a `command:` source.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::{Error, file, without_newline};

/// The most that an encrypted file may hold, in bytes: it may have many entries.
const MAX_FILE: usize = 1 << 20;
const MAX_HEADER: usize = 64 << 10;
/// Identities in one file, and recipients that each of them is tried on.
const MAX_KEYS: usize = 64;
const INTRO: &[u8] = b"age-encryption.org/v1\n";
const ARMOR: (&str, &str) =
    ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----");
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";

type Key = Zeroizing<[u8; 32]>;
type FileKey = Zeroizing<[u8; 16]>;

/// Why bytes are not opened; nothing of them is in it.
type Why = &'static str;

const NOT_AGE: Why = "it is no file of age";
const CHANGED: Why = "it was changed, or is cut off";

/// What the file at `path` holds, or its entry `name=value` called `entry`, without a newline at its end.
pub(crate) async fn read(
    path: PathBuf,
    entry: Option<String>,
    identity: PathBuf,
) -> Result<Vec<u8>, Error> {
    let (shown, keys) = (path.display().to_string(), identity.display().to_string());
    let identities = Zeroizing::new(file::read_private(identity).await?);
    let sealed = file::read_any(path, MAX_FILE).await?;
    let identities = self::identities(&identities).ok_or(Error::Identity { path: keys })?;
    let plain =
        open(sealed, &identities).map_err(|why| Error::Sealed { path: shown.clone(), why })?;
    let Some(name) = entry else {
        let mut bytes = plain.to_vec();
        without_newline(&mut bytes);
        return Ok(bytes);
    };
    let found = lines(&plain).find_map(|line| {
        line.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    });
    found.map(<[u8]>::to_vec).ok_or(Error::NoEntry { source_shown: format!("age:{shown}#{name}") })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The X25519 identities of an identity file; none where a line is neither one nor a comment, or there are none at all.
fn identities(text: &[u8]) -> Option<Vec<Key>> {
    let mut found = Vec::new();
    for line in lines(text).map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        found.push(identity(line)?);
    }
    (1..=MAX_KEYS).contains(&found.len()).then_some(found)
}

/// Reads `AGE-SECRET-KEY-1…`: Bech32 in capitals.
fn identity(line: &[u8]) -> Option<Key> {
    const ALPHABET: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    const PREFIX: &[u8] = b"AGE-SECRET-KEY-";
    let data = line.strip_prefix(PREFIX)?.strip_prefix(b"1")?;
    let mut check = Checksum(1);
    // The prefix counts in lower case, its high bits first.
    PREFIX.iter().for_each(|byte| check.push(u32::from(byte.to_ascii_lowercase() >> 5)));
    check.push(0);
    PREFIX.iter().for_each(|byte| check.push(u32::from(byte.to_ascii_lowercase() & 31)));
    // 32 bytes in groups of five bits are 52, and 6 are the checksum.
    if data.len() != 58 {
        return None;
    }
    let mut key = Key::default();
    let (mut bits, mut held, mut at) = (Zeroizing::new(0_u32), 0_u32, 0);
    for (index, byte) in data.iter().enumerate() {
        let value = u32::try_from(ALPHABET.iter().position(|known| known == byte)?).ok()?;
        check.push(value);
        if index >= 52 {
            continue;
        }
        *bits = (*bits << 5) | value;
        held += 5;
        if held >= 8 {
            held -= 8;
            *key.get_mut(at)? = u8::try_from((*bits >> held) & 0xff).ok()?;
            at += 1;
            *bits &= (1 << held) - 1;
        }
    }
    (at == 32 && *bits == 0 && check.0 == 1).then_some(key)
}

/// The checksum of Bech32: BIP 173.
struct Checksum(u32);

impl Checksum {
    fn push(&mut self, value: u32) {
        const GENERATOR: [u32; 5] =
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let top = self.0 >> 25;
        self.0 = ((self.0 & 0x01ff_ffff) << 5) ^ value;
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if (top >> bit) & 1 == 1 {
                self.0 ^= generator;
            }
        }
    }
}

/// The plain text of a file, with whichever identity opens it.
fn open(sealed: Vec<u8>, identities: &[Key]) -> Result<Zeroizing<Vec<u8>>, Why> {
    let sealed = if sealed.starts_with(b"-----") { unarmored(&sealed)? } else { sealed };
    let header = Header::read(&sealed)?;
    let file_key = identities.iter().find_map(|identity| header.unwrap(identity));
    let file_key = file_key.ok_or("it is for other recipients than this identity")?;
    let mac = hmac::Key::new(hmac::HMAC_SHA256, &*derived(&*file_key, &[], b"header"));
    hmac::verify(&mac, header.covered, &header.mac).map_err(|_| CHANGED)?;
    let (nonce, payload) = header.payload.split_at_checked(16).ok_or(CHANGED)?;
    let key = LessSafeKey::new(cipher(&derived(&*file_key, nonce, b"payload")));
    let mut plain = Zeroizing::new(Vec::with_capacity(payload.len()));
    let mut rest = payload;
    let mut counter = 0_u32;
    loop {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK + TAG));
        let last = after.is_empty();
        let mut nonce = [0; 12];
        nonce[7..11].copy_from_slice(&counter.to_be_bytes());
        nonce[11] = u8::from(last);
        let mut chunk = Zeroizing::new(chunk.to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::empty(), &mut chunk).map_err(|_| CHANGED)?;
        // Only a file that holds nothing has a chunk that holds nothing.
        if opened.is_empty() && counter > 0 {
            return Err(CHANGED);
        }
        plain.extend_from_slice(opened);
        if last {
            return Ok(plain);
        }
        (rest, counter) = (after, counter + 1);
    }
}

/// The bytes within an armor of Base64.
fn unarmored(text: &[u8]) -> Result<Vec<u8>, Why> {
    let text = std::str::from_utf8(text).map_err(|_| NOT_AGE)?.trim();
    let within = text.strip_prefix(ARMOR.0).and_then(|text| text.strip_suffix(ARMOR.1));
    let joined: String = within.ok_or(NOT_AGE)?.split_ascii_whitespace().collect();
    STANDARD.decode(joined).map_err(|_| NOT_AGE)
}

struct Header<'f> {
    /// For X25519: the sender's share, and the wrapped file key.
    stanzas: Vec<([u8; 32], [u8; 32])>,
    /// What the MAC is of.
    covered: &'f [u8],
    mac: [u8; 32],
    payload: &'f [u8],
}

impl<'f> Header<'f> {
    fn read(sealed: &'f [u8]) -> Result<Self, Why> {
        let mut rest = sealed.strip_prefix(INTRO).ok_or(NOT_AGE)?;
        let mut stanzas = Vec::new();
        loop {
            let start = sealed.len() - rest.len();
            if start > MAX_HEADER {
                return Err("its header is too long");
            }
            let line = line(&mut rest)?;
            if let Some(mac) = line.strip_prefix(b"--- ") {
                let (covered, mac) = (&sealed[..start + 3], fixed(mac).ok_or(NOT_AGE)?);
                return Ok(Self { stanzas, covered, mac, payload: rest });
            }
            let words = line.strip_prefix(b"-> ").ok_or(NOT_AGE)?;
            let body = body(&mut rest)?;
            let mut words = words.split(|&byte| byte == b' ');
            if words.next() == Some(b"X25519") && stanzas.len() < MAX_KEYS {
                let share = words.next().and_then(fixed).filter(|_| words.next().is_none());
                let body = fixed(&body).ok_or(NOT_AGE)?;
                stanzas.push((share.ok_or(NOT_AGE)?, body));
            }
        }
    }

    /// The key of the file, where one of its recipients is `identity`.
    fn unwrap(&self, identity: &Key) -> Option<FileKey> {
        let secret = StaticSecret::from(**identity);
        let public = PublicKey::from(&secret);
        self.stanzas.iter().find_map(|(share, wrapped)| {
            let shared = secret.diffie_hellman(&PublicKey::from(*share));
            // A share of low order would make a key that everybody knows.
            if !shared.was_contributory() {
                return None;
            }
            let salt = [&share[..], public.as_bytes()].concat();
            let key = LessSafeKey::new(cipher(&derived(shared.as_bytes(), &salt, LABEL)));
            let mut body = Zeroizing::new(*wrapped);
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            let opened = key.open_in_place(nonce, Aad::empty(), &mut body[..]).ok()?;
            let mut file_key = FileKey::default();
            file_key.copy_from_slice(opened);
            Some(file_key)
        })
    }
}

/// The next line, without its end.
fn line<'f>(rest: &mut &'f [u8]) -> Result<&'f [u8], Why> {
    let end = rest.iter().take(MAX_HEADER).position(|&byte| byte == b'\n').ok_or(NOT_AGE)?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Ok(line)
}

/// The body of a stanza: lines of 64 characters and one that is shorter.
fn body(rest: &mut &[u8]) -> Result<Vec<u8>, Why> {
    let mut text = Vec::new();
    loop {
        let line = line(rest)?;
        text.extend_from_slice(line);
        match line.len() {
            0..64 => return Ok(text),
            64 if text.len() <= MAX_HEADER => {}
            _ => return Err(NOT_AGE),
        }
    }
}

/// 32 bytes in Base64 without padding.
fn fixed(text: &[u8]) -> Option<[u8; 32]> {
    STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn derived(secret: &[u8], salt: &[u8], info: &[u8]) -> Key {
    let mut key = Key::default();
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let filled = extracted
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut key[..]));
    filled.unwrap_or_else(|_| unreachable!("32 bytes are what HKDF-SHA256 gives"));
    key
}

fn cipher(key: &Key) -> UnboundKey {
    let made = UnboundKey::new(&CHACHA20_POLY1305, &key[..]);
    made.unwrap_or_else(|_| unreachable!("the key has the cipher's 32 bytes"))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests;
