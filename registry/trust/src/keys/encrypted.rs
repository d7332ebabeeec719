//! cosign's encrypted private keys: JSON with scrypt and NaCl secretbox parameters around PKCS #8
//! (secure-systems-lab/go-securesystemslib, package `encrypted`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Error;

/// What the PEM block may be called; the first is what we write.
pub(super) const LABELS: [&str; 2] =
    ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// The most memory that scrypt may take for a key file: 128·N·r bytes.
const MAX_MEMORY: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    name: String,
    nonce: String,
}

fn fail(reason: &'static str) -> Error {
    Error::KeyFormat { expected: "private key", reason }
}

/// Decrypts the body of a PEM block to PKCS #8 DER.
pub(super) fn open(body: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file: File = serde_json::from_slice(body)
        .map_err(|_| fail("its encrypted body is not the JSON that cosign writes"))?;
    if file.kdf.name != "scrypt" || file.cipher.name != "nacl/secretbox" {
        return Err(fail("its encryption is not `scrypt` with `nacl/secretbox`"));
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| fail("a field is not base64"));
    let (salt, nonce) = (decode(&file.kdf.salt)?, decode(&file.cipher.nonce)?);
    let nonce: [u8; 24] = nonce.try_into().map_err(|_| fail("its nonce is not 24 bytes"))?;
    let key = derive(password, &salt, &file.kdf.params)?;
    XSalsa20Poly1305::new((&*key).into())
        .decrypt(&nonce.into(), decode(&file.ciphertext)?.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| Error::KeyPassword)
}

/// Encrypts PKCS #8 DER to the body of a PEM block.
pub(super) fn seal(der: &[u8], password: &[u8], entropy: &[u8; 56]) -> Result<Vec<u8>, Error> {
    let (salt, nonce) = entropy.split_at(32);
    let nonce: [u8; 24] = nonce.try_into().map_err(|_| Error::Signing)?;
    let params = Params { n: 65_536, r: 8, p: 1 };
    let key = derive(password, salt, &params)?;
    let sealed = XSalsa20Poly1305::new((&*key).into())
        .encrypt(&nonce.into(), der)
        .map_err(|_| Error::Signing)?;
    let file = File {
        kdf: Kdf { name: "scrypt".to_owned(), params, salt: STANDARD.encode(salt) },
        cipher: Cipher { name: "nacl/secretbox".to_owned(), nonce: STANDARD.encode(nonce) },
        ciphertext: STANDARD.encode(sealed),
    };
    serde_json::to_vec(&file).map_err(|_| Error::Signing)
}

fn derive(password: &[u8], salt: &[u8], params: &Params) -> Result<Zeroizing<[u8; 32]>, Error> {
    let &Params { n, r, p } = params;
    let out_of_bounds = || Error::KeyDerivation { n, r, p };
    let memory = n.checked_mul(128).and_then(|m| m.checked_mul(u64::from(r)));
    if !n.is_power_of_two() || n < 2 || p > 4 || memory.is_none_or(|m| m > MAX_MEMORY) {
        return Err(out_of_bounds());
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| out_of_bounds())?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| out_of_bounds())?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &params, &mut *key).map_err(|_| out_of_bounds())?;
    Ok(key)
}
