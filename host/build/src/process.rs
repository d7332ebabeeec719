//! Running the author's toolchain, its output line by line. No shell: a program and its arguments.

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use crate::{Error, Result};

/// The longest line that is kept, in bytes; the rest of a longer one is dropped.
const MAX_LINE: usize = 1 << 20;
/// How long output is awaited after the program's end, from what it left running.
const GRACE: Duration = Duration::from_secs(2);

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Runs `command` without standard input and hands over every line. It is killed when the future is
/// dropped.
pub(crate) async fn run(
    command: &mut Command,
    on: &mut (dyn FnMut(Stream, &str) + Send),
) -> Result<ExitStatus> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let fail = |source| Error::Program { program: program.clone(), source };
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.kill_on_drop(true).spawn().map_err(fail)?;
    let gone = || fail(std::io::Error::from(ErrorKind::BrokenPipe));
    let mut out = Lines::new(child.stdout.take().ok_or_else(gone)?);
    let mut err = Lines::new(child.stderr.take().ok_or_else(gone)?);
    let mut status = None;
    loop {
        let (stream, line) = tokio::select! {
            biased;
            line = out.next(), if !out.ended => (Stream::Out, line),
            line = err.next(), if !err.ended => (Stream::Err, line),
            ended = child.wait(), if status.is_none() => {
                status = Some(ended.map_err(fail)?);
                continue;
            }
            () = tokio::time::sleep(GRACE), if status.is_some() => break,
        };
        if let Some(line) = line.map_err(fail)? {
            on(stream, &line);
        }
        if out.ended && err.ended {
            break;
        }
    }
    match status {
        Some(status) => Ok(status),
        None => child.wait().await.map_err(fail),
    }
}

/// The lines of a stream, each bounded. Cancelling [`Lines::next`] loses nothing.
struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(from: R) -> Self {
        Self { from: BufReader::new(from), line: Vec::new(), ended: false }
    }

    async fn next(&mut self) -> std::io::Result<Option<String>> {
        loop {
            let chunk = self.from.fill_buf().await?;
            if chunk.is_empty() {
                self.ended = true;
                return Ok((!self.line.is_empty()).then(|| self.take()));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let text = &chunk[..end.unwrap_or(chunk.len())];
            let room = MAX_LINE - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            let consumed = end.map_or(chunk.len(), |end| end + 1);
            self.from.consume(consumed);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(script: &str) -> (bool, Vec<(Stream, String)>) {
        let mut found = Vec::new();
        let mut command = Command::new("sh");
        let mut on = |stream, line: &str| found.push((stream, line.to_owned()));
        let status = run(command.args(["-c", script]), &mut on).await.unwrap();
        (status.success(), found)
    }

    #[tokio::test]
    async fn every_line_arrives_once_the_last_without_an_end_too() {
        let (ok, mut found) = lines("echo one; echo two >&2; printf 'three\\r\\nfour'").await;
        found.sort_by_key(|(_, line)| line.clone());
        let texts: Vec<_> = found.iter().map(|(_, line)| line.as_str()).collect();
        assert!(ok);
        assert_eq!(texts, ["four", "one", "three", "two"]);
        assert_eq!(found[3].0, Stream::Err);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let (_, found) = lines("head -c 3000000 /dev/zero | tr '\\0' a; echo; echo b").await;
        let lengths: Vec<_> = found.iter().map(|(_, line)| line.len()).collect();
        assert_eq!(lengths, [MAX_LINE, 1]);
    }

    #[tokio::test]
    async fn what_a_program_leaves_running_does_not_hold_up_the_build() {
        let (ok, found) = lines("sleep 60 & echo $!").await;
        assert!(ok);
        let sleeper = found[0].1.clone();
        assert!(Command::new("kill").arg(sleeper).status().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("no-such-program"), &mut |_, _| {}).await.unwrap_err();
        assert_eq!(error.code(), "LS-BLD-005");
        assert_eq!(error.to_string(), "cannot start `no-such-program`");
    }
}
