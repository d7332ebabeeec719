//! Interrupts: waited for while there is something to close, and passed on once it is closed.

use std::future::Future;
use std::io;

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What a service manager sends.
    Terminate,
}

/// Catches interrupts from now on; the future is ready when one came.
#[cfg(unix)]
pub(crate) fn caught() -> io::Result<impl Future<Output = Signal>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
    })
}

/// Catches interrupts from now on; the future is ready when one came.
#[cfg(not(unix))]
pub(crate) fn caught() -> io::Result<impl Future<Output = Signal>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        Signal::Interrupt
    })
}

/// Ends this process as the signal would have, so that whoever started it sees why.
#[cfg(unix)]
pub(crate) fn end_by(signal: Signal) -> u8 {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let number = match signal {
        Signal::Interrupt => SIGINT,
        Signal::Terminate => SIGTERM,
    };
    let _ = signal_hook::low_level::emulate_default_handler(number);
    128 + u8::try_from(number).unwrap_or(0)
}

/// The exit status of an interrupted process.
#[cfg(not(unix))]
pub(crate) fn end_by(_: Signal) -> u8 {
    130
}
