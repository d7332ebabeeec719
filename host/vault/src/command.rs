//! Programs that print a secret: password managers, for the most part. No shell, no standard input; what they say on standard
//! error is thrown away, because it may hold the secret too.

use std::process::Stdio;
use std::time::Duration;

use longshore_ports::Secret;
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroize as _;

use crate::{Error, without_newline};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the program prints, without the newline at its end. It is killed when it takes too long, or when nobody waits for it
/// any more.
pub(crate) async fn output(words: &[String]) -> Result<Vec<u8>, Error> {
    let Some((program, arguments)) = words.split_first() else { unreachable!("policy checks it") };
    let fail = |source| Error::Program { program: program.clone(), source };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(fail)?;
    let stdout = child.stdout.take();
    // Of the full size at once: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(Secret::MAX_BYTES + 4);
    let work = async {
        if let Some(stdout) = stdout {
            stdout.take(Secret::MAX_BYTES as u64 + 3).read_to_end(&mut bytes).await?;
        }
        child.wait().await
    };
    let ended = tokio::time::timeout(PATIENCE, work).await;
    let error = match ended {
        Ok(Ok(status)) if status.success() => {
            without_newline(&mut bytes);
            return Ok(bytes);
        }
        Ok(Ok(status)) => Error::Status { program: program.clone(), status },
        Ok(Err(source)) => fail(source),
        Err(_) => Error::Slow { program: program.clone(), seconds: PATIENCE.as_secs() },
    };
    bytes.zeroize();
    Err(error)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn run(words: &[&str]) -> Result<Vec<u8>, Error> {
        output(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).await
    }

    #[tokio::test]
    async fn what_a_program_prints_is_the_value_and_its_failures_say_nothing_of_it() {
        assert_eq!(run(&["echo", "hunter2"]).await.unwrap(), b"hunter2");
        let error = run(&["sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3"]).await.unwrap_err();
        assert_eq!(error.code(), "LS-SEC-005");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
        assert_eq!(run(&["/no/such/program"]).await.unwrap_err().code(), "LS-SEC-004");
    }

    #[tokio::test]
    async fn a_program_that_prints_without_end_is_cut_off() {
        let bytes = run(&["head", "-c", "200000", "/dev/zero"]).await;
        // It is either cut at the bound and judged too long, or ends by a broken pipe.
        assert!(bytes.map_or(true, |bytes| bytes.len() > Secret::MAX_BYTES));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_blocks_is_given_up() {
        assert_eq!(run(&["sleep", "600"]).await.unwrap_err().code(), "LS-SEC-006");
    }
}
