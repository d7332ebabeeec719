//! `longshore:action/processes`: the granted programs of the host and nothing else. No shell is involved, nothing is inherited but
//! what is granted by name, and a program ends with its call.
//!
//! What a program may do once it runs is the operator's trust in it: it is a process of the host's user. `confine` says what is
//! taken from it all the same.

mod confine;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_model::{CapabilityKind, Denied, Effect, LimitName, Scope};
use longshore_policy::{Grant, Granted, Parameter};
use longshore_reference::Hasher;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::scratch::{Area, Fleeting};
use crate::Error;
use crate::call::Scene;
use crate::limiter::LimitHit;

/// Where a program is looked for that the operator names without a folder.
const FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// How long is waited for the output of what a program left running, before that is cut off.
const LINGER: Duration = Duration::from_millis(200);

/// The granted programs by scope, each with its file.
#[derive(Debug, Default)]
pub(crate) struct Programs(Vec<(Scope, PathBuf)>);

impl Programs {
    /// Finds the file of each granted program, so that a missing one is told before anything runs.
    pub(crate) fn find(grant: &Grant) -> Result<Self, Error> {
        let file = |granted: &Granted| {
            let Scope::Exec(scope) = granted.scope() else { return Ok(None) };
            let found = match granted.parameter() {
                Parameter::Program(path) => Some(path.clone()).filter(|path| may_run(path)),
                _ => FOLDERS
                    .iter()
                    .map(|folder| Path::new(folder).join(scope.program()))
                    .find(|path| may_run(path)),
            };
            let named = || match granted.parameter() {
                Parameter::Program(path) => path.display().to_string(),
                _ => scope.program().to_owned(),
            };
            match found {
                Some(path) => Ok(Some((granted.scope().clone(), path))),
                None => Err(Error::Program { program: named(), folders: FOLDERS.join(", ") }),
            }
        };
        let found: Result<Vec<_>, Error> = grant.scopes().iter().map(file).collect();
        Ok(Self(found?.into_iter().flatten().collect()))
    }

    fn file(&self, scope: &Scope) -> Option<&Path> {
        self.0.iter().find(|(own, _)| own == scope).map(|(_, path)| path.as_path())
    }
}

fn may_run(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else { return false };
    #[cfg(unix)]
    let may = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may = true;
    found.is_file() && may
}

/// What a guest wants to start.
pub(crate) struct Wanted {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) environment: Vec<String>,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// The signal that stopped a program.
#[cfg(unix)]
pub(crate) fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
pub(crate) fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// Why a program did not run, or was stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    Denied(String),
    Failed(String),
    /// The call ends.
    Trap(wasmtime::Error),
}

/// The programs of one call.
#[derive(Clone)]
pub(crate) struct Launcher {
    pub(crate) scene: Arc<Scene>,
    pub(crate) programs: Arc<Programs>,
    /// Granted variables with their values.
    pub(crate) values: Arc<Vec<(String, String)>>,
    pub(crate) area: Option<Arc<Area>>,
}

impl Launcher {
    /// Runs a program to its end.
    pub(crate) async fn run(&self, wanted: Wanted) -> Result<Output, Stop> {
        let (command, file) = self.permit(&wanted)?;
        let values = self.environment(&wanted)?;
        self.count(&wanted)?;
        let (folder, _fleeting) = self.folder().map_err(|e| Stop::Failed(e.to_string()))?;
        let effect = self.begin(command, &wanted.arguments).await?;
        let done = self.start(&file, wanted, values, &folder).await;
        let result = match &done {
            Ok(output) => {
                let (out, err) = (output.stdout.len(), output.stderr.len());
                format!("{}, {out} bytes out, {err} bytes of errors", output.status)
            }
            Err(Stop::Denied(why) | Stop::Failed(why)) => format!("failed: {why}"),
            Err(Stop::Trap(error)) => format!("stopped: {error}"),
        };
        self.scene.effect_ended(effect, result);
        done
    }

    /// The command as the grant names it, and the program's file.
    fn permit(&self, wanted: &Wanted) -> Result<(String, PathBuf), Stop> {
        let scene = &self.scene;
        let granted = scene.grant.allows_exec(&wanted.program, &wanted.arguments);
        let file = granted.and_then(|granted| self.programs.file(granted.scope()));
        if let (Some(granted), Some(file)) = (granted, file) {
            // The granted scope, not a narrower one: the arguments may be secret.
            scene.used(granted.scope().clone());
            let text = granted.scope().to_string();
            let command = text.split_once('=').map_or("", |(_, command)| command).to_owned();
            return Ok((command, file.to_owned()));
        }
        // Arguments may be secret, and the program's name is the guest's to choose.
        let program: String = wanted.program.chars().take(64).collect();
        let program = program.escape_debug().to_string();
        scene.denied(Denied {
            call: Some(scene.id),
            capability: CapabilityKind::Exec,
            asked: format!("exec={program}"),
            rule: match granted {
                Some(_) => "its file is gone".to_owned(),
                None => "no granted scope has it with these arguments".to_owned(),
            },
            hint: format!("--allow 'exec={program} ARGUMENTS'"),
        });
        Err(Stop::Denied(format!("`{program}` is not granted with these arguments")))
    }

    fn environment(&self, wanted: &Wanted) -> Result<Vec<(String, String)>, Stop> {
        let value = |name: &String| {
            let granted = self.scene.grant.env().any(|granted| granted == name);
            if !granted {
                let shown: String = name.chars().take(64).collect();
                let shown = shown.escape_debug();
                return Err(Stop::Denied(format!("the variable `{shown}` is not granted")));
            }
            // Granted, but not set on the host: it is not set for the program either.
            Ok(self.values.iter().find(|(own, _)| own == name).cloned())
        };
        let found: Result<Vec<_>, Stop> = wanted.environment.iter().map(value).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    fn count(&self, wanted: &Wanted) -> Result<(), Stop> {
        let limits = self.scene.grant.limits();
        if !self.scene.count(LimitName::Processes, 1) {
            return Err(self.hit(LimitName::Processes));
        }
        let arguments: usize = wanted.arguments.iter().map(|argument| argument.len() + 1).sum();
        if (arguments + wanted.stdin.len()) as u64 > limits.process_input_bytes {
            return Err(self.hit(LimitName::ProcessInputBytes));
        }
        if wanted.arguments.iter().any(|argument| argument.contains('\0')) {
            return Err(Stop::Failed("an argument has a NUL in it".to_owned()));
        }
        Ok(())
    }

    fn hit(&self, name: LimitName) -> Stop {
        self.scene.hit(name);
        let limit = self.scene.grant.limits().get(name);
        Stop::Trap(wasmtime::Error::new(LimitHit { name, limit }))
    }

    /// The folder that the program runs in: the component's first scratch directory, or an empty one that goes afterwards.
    fn folder(&self) -> std::io::Result<(PathBuf, Option<Fleeting>)> {
        let area = self.area.as_ref().ok_or_else(|| {
            std::io::Error::other("the host keeps no state, so there is no folder to run it in")
        })?;
        if let Some(guest) = self.scene.grant.scratch().next() {
            return Ok((area.path(self.scene.grant.component(), guest)?, None));
        }
        let fleeting = area.fleeting()?;
        Ok((fleeting.0.clone(), Some(fleeting)))
    }

    /// Journals the intent, as safely as the journal asks of it, before anything is started.
    async fn begin(&self, command: String, arguments: &[String]) -> Result<u32, Stop> {
        let mut hasher = Hasher::new();
        for argument in arguments {
            hasher.update(argument.as_bytes());
            hasher.update(b"\0");
        }
        let what = Effect::Process { command, arguments: hasher.finish() };
        let journaled = self.scene.intend(what).await;
        journaled.ok_or_else(|| Stop::Failed("the journal cannot be written".to_owned()))
    }

    async fn start(
        &self,
        file: &Path,
        wanted: Wanted,
        values: Vec<(String, String)>,
        folder: &Path,
    ) -> Result<Output, Stop> {
        let limits = self.scene.grant.limits();
        let mut command = Command::new(file);
        command
            .args(&wanted.arguments)
            .env_clear()
            .envs(values)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        confine::prepare(&mut command, &confine::Bounds::of(limits));
        let mut child = command
            .spawn()
            .map_err(|error| Stop::Failed(format!("`{}`: {error}", wanted.program)))?;
        // Dropped before the program is, with all that it started.
        let mut group = confine::Group::of(&child);
        let done = attend(&mut child, &mut group, wanted.stdin, limits.process_output_bytes).await;
        match done {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(self.hit(LimitName::ProcessOutputBytes)),
            Err(error) => Err(Stop::Failed(format!("`{}`: {error}", wanted.program))),
        }
    }
}

/// Feeds the program, reads what it writes, and waits for its end; nothing if it writes more than `most`.
async fn attend(
    child: &mut Child,
    group: &mut confine::Group,
    stdin: Vec<u8>,
    most: u64,
) -> std::io::Result<Option<Output>> {
    let (mut input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let left = AtomicU64::new(most);
    {
        let feed = async {
            if let Some(mut input) = input.take() {
                // A program need not read all that it is given.
                let _ = input.write_all(&stdin).await;
            }
            Ok(true)
        };
        let (out, err) = (drain(out, &mut stdout, &left), drain(err, &mut stderr, &left));
        let streams = async { tokio::try_join!(feed, out, err).map(|(_, out, err)| out && err) };
        tokio::pin!(streams);
        let ended = confine::ended(child);
        tokio::pin!(ended);
        let mut read_all = false;
        loop {
            tokio::select! {
                read = &mut streams, if !read_all => match read? {
                    true => read_all = true,
                    false => return Ok(None),
                },
                ended = &mut ended => break ended?,
            }
        }
        // Before the program is reaped: its group's number is its own until then.
        group.kill();
        // Only what escaped the group still has the streams open.
        if !read_all
            && let Ok(read) = tokio::time::timeout(LINGER, &mut streams).await
            && !read?
        {
            return Ok(None);
        }
    }
    let status = child.wait().await?;
    Ok(Some(Output { status, stdout, stderr }))
}

/// Reads to the end; false where that is more than what is `left`.
async fn drain(
    stream: Option<impl AsyncRead + Unpin>,
    into: &mut Vec<u8>,
    left: &AtomicU64,
) -> std::io::Result<bool> {
    let Some(mut stream) = stream else { return Ok(true) };
    let mut chunk = vec![0; 16 << 10];
    loop {
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            return Ok(true);
        }
        let take = |left: u64| left.checked_sub(n as u64);
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Ok(false);
        }
        into.extend_from_slice(&chunk[..n]);
    }
}
