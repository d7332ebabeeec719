//! What can go wrong between a verified component and its first instruction. A guest's own faults are outcomes
//! ([`longshore_model::Fault`]), not errors.

use longshore_reference::Digest;

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not WebAssembly.
    #[error("`{name}` is not a WebAssembly file")]
    NotWasm {
        /// The file or reference.
        name: String,
    },
    /// The bytes are a core module.
    #[error("`{name}` is a core WebAssembly module, not a component")]
    CoreModule {
        /// The file or reference.
        name: String,
    },
    /// The component is larger than we take.
    #[error("`{name}` is {size} bytes long; components may be up to {limit}")]
    TooLarge {
        /// The file or reference.
        name: String,
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The component does not validate or compile.
    #[error("`{name}` does not compile: {reason}")]
    Invalid {
        /// The file or reference.
        name: String,
        /// What the compiler says.
        reason: String,
    },
    /// The embedded manifest cannot be read.
    #[error("the manifest inside `{name}` cannot be read")]
    Manifest {
        /// The file or reference.
        name: String,
        /// What is wrong with it.
        #[source]
        source: longshore_reference::ManifestError,
    },
    /// It exports no function.
    #[error("`{name}` exports no function, so there is nothing to call")]
    NoExports {
        /// The file or reference.
        name: String,
    },
    /// It imports what nobody provides.
    #[error("`{name}` imports what nobody provides: {}", list(.imports))]
    UnknownImports {
        /// The file or reference.
        name: String,
        /// The imports, all of them.
        imports: Vec<String>,
    },
    /// A workflow reaches for what could answer differently when it is repeated.
    #[error("the workflow `{name}` reaches outside by itself: {}", list(.imports))]
    NotDeterministic {
        /// The file or reference.
        name: String,
        /// The imports and grants, all of them.
        imports: Vec<String>,
    },
    /// A workflow waits with WASI 0.3, whose order is not the journal's.
    #[error("the workflow `{name}` uses WASI 0.3, whose waits no journal has")]
    AsyncWorkflow {
        /// The file or reference.
        name: String,
    },
    /// No export of that name.
    #[error("`{name}` exports no function `{function}`")]
    UnknownFunction {
        /// The file or reference.
        name: String,
        /// What was asked for.
        function: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Several exports fit.
    #[error("`{name}` exports {} functions, and none was chosen", .known.len())]
    AmbiguousFunction {
        /// The file or reference.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The dependency's export has another type than the workflow's import.
    #[error("`{importer}` imports `{function}` as `{wanted}`, but `{exporter}` exports `{found}`")]
    ImportType {
        /// The workflow.
        importer: String,
        /// The dependency.
        exporter: String,
        /// `interface#function`.
        function: String,
        /// The import's type.
        wanted: String,
        /// The export's type.
        found: String,
    },
    /// A function has a type that cannot cross from one component to another, or to JSON.
    #[error(transparent)]
    Type(#[from] crate::value::Error),
    /// The grant was decided for another component.
    #[error("the grant was decided for `{granted}`, not for `{component}`")]
    ForeignGrant {
        /// The component the grant is for.
        granted: Digest,
        /// The component it was used with.
        component: Digest,
    },
    /// A part of a bundle asks for less than the bundle is granted, and could use it all.
    #[error("`{part}`, a part of `{bundle}`, does not ask for `{scope}`, and would have it")]
    Part {
        /// The bundle.
        bundle: String,
        /// The name of the part's package.
        part: String,
        /// What the bundle is granted.
        scope: String,
    },
    /// A granted directory cannot be opened.
    #[error("the directory `{host}` that is granted as `{guest}` cannot be opened")]
    Directory {
        /// The path on the host.
        host: String,
        /// The path for the guest.
        guest: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A granted directory is no longer the one that was opened.
    #[error(
        "the directory `{host}` that is granted as `{guest}` was removed or replaced since it was opened"
    )]
    DirectoryGone {
        /// The path on the host.
        host: String,
        /// The path for the guest.
        guest: String,
    },
    /// A scratch directory cannot be made.
    #[error("the scratch directory of the run cannot be made")]
    Scratch {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A granted program is not there.
    #[error("the program `{program}` that is granted is not there, or is no program")]
    Program {
        /// Its name or its file.
        program: String,
        /// Where a name is looked for.
        folders: String,
    },
    /// The cache of compiled code cannot be set up.
    #[error("the cache of compiled code at `{path}` cannot be used")]
    Cache {
        /// Where it is.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Setup(String),
    /// The journal refused an entry.
    #[error(transparent)]
    Journal(#[from] longshore_journal::Error),
}

impl Error {
    /// The stable code, with its section in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm { .. } => "LS-ENG-001",
            Self::CoreModule { .. } => "LS-ENG-002",
            Self::TooLarge { .. } => "LS-ENG-003",
            Self::Invalid { .. } => "LS-ENG-004",
            Self::Manifest { .. } => "LS-ENG-005",
            Self::NoExports { .. } => "LS-ENG-006",
            Self::UnknownImports { .. } => "LS-ENG-007",
            Self::UnknownFunction { .. } => "LS-ENG-008",
            Self::AmbiguousFunction { .. } => "LS-ENG-009",
            Self::ImportType { .. } => "LS-ENG-010",
            Self::ForeignGrant { .. } => "LS-ENG-011",
            Self::Directory { .. } => "LS-ENG-012",
            Self::Cache { .. } => "LS-ENG-013",
            Self::Setup(_) => "LS-ENG-014",
            Self::NotDeterministic { .. } => "LS-ENG-020",
            Self::AsyncWorkflow { .. } => "LS-ENG-021",
            Self::DirectoryGone { .. } => "LS-ENG-015",
            Self::Scratch { .. } => "LS-ENG-016",
            Self::Program { .. } => "LS-ENG-017",
            Self::Part { .. } => "LS-ENG-022",
            Self::Type(source) => source.code(),
            Self::Journal(source) => source.code(),
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotWasm { .. } => {
                Some("give the `.wasm` file that `longshore build` writes".to_owned())
            }
            Self::CoreModule { .. } => Some(
                "build it for `wasm32-wasip2`, or wrap it with `wasm-tools component new`"
                    .to_owned(),
            ),
            Self::NoExports { .. } => {
                Some("export a function, or `wasi:cli/run` for a command".to_owned())
            }
            Self::UnknownImports { .. } => Some(
                "name the component that serves each interface under `[dependencies]` in \
                 `longshore.toml`, then build again"
                    .to_owned(),
            ),
            Self::NotDeterministic { .. } => Some(
                "move it into an action and call that: a workflow is repeated from its journal, \
                 and only what its actions did is in there"
                    .to_owned(),
            ),
            Self::AsyncWorkflow { .. } => Some(
                "use WASI 0.2, whose clocks are the journal's, or move it into an action; `async` \
                 functions of its actions are fine"
                    .to_owned(),
            ),
            Self::UnknownFunction { known, .. } | Self::AmbiguousFunction { known, .. } => {
                Some(format!("choose one with `--function`: {}", list(known)))
            }
            Self::ImportType { .. } => Some(
                "build the workflow against the WIT of the version that its lockfile names"
                    .to_owned(),
            ),
            Self::Scratch { .. } => Some(
                "scratch directories and programs need the host's state folder: give the host a home that can be written"
                    .to_owned(),
            ),
            Self::Program { program, folders } => Some(match program.starts_with('/') {
                true => "name the file of the program".to_owned(),
                false => format!("it is looked for in {folders}: name its file, as in `exec=/opt/bin/{program}`"),
            }),
            Self::Part { part, .. } => Some(format!(
                "grant the bundle no more than `{part}` asks for, or make `{part}` a dependency of a workflow, with a grant of its own"
            )),
            Self::DirectoryGone { .. } => {
                Some("put the directory back, or run again to open the one there now".to_owned())
            }
            Self::Directory { .. } => Some("create the directory, or grant another one".to_owned()),
            _ => None,
        }
    }
}

/// `a`, `b` and 3 more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
