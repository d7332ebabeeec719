//! Where the server is and how we speak to it. The password is in here and comes out nowhere.

use std::fmt;
use std::time::Duration;

use longshore_journal::{Error, Result, StoreFault};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long one attempt to connect may take, unless the address says otherwise.
const CONNECT: Duration = Duration::from_secs(5);

/// The address of a database: `postgres://user:password@host:port/database`.
///
/// Unless `sslmode` says otherwise, TLS is required, and of the loopback interface not used. With
/// TLS the server's certificate is always checked.
#[derive(Clone)]
pub struct Address {
    config: Config,
    shown: String,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// When it is none. Nothing of it is repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            let message = format!("the address of the store is not understood: {why}");
            Error::store(StoreFault::Unopenable, message)
        };
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(bad("expected `postgres://user@host/database`"));
        }
        // What the parser says may repeat what stands in the address.
        let mut config: Config =
            text.parse().map_err(|_| bad("expected `postgres://user@host/database`"))?;
        if config.get_hosts().is_empty() {
            return Err(bad("it names no host"));
        }
        if config.get_user().is_none() {
            return Err(bad("it names no user"));
        }
        if !text.contains("sslmode=") {
            let near = config.get_hosts().iter().all(is_near);
            config.ssl_mode(if near { SslMode::Disable } else { SslMode::Require });
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        // A server that has gone without a word is noticed within the lease of a run.
        config.tcp_user_timeout(CONNECT).keepalives_idle(CONNECT);
        if config.get_application_name().is_none() {
            config.application_name("longshore");
        }
        let shown = shown(&config);
        Ok(Self { config, shown })
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let bare = name.trim_matches(['[', ']']);
            name == "localhost"
                || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn shown(config: &Config) -> String {
    let host = |(place, host): (usize, &Host)| {
        let ports = config.get_ports();
        let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    };
    let hosts: Vec<_> = config.get_hosts().iter().enumerate().map(host).collect();
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    format!("postgres://{user}@{}/{database}", hosts.join(","))
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Without the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let text = "postgres://lena:hunter2@db.example:6543/journal?connect_timeout=3";
        let address = Address::parse(text).unwrap();
        assert_eq!(address.to_string(), "postgres://lena@db.example:6543/journal");
        assert!(!format!("{address:?}").contains("hunter2"));
        assert_eq!(address.config().get_password(), Some(b"hunter2".as_slice()));
        for bad in [
            "mysql://a:hunter2@b/c",
            "postgres://hunter2",
            "postgres:///x",
            "hunter2",
            "postgres://a:hunter2@b:x/c",
            "postgres://a:b@c/d?hunter2=1",
        ] {
            let error = Address::parse(bad).unwrap_err();
            assert_eq!(error.code(), "LS-JRN-025", "{bad}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_operator_says_otherwise() {
        let mode = |text: &str| Address::parse(text).unwrap().config().get_ssl_mode();
        assert_eq!(mode("postgres://a@db.example/d"), SslMode::Require);
        assert_eq!(mode("postgres://a@127.0.0.1,db.example/d"), SslMode::Require);
        assert_eq!(mode("postgres://a@127.0.0.1:9/d"), SslMode::Disable);
        assert_eq!(mode("postgres://a@[::1]/d"), SslMode::Disable);
        assert_eq!(mode("postgres://a@localhost/d"), SslMode::Disable);
        assert_eq!(mode("postgres://a@localhost/d?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://a@db.example/d?sslmode=disable"), SslMode::Disable);
    }
}
