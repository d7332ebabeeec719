//! Keys, with files that the real cosign 3.1.1 wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use longshore_trust::{PrivateKey, PublicKey};

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}

#[test]
fn key_files_of_cosign_open_with_their_password_only() {
    for (file, password) in [("cosign", ""), ("cosign-locked", "correct horse")] {
        let text = fixture(&format!("{file}.key"));
        assert!(PrivateKey::is_encrypted(&text));
        let key = PrivateKey::from_pem(&text, password.as_bytes()).unwrap();
        assert_eq!(key.public_key().to_pem(), fixture(&format!("{file}.pub")));
        let old = text.replace("SIGSTORE", "COSIGN");
        let again = PrivateKey::from_pem(&old, password.as_bytes()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(PrivateKey::from_pem(&text, b"wrong").unwrap_err().code(), "LS-KEY-002");
    }
}

#[test]
fn a_key_is_read_back_from_both_formats_and_its_signatures_verify() {
    let key = PrivateKey::generate(&[3; 32]).unwrap();
    assert_eq!(key.public_key(), PrivateKey::generate(&[3; 32]).unwrap().public_key());
    let locked = key.to_encrypted_pem(b"secret", &[9; 56]).unwrap();
    let plain = key.to_pkcs8_pem().unwrap();
    for (text, password) in [(&locked, &b"secret"[..]), (&plain, b"")] {
        let read = PrivateKey::from_pem(text, password).unwrap();
        let signature = read.sign(b"message").unwrap();
        key.public_key().verify(b"message", &signature).unwrap();
        assert_eq!(
            key.public_key().verify(b"massage", &signature).unwrap_err().code(),
            "LS-TRU-012"
        );
    }
    assert_eq!(PublicKey::from_pem(&key.public_key().to_pem()).unwrap(), *key.public_key());
}

#[test]
fn nothing_that_is_printed_holds_the_secret() {
    let key = PrivateKey::generate(&[5; 32]).unwrap();
    assert_eq!(format!("{key:?}"), format!("PrivateKey({})", key.public_key().key_id()));
}

#[test]
fn hostile_key_files_are_refused_before_they_cost_anything() {
    let code = |text: &str| PrivateKey::from_pem(text, b"").unwrap_err().code();
    let public = PrivateKey::generate(&[5; 32]).unwrap().public_key().to_pem();
    let cut: String = public.lines().take(2).collect::<Vec<_>>().join("\n");
    let huge = " ".repeat(1 << 17);
    for text in ["", "text", &public, &cut, &huge, &public.replace("PUBLIC", "PRIVATE")] {
        assert_eq!(code(text), "LS-KEY-001", "{text}");
    }
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    for params in [
        r#""N":4294967296,"r":8,"p":1"#,
        r#""N":65536,"r":8000,"p":1"#,
        r#""N":65535,"r":8,"p":1"#,
        r#""N":2,"r":8,"p":9999"#,
    ] {
        let body = engine.encode(format!(
            r#"{{"kdf":{{"name":"scrypt","params":{{{params}}},"salt":"AAAA"}},"cipher":{{"name":"nacl/secretbox","nonce":"{}"}},"ciphertext":"AAAA"}}"#,
            engine.encode([0; 24])
        ));
        let text = format!(
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n{body}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
        );
        assert_eq!(code(&text), "LS-KEY-003", "{params}");
    }
    let private = PrivateKey::generate(&[5; 32]).unwrap().to_pkcs8_pem().unwrap();
    let refused = PublicKey::from_pem(&private).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "this is not a public key: it is a private key; name the public half"
    );
}
