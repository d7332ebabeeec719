//! Connect to a vetted address, and keep the name for TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use wasmtime_wasi_http::Error;

use super::Target;
use crate::call::Scene;
use crate::capability::net::{Metered, literal};

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Connects to `target` at one of `addresses`, which were vetted; nothing is looked up here.
pub(super) async fn connect(
    scene: &Arc<Scene>,
    target: &Target,
    addresses: Vec<IpAddr>,
) -> Result<Box<dyn Stream>, Error> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(address, target.port)).await {
            Ok(tcp) => {
                let _ = tcp.set_nodelay(true);
                let tcp = Metered::new(tcp, Arc::clone(scene));
                return if target.https { secure(target, tcp).await } else { Ok(Box::new(tcp)) };
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(Error::DestinationNotFound, Error::Connect))
}

async fn secure(target: &Target, tcp: Metered<TcpStream>) -> Result<Box<dyn Stream>, Error> {
    let name = match literal(&target.host) {
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
