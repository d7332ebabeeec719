//! TLS: an authority that was named is trusted, none else, and a host that speaks plain HTTP is not
//! followed there.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use longshore_client::{ClientConfig, Registry};
use longshore_reference::Reference;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::hostile::quick;
use crate::hostile_server::{Answer, manifest_of, serve};

/// A self-signed certificate for 127.0.0.1, made by `openssl`; `None` where there is none.
fn certificate(dir: &Path) -> Option<()> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "1", "-subj", "/CN=test", "-addext"])
        .args(["subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output();
    made.ok().map(|output| assert!(output.status.success(), "{output:?}"))
}

async fn start(dir: &Path) -> String {
    let certificates = vec![CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let answer = Arc::new(|_: &_| Answer::ok(&manifest_of(b"x", 1)));
                tokio::spawn(serve(stream, answer, Arc::new(Mutex::default())));
            }
        }
    });
    host
}

#[tokio::test]
async fn an_authority_that_was_named_is_trusted_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let Some(()) = certificate(dir.path()) else { return };
    let host = start(dir.path()).await;
    let reference: Reference = format!("{host}/x:1").parse().unwrap();
    let secure = ClientConfig { loopback_tls: vec![host.clone()], ..quick(None) };
    let named = ClientConfig { extra_ca: vec![dir.path().join("cert.pem")], ..secure.clone() };
    Registry::new(named).resolve(&reference).await.unwrap();
    let missing = ClientConfig { extra_ca: vec![dir.path().join("none.pem")], ..secure.clone() };
    let error = Registry::new(missing).resolve(&reference).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-003");
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    let wrong = ClientConfig { extra_ca: vec![other.path().join("cert.pem")], ..secure };
    let error = Registry::new(wrong.clone()).resolve(&reference).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-005", "{error:?}");
    let (host, first_byte) = plain().await;
    let reference: Reference = format!("{host}/x:1").parse().unwrap();
    let config = ClientConfig { loopback_tls: vec![host], ..wrong };
    let error = Registry::new(config).resolve(&reference).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-005", "{error:?}");
    // 22 opens a TLS handshake: nothing went out in the clear.
    assert_eq!(first_byte.await.unwrap(), 22);
}

/// A server that answers whatever comes in plain HTTP, and tells the first byte that came.
async fn plain() -> (String, tokio::task::JoinHandle<u8>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let first = stream.read_u8().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        first
    });
    (host, served)
}
