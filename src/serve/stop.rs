//! Tells every connection that the server is stopping.
//!
//! One [`Stopper`] owns the word, any number of [`StopSignal`]s hear it. Bounded: one shared cell, and a waker for each
//! connection that waits. Draining and deadlines are left to the server.

use tokio::sync::watch;

/// Says stop, once.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Hears when the server stops.
#[derive(Clone, Debug)]
pub struct StopSignal(Option<watch::Receiver<bool>>);

impl Stopper {
    /// A running server.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), StopSignal(Some(receiver)))
    }

    /// From now on every [`StopSignal`] says stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl StopSignal {
    /// Never says stop: for tools and tests.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Is the server stopping?
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        // A dropped stopper means that the server is gone.
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow() || receiver.has_changed().is_err())
    }

    /// Waits until the server stops.
    pub async fn stopped(&mut self) {
        match &mut self.0 {
            Some(receiver) => drop(receiver.wait_for(|stopping| *stopping).await),
            None => core::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_signal_hears_the_stop() {
        let (stopper, signal) = Stopper::new();
        let mut waiting = signal.clone();
        assert!(!signal.is_stopping());
        stopper.stop();
        waiting.stopped().await;
        assert!(signal.is_stopping() && waiting.is_stopping());
    }

    #[tokio::test]
    async fn a_server_that_is_gone_has_stopped() {
        let (stopper, mut signal) = Stopper::new();
        drop(stopper);
        signal.stopped().await;
        assert!(signal.is_stopping());
        assert!(!StopSignal::never().is_stopping());
    }
}
