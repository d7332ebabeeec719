//! Everything that can go wrong between an author's folder and a component.

use std::io;
use std::path::PathBuf;

use longshore_reference::{LockError, ManifestError};

/// A cause of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a component was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The manifest has a mistake.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The lockfile has a mistake.
    #[error(transparent)]
    Lockfile(#[from] LockError),
    /// A registry did not answer as it must.
    #[error(transparent)]
    Registry(Box<longshore_client::Error>),
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file cannot be written; what was there before is unharmed.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The folder has no `longshore.toml`.
    #[error("`{}` has no `longshore.toml`", folder.display())]
    NoManifest {
        /// The folder.
        folder: PathBuf,
    },
    /// There is neither a cargo package nor a `[build]` table.
    #[error(
        "`{}` is no cargo package, and its `longshore.toml` has no `[build]`",
        folder.display()
    )]
    NothingToBuild {
        /// The folder.
        folder: PathBuf,
    },
    /// The program that builds cannot be started.
    #[error("cannot start `{program}`")]
    Program {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// Rust is there, but not its target for components.
    #[error("the Rust target `wasm32-wasip2` is not installed")]
    WasmTarget,
    /// The toolchain ended with a failure.
    #[error("`{command}` failed: {status}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The last lines that it wrote.
        tail: String,
    },
    /// The toolchain succeeded, but made no component where one was expected.
    #[error("the build made no component: {expected}")]
    NoComponent {
        /// What was looked for.
        expected: String,
    },
    /// The package makes more than one component.
    #[error("the build made {} components: `{}`", found.len(), found.join("`, `"))]
    SeveralComponents {
        /// Their files.
        found: Vec<String>,
    },
    /// It is not WebAssembly.
    #[error("`{name}` is not WebAssembly")]
    NotWasm {
        /// The file.
        name: String,
    },
    /// It is a core module.
    #[error("`{name}` is a core module, not a component")]
    CoreModule {
        /// The file.
        name: String,
    },
    /// It is not valid.
    #[error("`{name}` is not a valid component: {reason}")]
    Invalid {
        /// The file.
        name: String,
        /// Where and why.
        reason: String,
    },
    /// It exports nothing.
    #[error("`{name}` exports nothing, so there is nothing to call")]
    NoExports {
        /// The file.
        name: String,
    },
    /// It is too large.
    #[error("`{name}` has {size} bytes; {limit} are the most that is taken")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The bound.
        limit: u64,
    },
    /// It imports what neither the host nor a dependency provides.
    #[error("the component imports `{}`, which neither the host nor a dependency provides",
        imports.join("`, `"))]
    Unprovided {
        /// The imports.
        imports: Vec<String>,
        /// Whether it is a workflow, which may have dependencies.
        workflow: bool,
    },
    /// A field of `[package]` is not what the standard metadata section of that name holds.
    #[error("`package.{field}` is `{value}`, which is not {expected}")]
    Metadata {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The lockfile would have to change, and must not.
    #[error("`longshore.lock` is not up to date: {reason}")]
    Locked {
        /// What would change.
        reason: String,
    },
    /// A dependency must be looked up, and no registry may be asked.
    #[error("`{interface}` cannot be pinned without a registry")]
    Unreachable {
        /// The interface.
        interface: String,
        /// What the lockfile lacks.
        source: LockError,
    },
    /// A dependency's reference is relative, and no registry is given for such.
    #[error("`{reference}`, the dependency behind `{interface}`, names no registry")]
    NoRegistry {
        /// The interface.
        interface: String,
        /// The reference.
        reference: String,
    },
    /// The component behind a dependency does not export the interface.
    #[error("`{reference}` does not export `{interface}`")]
    NotExported {
        /// The interface.
        interface: String,
        /// The component.
        reference: String,
        /// The interfaces that it does export.
        exports: Vec<String>,
    },
    /// Two components give one interface different types.
    #[error("`{first}` and `{second}` disagree about the interface `{interface}`")]
    Disagree {
        /// The interface.
        interface: String,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// The component's interface cannot be written as WIT.
    #[error("the interface of `{name}` cannot be written as WIT: {reason}")]
    Wit {
        /// The component.
        name: String,
        /// Why.
        reason: String,
    },
    /// Something is in the way of a new project.
    #[error("`{}` is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The name of a new project cannot be one.
    #[error("`{name}` cannot be the name of a package: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The work was handed to a thread that ended early.
    #[error("the build was stopped")]
    Stopped,
}

impl From<longshore_client::Error> for Error {
    fn from(error: longshore_client::Error) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Manifest(error) => error.code(),
            Self::Lockfile(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Read { .. } => "LS-BLD-001",
            Self::Write { .. } => "LS-BLD-002",
            Self::NoManifest { .. } => "LS-BLD-003",
            Self::NothingToBuild { .. } => "LS-BLD-004",
            Self::Program { .. } => "LS-BLD-005",
            Self::WasmTarget => "LS-BLD-006",
            Self::Failed { .. } => "LS-BLD-007",
            Self::NoComponent { .. } => "LS-BLD-008",
            Self::SeveralComponents { .. } => "LS-BLD-009",
            Self::NotWasm { .. } => "LS-BLD-010",
            Self::CoreModule { .. } => "LS-BLD-011",
            Self::Invalid { .. } => "LS-BLD-012",
            Self::NoExports { .. } => "LS-BLD-013",
            Self::TooLarge { .. } => "LS-BLD-014",
            Self::Unprovided { .. } => "LS-BLD-015",
            Self::Metadata { .. } => "LS-BLD-016",
            Self::Locked { .. } => "LS-BLD-017",
            Self::Unreachable { .. } => "LS-BLD-018",
            Self::NoRegistry { .. } => "LS-BLD-019",
            Self::NotExported { .. } => "LS-BLD-020",
            Self::Disagree { .. } => "LS-BLD-021",
            Self::Wit { .. } => "LS-BLD-022",
            Self::Exists { .. } => "LS-BLD-023",
            Self::Name { .. } => "LS-BLD-024",
            Self::Stopped => "LS-BLD-025",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Manifest(error) => return error.hint(),
            Self::Lockfile(error) => return error.hint(),
            Self::Registry(error) => return error.hint(),
            Self::NoManifest { .. } => {
                "run it in the folder of an action or workflow, or make one with `longshore new`"
                    .into()
            }
            Self::NothingToBuild { .. } => {
                "say how it is built: `[build]` with `command = [\"…\"]` and `component = \"…\"`"
                    .into()
            }
            Self::Program { program, .. } if program == "cargo" => {
                "install Rust from https://rustup.rs, then `rustup target add wasm32-wasip2`".into()
            }
            Self::Program { program, .. } => format!("install `{program}`, or put it on `PATH`"),
            Self::WasmTarget => "run `rustup target add wasm32-wasip2`".into(),
            Self::Failed { .. } => "what it said stands above; mend that and build again".into(),
            Self::NoComponent { .. } => {
                "give the library `crate-type = [\"cdylib\"]`, or name the file in \
                 `build.component`"
                    .into()
            }
            Self::SeveralComponents { .. } => "name the one to take in `build.component`".into(),
            Self::NotWasm { .. } => "check `build.component`".into(),
            Self::CoreModule { .. } => {
                "build for `wasm32-wasip2`, or make it one with `wasm-tools component new`".into()
            }
            Self::Invalid { .. } => "build it again with a current toolchain".into(),
            Self::NoExports { .. } => "export a function: `#[longshore_guest::action]`".into(),
            Self::Unprovided { imports, workflow: true } => format!(
                "add it to `[dependencies]`: `\"{}\" = {{ reference = \"…\", version = \"^1.0\" }}`",
                imports.first().map_or("", String::as_str)
            ),
            Self::Unprovided { .. } => {
                "only a workflow calls actions: set `kind = \"workflow\"` and name the dependency"
                    .into()
            }
            Self::Metadata { .. } => "correct it in `longshore.toml`".into(),
            Self::Locked { .. } => "build without `--locked` and commit the lockfile".into(),
            Self::Unreachable { .. } => "build once online; the lockfile remembers".into(),
            Self::NoRegistry { reference, .. } => {
                format!("name a default registry, or write `registry.example.com/{reference}`")
            }
            Self::NotExported { exports, .. } if !exports.is_empty() => {
                format!("it exports `{}`", exports.join("`, `"))
            }
            Self::Disagree { .. } => {
                "put the package's own WIT below `wit/deps`; it is then left as it is".into()
            }
            Self::Exists { .. } => "choose another folder; nothing was written".into(),
            Self::Name { .. } => {
                "use lower-case words joined by `-`, each beginning with a letter".into()
            }
            Self::Read { .. }
            | Self::Write { .. }
            | Self::TooLarge { .. }
            | Self::NotExported { .. }
            | Self::Wit { .. }
            | Self::Stopped => return None,
        })
    }

    /// The last lines of the toolchain's output, where it failed.
    #[must_use]
    pub fn output(&self) -> Option<&str> {
        if let Self::Failed { tail, .. } = self { Some(tail) } else { None }
    }
}
