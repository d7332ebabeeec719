//! Resolve once, vet every address, connect to a vetted one, and keep the name for TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use wasmtime_wasi_http::Error;

use super::{Target, address};

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Addresses that we try before giving up.
const MAX_ADDRESSES: usize = 8;

/// Connects to `target`, whose scope was checked.
pub(super) async fn connect(target: &Target) -> Result<Box<dyn Stream>, Error> {
    let addresses = resolve(target).await?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                let _ = tcp.set_nodelay(true);
                return if target.https { secure(target, tcp).await } else { Ok(Box::new(tcp)) };
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(Error::DestinationNotFound, Error::Connect))
}

/// The addresses of `target` that may be connected to. One forbidden address among several is enough to refuse: a name that
/// answers with both is an attack or a mistake.
async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Error> {
    let found: Vec<IpAddr> = match address::literal(&target.host) {
        Some(literal) => vec![literal],
        None => tokio::net::lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(|_| Error::DnsError { rcode: None, info_code: None })?
            .map(|found| found.ip())
            .take(MAX_ADDRESSES)
            .collect(),
    };
    if found.is_empty() {
        return Err(Error::DestinationNotFound);
    }
    if !target.private && !found.iter().all(|&ip| address::is_public(ip)) {
        return Err(Error::DestinationIpProhibited);
    }
    Ok(found.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect())
}

async fn secure(target: &Target, tcp: TcpStream) -> Result<Box<dyn Stream>, Error> {
    let name = match address::literal(&target.host) {
        Some(ip) => ServerName::IpAddress(ip.into()),
        None => {
            ServerName::try_from(target.host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?
        }
    };
    let connector = tokio_rustls::TlsConnector::from(tls_config()?);
    let stream = connector.connect(name, tcp).await.map_err(Error::Tls)?;
    Ok(Box::new(stream))
}

/// The TLS configuration, made on first use: Mozilla's roots, TLS 1.2 and 1.3, HTTP/1.1, no client certificate.
fn tls_config() -> Result<Arc<rustls::ClientConfig>, Error> {
    static CONFIG: OnceLock<Option<Arc<rustls::ClientConfig>>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .ok()?
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some(Arc::new(config))
        })
        .clone()
        .ok_or_else(|| Error::Tls(io::Error::other("TLS cannot be set up")))
}
