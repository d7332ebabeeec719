//! The two HTTP clients: one that cannot do TLS for plain HTTP, one with the system's roots. Both
//! are made on first use, and neither touches the process's default crypto provider.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::ClientConfig;
use crate::error::{BoxError, Error, Result};

/// A client for plain HTTP. It trusts no authority at all, so it cannot be led to a TLS host.
pub(crate) fn plain(config: &ClientConfig) -> Result<reqwest::Client> {
    let tls = builder()?.with_root_certificates(rustls::RootCertStore::empty());
    build(config, tls.with_no_client_auth())
}

/// A client for TLS with the system's roots and the configured ones. Reads files.
pub(crate) fn trusted(config: &ClientConfig) -> Result<reqwest::Client> {
    let mut extra = Vec::new();
    for path in &config.extra_ca {
        extra.extend(read_authorities(path)?);
    }
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider())
        .map_err(|error| bad("the system's certificate authorities".into(), error))?;
    let tls = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    build(config, tls.with_no_client_auth())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>;

fn builder() -> Result<Builder> {
    rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("its TLS versions".into(), error))
}

fn read_authorities(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>> {
    let what = || format!("the CA file `{}`", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| bad(what(), error))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(|error| bad(what(), error))?;
    if certificates.is_empty() {
        return Err(bad(what(), "it holds no certificate"));
    }
    Ok(certificates)
}

fn build(config: &ClientConfig, tls: rustls::ClientConfig) -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // Redirects are followed by hand, so that credentials stay where they belong.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(config.timeouts.connect)
        .read_timeout(config.timeouts.read)
        .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| bad("these settings".into(), error))
}

fn bad(what: String, source: impl Into<BoxError>) -> Error {
    Error::Config { what, source: Some(source.into()) }
}
