//! P-256 keys: made, read and written as PEM; signing and verifying of raw messages. Never prints
//! private material.

mod encrypted;
mod pem;

use std::fmt;

use longshore_reference::Digest;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use zeroize::Zeroizing;

use crate::Error;

/// What stands before the point in the SPKI of a P-256 key (RFC 5480): the algorithm, the curve, and the head of the bit string.
const SPKI_P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A P-256 private key, ready to sign: `ring` does the arithmetic.
///
/// Signatures are ASN.1 ECDSA over SHA-256 with either S, as cosign writes and accepts them. The
/// encoded forms are wiped from memory when they are dropped; `ring` does not promise that of its
/// own prepared copy.
pub struct PrivateKey {
    /// PKCS #8, for writing the key.
    encoded: Zeroizing<Vec<u8>>,
    pair: EcdsaKeyPair,
    random: SystemRandom,
    public: PublicKey,
}

/// A P-256 public key. Its identity is [`PublicKey::key_id`].
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Uncompressed SEC 1 point, 65 bytes.
    point: Vec<u8>,
    der: Vec<u8>,
    id: Digest,
}

impl PrivateKey {
    /// The key that 32 bytes of entropy give: same bytes, same key. The bytes must be secret and
    /// random.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] when the key is unusable, which has a chance of 2^-256 or less.
    pub fn generate(entropy: &[u8; 32]) -> Result<Self, Error> {
        for attempt in 0_u8..8 {
            // Hashed, so that a rejected candidate (one in 2^32) has a successor.
            // Of the full size from the start, so that growing leaves no copy behind.
            let mut seed = Zeroizing::new(Vec::with_capacity(64));
            seed.extend_from_slice(b"longshore p256 key\0");
            seed.push(attempt);
            seed.extend_from_slice(entropy);
            let candidate = Zeroizing::new(*Digest::of(&seed).as_bytes());
            if let Ok(secret) = p256::SecretKey::from_slice(candidate.as_slice()) {
                return Self::from_secret(&secret);
            }
        }
        Err(Error::Signing)
    }

    /// Reads a PEM file: PKCS #8 (`PRIVATE KEY`), or cosign's encrypted format (`ENCRYPTED SIGSTORE
    /// PRIVATE KEY`, `ENCRYPTED COSIGN PRIVATE KEY`), for which `password` is used; it may be
    /// empty.
    ///
    /// # Errors
    ///
    /// [`Error::KeyFormat`], [`Error::KeyPassword`], [`Error::KeyDerivation`].
    pub fn from_pem(text: &str, password: &[u8]) -> Result<Self, Error> {
        let fail = |reason| Error::KeyFormat { expected: "private key", reason };
        let block = pem::first(text).map_err(fail)?;
        let der = match block.label {
            "PRIVATE KEY" => block.body,
            label if encrypted::LABELS.contains(&label) => encrypted::open(&block.body, password)?,
            "EC PRIVATE KEY" => return Err(fail("convert it to PKCS #8 first")),
            "PUBLIC KEY" => return Err(fail("it is a public key")),
            _ => return Err(fail("its PEM label is unknown")),
        };
        if let Some(key) = Self::from_encoded(der.clone()) {
            return Ok(key);
        }
        let secret = p256::SecretKey::from_pkcs8_der(&der)
            .map_err(|_| fail("it is not a P-256 key in PKCS #8"))?;
        Self::from_secret(&secret)
    }

    /// Whether a PEM file is encrypted, and so needs a password.
    #[must_use]
    pub fn is_encrypted(text: &str) -> bool {
        pem::first(text).is_ok_and(|block| encrypted::LABELS.contains(&block.label))
    }

    /// From PKCS #8, as `ring` reads it: with the public key inside, which spares computing it slowly.
    fn from_encoded(encoded: Zeroizing<Vec<u8>>) -> Option<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &encoded, &random).ok()?;
        let public = PublicKey::from_point(pair.public_key().as_ref());
        Some(Self { encoded, pair, random, public })
    }

    fn from_secret(secret: &p256::SecretKey) -> Result<Self, Error> {
        let encoded = secret.to_pkcs8_der().map_err(|_| Error::Signing)?.to_bytes();
        Self::from_encoded(encoded).ok_or(Error::Signing)
    }

    /// The key as PKCS #8 PEM, not encrypted: for keys that only the host's own user can read.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] when the key cannot be encoded.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, Error> {
        Ok(pem::write("PRIVATE KEY", &self.encoded))
    }

    /// The key in cosign's encrypted format: scrypt (N=65536, r=8, p=1) and NaCl's secretbox.
    /// `entropy` is a fresh salt (32 bytes) and nonce (24 bytes).
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] when the key cannot be encoded.
    pub fn to_encrypted_pem(
        &self,
        password: &[u8],
        entropy: &[u8; 56],
    ) -> Result<Zeroizing<String>, Error> {
        let sealed = encrypted::seal(&self.encoded, password, entropy)?;
        Ok(pem::write(encrypted::LABELS[0], &sealed))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`: ASN.1 DER of an ECDSA signature over its SHA-256.
    ///
    /// # Errors
    ///
    /// [`Error::Signing`] when the system gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.pair.sign(&self.random, message).map_err(|_| Error::Signing)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.id)
    }
}

impl PublicKey {
    /// Reads a PEM file with one public key (`PUBLIC KEY`, SPKI).
    ///
    /// # Errors
    ///
    /// [`Error::KeyFormat`].
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        match Self::all_from_pem(text)?.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(Error::KeyFormat {
                expected: "public key",
                reason: "it holds more than one key",
            }),
        }
    }

    /// Reads a PEM file with one to 16 public keys.
    ///
    /// # Errors
    ///
    /// [`Error::KeyFormat`].
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, Error> {
        let fail = |reason| Error::KeyFormat { expected: "public key", reason };
        let mut keys = Vec::new();
        for block in pem::all(text).map_err(fail)? {
            if block.label.contains("PRIVATE KEY") {
                return Err(fail("it is a private key; name the public half"));
            }
            if block.label != "PUBLIC KEY" {
                return Err(fail("its PEM label is not `PUBLIC KEY`"));
            }
            let key = p256::PublicKey::from_public_key_der(&block.body)
                .map_err(|_| fail("it is not a P-256 key"))?;
            keys.push(Self::from_p256(&key));
        }
        Ok(keys)
    }

    fn from_p256(key: &p256::PublicKey) -> Self {
        Self::from_point(key.to_sec1_point(false).as_bytes())
    }

    /// From an uncompressed SEC 1 point on the curve, 65 bytes.
    fn from_point(point: &[u8]) -> Self {
        let der = [SPKI_P256, point].concat();
        let id = Digest::of(&der);
        Self { point: point.to_vec(), der, id }
    }

    /// The key as SPKI PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.der).to_string()
    }

    /// The SHA-256 of the SPKI DER: how signatures, receipts and errors name the key.
    #[must_use]
    pub fn key_id(&self) -> Digest {
        self.id
    }

    /// Checks an ASN.1 ECDSA signature over the SHA-256 of `message`.
    ///
    /// # Errors
    ///
    /// [`Error::BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
            .verify(message, signature)
            .map_err(|_| Error::BadSignature { key: self.id })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}
