//! What can go wrong with the registry as a whole. What goes wrong with one request is a
//! `reply::Fault`.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a registry does not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not loopback and nobody allowed that.
    #[error("the registry will not listen on `{address}`, which other machines can reach")]
    Remote {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The address cannot be had.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The folder cannot be used.
    #[error("cannot {operation} `{}` in the registry's folder", path.display())]
    Storage {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Another server has the folder.
    #[error("another registry is using `{}`", root.display())]
    InUse {
        /// The folder.
        root: PathBuf,
    },
    /// The folder holds something else, or was written by another version.
    #[error("`{}` is not the folder of a registry that this version can read", root.display())]
    Foreign {
        /// The folder.
        root: PathBuf,
    },
    /// A setting makes no sense.
    #[error("the registry's setting `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The socket stopped to accept.
    #[error("the registry cannot accept connections any more")]
    Accept(#[source] std::io::Error),
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Remote { .. } => "LS-SRV-001",
            Self::Listen { .. } => "LS-SRV-002",
            Self::Storage { .. } => "LS-SRV-003",
            Self::InUse { .. } => "LS-SRV-004",
            Self::Foreign { .. } => "LS-SRV-005",
            Self::Setting { .. } => "LS-SRV-006",
            Self::Accept(_) => "LS-SRV-007",
        }
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Remote { .. } => {
                "listen on 127.0.0.1, or allow remote addresses and put TLS and users in front"
                    .into()
            }
            Self::Listen { .. } => "choose another port, or port 0 for a free one".into(),
            Self::InUse { .. } => "stop the other registry, or choose another folder".into(),
            Self::Foreign { .. } => "choose an empty folder".into(),
            Self::Storage { .. } | Self::Setting { .. } | Self::Accept(_) => return None,
        })
    }
}
